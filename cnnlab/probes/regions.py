"""Linear regions of a piecewise affine net: which units are on at each point of a plane through input space."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from numpy.typing import NDArray

from cnnlab.probes.weights import in_precision
from cnnlab.spec.network import Activation
from cnnlab.zoo.module import Net

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Plane:
    """A square piece of a plane: origin + s * across + t * up for s, t in [-1, 1].

    Attributes:
        origin, across, up: images, (height, width, channels). points: grid points an axis.
    """

    origin: Floats
    across: Floats
    up: Floats
    points: int

    @property
    def coordinates(self) -> Floats:
        """(points**2, 2): s and t of every grid point, s fastest."""
        line = np.linspace(-1, 1, self.points)
        return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Regions:
    """What a net does at every grid point of a plane.

    Attributes:
        outputs: (points**2, classes).
        slopes: (points**2, classes, 2), derivative by s and t.
        region: (points**2,), which region a point is in, by number; a region is one pattern of active units.
    """

    coordinates: Floats
    outputs: Floats
    slopes: Floats
    region: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Regions that have a grid point."""
        return int(self.region.max()) + 1

    @property
    def formula_residual(self) -> float:
        """How far the piecewise affine formula misses the net, relative to the spread of its outputs.

        The formula takes value and slope from ONE point of every region, its first, and predicts the others.
        """
        first = np.unique(self.region, return_index=True)[1][self.region]
        step = self.coordinates - self.coordinates[first]
        predicted = self.outputs[first] + np.einsum("pcd,pd->pc", self.slopes[first], step)
        return float(np.abs(predicted - self.outputs).max() / np.ptp(self.outputs))


def regions(net: Net, plane: Plane) -> Regions:
    """Run a net on a plane in float64. A unit is on where the output of its activation is positive."""
    graph, state = nnx.split(net)
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        piece = jnp.stack([jnp.asarray(image, "float64") for image in (plane.origin, plane.across, plane.up)])
        found = jax.device_get(_everywhere(graph, state, piece, jnp.asarray(plane.coordinates)))
    outputs, active, slopes = found
    region = np.unique(np.packbits(active, axis=1), axis=0, return_inverse=True)[1]
    return Regions(coordinates=plane.coordinates, outputs=outputs, slopes=slopes, region=region.ravel())


@partial(jax.jit, static_argnums=0)
def _everywhere(graph: Any, state: Any, piece: Array, places: Array) -> tuple[Array, Array, Array]:
    """Outputs, active units and slopes at every place of the piece (origin, across, up)."""
    net = in_precision(nnx.merge(graph, state), "float64")
    sites = [node.name for node in net.network.nodes if isinstance(node, Activation)]

    def at(place: Array) -> tuple[Array, Array]:
        logits, outputs = net((piece[0] + place[0] * piece[1] + place[1] * piece[2])[None])
        return logits[0], jnp.concatenate([outputs[name].ravel() > 0 for name in sites])

    outputs, active = jax.vmap(at)(places)
    return outputs, active, jax.vmap(jax.jacfwd(lambda place: at(place)[0]))(places)


def affine_misfit(found: Regions) -> float:
    """How far the best single affine map (least squares on the grid) misses the net, relative as the formula's."""
    design = np.column_stack([found.coordinates, np.ones(len(found.coordinates))])
    fitted = design @ np.linalg.lstsq(design, found.outputs, rcond=None)[0]
    return float(np.abs(fitted - found.outputs).max() / np.ptp(found.outputs))
