"""The suite's engine with XLA's convolutions, as a sweep has it where there is no compiler for our own."""

from experiments.bench.contenders.engine import Engine


class EngineXla(Engine):
    """On a GPU there are no others."""

    description, needs, native, sweeps = "this suite's engine, convolutions=xla", "cpu", False, False
