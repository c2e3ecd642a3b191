"""The limit: how many images a second could be trained on if matrix products of the best size were all there is."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.bench.contender import Batches, Contender, Machine, Values
from experiments.bench.workloads import Workload
from experiments.timing.stopwatch import fastest

SIDES = {"cpu": 2048, "gpu": 8192}  # of the square float32 matrices


class MatrixProduct(Contender):
    """One product of square matrices a turn, by the faster of the libraries. It trains nothing."""

    description = "what matrix products alone would allow"

    def __init__(self, workload: Workload, members: Sequence[int], machine: Machine) -> None:
        super().__init__(workload, members, machine)
        self.side = SIDES[machine.kind]
        matrix = np.ones((self.side, self.side), np.float32)
        on_device, dot = jnp.asarray(matrix), jax.jit(jnp.dot)
        products: list[Callable[[], Any]] = [lambda: dot(on_device, on_device).block_until_ready()]
        self.product = fastest([*products, lambda: np.dot(matrix, matrix)] if machine.kind == "cpu" else products)

    def run(self, batches: Batches) -> Values:
        """One product, however many the batches are."""
        self.product()
        return np.zeros((1, 0), np.float32)

    def images_trained(self, batches: Batches) -> float:
        """As many as take the operations of one product."""
        return 2.0 * self.side**3 / self.workload.train_flop
