"""The suite's engine with the gradient statistics of every step, where a run takes them at some twenty steps."""

from experiments.bench.contenders.engine import Engine


class EngineWatched(Engine):
    """What statistics cost at most."""

    description, statistics, sweeps, gated = "this suite's engine, statistics every step", True, False, False
