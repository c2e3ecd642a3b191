"""Nets from the literature, one file each; the file's name is the net's name (see `cnnlab.zoo.lowering`)."""
