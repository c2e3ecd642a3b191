"""`python -m experiments.checkerboard`: how much checkerboard an up-sampling leaves, before and after training."""
