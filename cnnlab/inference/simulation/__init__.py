"""Simulations of the verdicts: plant curves over learning rates, read them, let the rules judge, and count."""
