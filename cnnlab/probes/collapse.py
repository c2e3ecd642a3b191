"""Is a net one affine map? Zoo nets are tested up to any layer, in any precision, in training or evaluation mode."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from cnnlab.probes.affine import Floats, probed, probes, residual
from cnnlab.probes.weights import in_precision, with_offsets
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.network import Input, Network, Norm, Pool
from cnnlab.zoo.module import Mode, Net

TOLERANCE = {"float64": 1e-10, "float32": 1e-3}
"""Relative. Float32 has a hundred layers to round in; a net that does not collapse misses either at any depth."""
COMPANIONS, IMAGES = 3, 8
FAST = {"xla_backend_optimization_level": 0}
"""Every net is compiled to run once."""

Values = dict[str, dict[str, Floats]]
"""{dtype: {layer: outputs of every image}}."""


@dataclass(frozen=True, kw_only=True)
class CollapseSubject:
    """A net with an image size, the mode in which it runs, and the layers up to which it is tested."""

    name: str
    network: Network
    mode: Mode = "evaluate"
    until: tuple[str, ...] = ("logits",)


@dataclass(frozen=True, kw_only=True)
class CollapseOutcome:
    """The result for a net up to one layer, in one precision.

    Attributes:
        net, layer: the net's name, and the layer up to which it was looked at.
        residual: relative distance from the one affine map.
        rank: of the matrix that was probed.
        exceptions: why no affine map might do, read off the net's graph and the size of its numbers.
    """

    net: str
    layer: str
    dtype: str
    residual: float
    rank: int
    exceptions: tuple[str, ...]

    @property
    def collapses(self) -> bool:
        """Whether the one affine map does what the net does."""
        return self.residual <= TOLERANCE[self.dtype]

    @property
    def line(self) -> str:
        """The outcome as a counterexample."""
        up_to = "" if self.layer == "logits" else f" up to {self.layer}"
        why = f" ({', '.join(self.exceptions)})" if self.exceptions else ""
        return (
            f"{self.net}{up_to}{why}, {self.dtype}: the nearest affine map misses by {self.residual:.2g} of the output"
        )


def judged(subjects: tuple[CollapseSubject, ...]) -> Iterator[CollapseOutcome]:
    """Probe nets that read images of one shape, at every layer of interest, in both precisions.

    Weights are the zoo's with every offset drawn at random; images are normal. All of it is fixed.
    """
    shape = image_of(subjects[0].network)
    bases = probes(shape, "float64")
    drawn = np.random.default_rng(2).normal(size=(IMAGES + COMPANIONS, *shape))
    images, companions = drawn[:IMAGES], drawn[IMAGES:]
    values = run(subjects, np.concatenate([bases, images]), companions, TOLERANCE)
    for subject, found in zip(subjects, values, strict=True):
        reasons = exceptions(subject.network, subject.mode)
        for dtype, layer in itertools.product(TOLERANCE, subject.until):
            given = found[dtype][layer]
            affine = probed(given[: len(bases)])
            exact = found["float64"][layer]
            underflows = dtype == "float32" and np.median(np.abs(exact)) < np.finfo(dtype).tiny
            yield CollapseOutcome(
                net=subject.name,
                layer=layer,
                dtype=dtype,
                residual=residual(given[len(bases) :], affine, images.astype(dtype)),
                rank=int(np.linalg.matrix_rank(affine.matrix)),
                exceptions=(*reasons, "underflow") if underflows else reasons,
            )


def image_of(network: Network) -> tuple[int, int, int]:
    """(height, width, channels) of the image a net reads. Raises InvalidError unless it was built for one."""
    image = network.nodes[0]
    if network.size is None or not isinstance(image, Input):
        raise InvalidError("network.size", network.size, "must be the image's (height, width)")
    return *network.size, image.channels


def run(
    subjects: tuple[CollapseSubject, ...], images: Floats, companions: Floats, dtypes: Iterable[str]
) -> list[Values]:
    """Run nets in each precision, all in one compilation; gives what each net's layers of interest put out.

    Args:
        subjects: nets that read images of one shape.
        images: (n, height, width, channels).
        companions: images beside which batch norm in training mode sees each of the others.
        dtypes: weights and images are the same numbers in each.
    """
    nets = [nnx.split(with_offsets(Net(one.network, jax.random.key(0)), seed=1)) for one in subjects]

    def forward(at: int, dtype: str, state: Any, batch: Array) -> dict[str, Array]:
        net = in_precision(nnx.merge(nets[at][0], state), dtype)
        found = net(batch.astype(dtype), mode=subjects[at].mode)[1]
        return {name: found[name] for name in subjects[at].until}

    def beside(at: int, dtype: str, state: Any, image: Array) -> dict[str, Array]:
        found = forward(at, dtype, state, jnp.concatenate([image[None], companions]))
        return {name: value[0] for name, value in found.items()}

    def each(at: int, state: Any, images: Array) -> dict[str, dict[str, Array]]:
        if subjects[at].mode == "evaluate":
            return {dtype: forward(at, dtype, state, images) for dtype in dtypes}
        return {dtype: jax.lax.map(partial(beside, at, dtype, state), images) for dtype in dtypes}

    @partial(jax.jit, compiler_options=FAST)
    def every(states: list[Any], images: Array) -> list[dict[str, dict[str, Array]]]:
        return [each(at, state, images) for at, state in enumerate(states)]

    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        found: list[Values] = jax.device_get(every([state for _, state in nets], jnp.asarray(images)))
    return found


def exceptions(network: Network, mode: Mode) -> tuple[str, ...]:
    """Layers of a net that no affine map describes, by name; read off the graph."""
    found = []
    for node in network.nodes:
        match node:
            case Pool(kind="max"):
                found.append("max-pool")
            case Norm(kind="layer"):
                found.append("layer norm")
            case Norm(kind="batch") if mode == "train":
                found.append("batch norm training")
    return tuple(dict.fromkeys(found))
