"""Integers and fractions on a network: sizes, cost, receptive fields, alignment, coverage. No JAX."""
