"""`python -m experiments.geometry`: receptive field, stride, padding and cost of every layer of a net."""
