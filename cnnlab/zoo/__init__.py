"""From a spec to a net that runs: lowering to a graph, named nets, matching, and the Flax NNX module."""
