"""Nets with weights, as the page shows them."""
