"""Claims about activation functions, and about nets without any."""
