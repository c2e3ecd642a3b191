"""Claims of the notes, one file each; the path is the id."""
