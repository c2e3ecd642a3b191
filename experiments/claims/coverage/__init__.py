"""Claims of the notes on how often pixels are read, one file each; the path is the id."""
