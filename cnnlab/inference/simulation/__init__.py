"""Simulations of the verdicts: plant effects or nulls, draw and tune members, and count the verdicts."""
