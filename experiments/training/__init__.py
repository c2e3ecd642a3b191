"""From points of a grid to records: what is trained, by whom, in which order, and how long it takes."""
