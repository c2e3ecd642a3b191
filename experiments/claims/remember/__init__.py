"""Claims of the notes from their list of things to remember, one file each; the path is the id."""
