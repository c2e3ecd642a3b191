"""One probe of trained members a file: the file's name is the probe's, and it defines `probe(member)`."""
