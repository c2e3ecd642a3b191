"""Measurements on nets by running them: outputs of layers, and gradients at the image."""
