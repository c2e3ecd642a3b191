"""The uses of the instruments: the doors a user comes in by, the sweeps' views and the claims."""
