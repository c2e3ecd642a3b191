"""Claims of the notes on 1x1 convolutions, one file each; the path is the id."""
