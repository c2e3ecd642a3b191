"""Instruments that look into a net by running it: what its gradients say of the image."""
