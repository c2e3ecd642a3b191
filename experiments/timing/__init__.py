"""Interleaved timing of the claims about time and memory, and the timings that are kept."""
