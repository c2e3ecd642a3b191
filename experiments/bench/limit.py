"""What the machine can do at best: matrix products, copies of memory, and calls handed to the device a second."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.training.workers import ONE_THREAD
from experiments.bench.contract import Kind, Machine, Setup, on_gpu

SAYS = "what this machine can do at best"
SIDES: Mapping[Kind, int] = {"cpu": 2048, "gpu": 8192}
"""Side of the square matrices."""
ROWS, TAPS, FILTERS = 100_352, 288, 32
"""A convolution as one product: 28 x 28 places of 128 images, 3 x 3 windows of 32 channels, 32 filters."""
COPIED: Mapping[Kind, int] = {"cpu": 1 << 26, "gpu": 1 << 30}
"""Float32 numbers, far beyond every cache."""
DISPATCHES = 2000

Gauge = Callable[[], float]
"""Does some work and says how much: floating-point operations, bytes or calls."""


def setups(machine: Machine) -> tuple[Setup, ...]:
    """All cores, as the suite's engine uses them."""
    if machine.kind == "gpu":
        return (Setup(name="1", processes=1, environment=on_gpu()),)
    return (Setup(name=f"{machine.cores}x1", processes=machine.cores, environment=ONE_THREAD),)


def gauges(machine: Machine) -> dict[str, Gauge]:
    """What to measure, by name; each is warm."""
    side = SIDES[machine.kind]
    found = {
        "flop_per_second/jax": _product(side, side, side),
        "skinny_flop_per_second": _product(ROWS, TAPS, FILTERS),
        "copied_bytes_per_second": _copy(COPIED[machine.kind]),
        "calls_per_second": _calls(),
    }
    if machine.kind == "cpu":
        # another library's kernel: the better of the two is the limit
        found["flop_per_second/numpy"] = _numpy_product(side)
    for gauge in found.values():
        gauge()
    return found


def _product(rows: int, inner: int, columns: int) -> Gauge:
    left, right = jnp.ones((rows, inner), jnp.float32), jnp.ones((inner, columns), jnp.float32)
    product: Any = jax.jit(jnp.dot)

    def gauge() -> float:
        product(left, right).block_until_ready()
        return 2.0 * rows * inner * columns

    return gauge


def _numpy_product(side: int) -> Gauge:
    matrix = np.ones((side, side), np.float32)

    def gauge() -> float:
        np.dot(matrix, matrix)
        return 2.0 * side**3

    return gauge


def _copy(numbers: int) -> Gauge:
    """Bytes read and written. Adding nothing would be simplified away, so that 1 is added."""
    source = jnp.zeros(numbers, jnp.float32)
    copied: Any = jax.jit(functools.partial(jnp.add, 1.0))

    def gauge() -> float:
        copied(source).block_until_ready()
        return 2.0 * source.nbytes

    return gauge


def _calls() -> Gauge:
    """Calls of a compiled function that does next to nothing."""
    one = jnp.zeros(())
    nothing: Any = jax.jit(lambda x: x + 1)

    def gauge() -> float:
        result = one
        for _ in range(DISPATCHES):
            result = nothing(result)
        result.block_until_ready()
        return float(DISPATCHES)

    return gauge
