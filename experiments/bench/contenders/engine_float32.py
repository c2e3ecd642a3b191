"""The suite's engine with full float32 products, as claims are run on a GPU too."""

from experiments.bench.contenders.engine import Engine


class EngineFloat32(Engine):
    """A CPU has no other products."""

    description, needs, gpu_precision, sweeps, gated = "this suite's engine, no TF32", "gpu", "highest", False, False
