"""Users' own Flax modules as nets: their source, how they are made and called, their graph, their match."""
