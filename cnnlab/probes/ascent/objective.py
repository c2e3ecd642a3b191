"""What a picture is to do to a net: raise a neuron, a channel, a class, or a direction. Objectives add and scale.

An objective gives a number for every picture and every unit, so that the same function scores real images.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from cnnlab.probes.trained import source
from cnnlab.spec.network import Activation, Network

Outputs = Mapping[str, Array]
"""Output of every layer by name, for n images."""


@dataclass(frozen=True)
class Objective:
    """A score that an ascent raises.

    Attributes:
        name: what it raises, in words. units: how many units it has.
        value: outputs of all layers -> (images, units).
    """

    name: str
    units: int
    value: Callable[[Outputs], Array]

    def __add__(self, other: "Objective") -> "Objective":
        """The sum, unit by unit. Raises ValueError where both have units, and not equally many."""
        if 1 not in (self.units, other.units) and self.units != other.units:
            raise ValueError(f"{self.name} has {self.units} units, {other.name} {other.units}")
        units = max(self.units, other.units)
        return Objective(
            f"{self.name} + {other.name}", units, lambda outputs: self.value(outputs) + other.value(outputs)
        )

    def __mul__(self, factor: float) -> "Objective":
        """The same, times a number."""
        return Objective(f"{factor:g} * {self.name}", self.units, lambda outputs: factor * self.value(outputs))

    __rmul__ = __mul__

    def __neg__(self) -> "Objective":
        """The same, lowered instead of raised."""
        return -1 * self

    def __sub__(self, other: "Objective") -> "Objective":
        """The difference, unit by unit."""
        return self + -other


def neuron(layer: str, row: int, column: int, channels: Sequence[int]) -> Objective:
    """Every channel's output at one place of a map, a unit each. Move its picture with `Moves.of_neuron`."""
    picked = np.asarray(channels)
    name = f"neuron {layer}[{row}, {column}]"
    return Objective(name, len(picked), lambda outputs: outputs[layer][:, row, column][:, picked])


def channel(layer: str, channels: Sequence[int]) -> Objective:
    """Every channel's mean over the map, a unit each; of a layer without a map the output itself."""
    picked = np.asarray(channels)
    return Objective(f"channel of {layer}", len(picked), lambda outputs: over_map(outputs[layer])[:, picked])


def label(logits: str, classes: Sequence[int]) -> Objective:
    """Every class's logit, a unit each. `logits`: name of the layer that gives them."""
    picked = np.asarray(classes)
    return Objective("class", len(picked), lambda outputs: outputs[logits][:, picked])


def direction(layer: str, directions: ArrayLike) -> Objective:
    """Product of the map's mean with each direction (units, channels): a concept that no single channel stands for."""
    along = np.asarray(directions, np.float32)
    return Objective(f"direction in {layer}", len(along), lambda outputs: over_map(outputs[layer]) @ along.T)


def together(parts: Sequence[Objective]) -> Objective:
    """The units of several objectives, one after the other: a single compiled step raises all of them."""
    if len(parts) == 1:
        return parts[0]
    name, units = ", ".join(part.name for part in parts), sum(part.units for part in parts)
    return Objective(name, units, lambda outputs: jnp.concatenate([part.value(outputs) for part in parts], 1))


def over_map(values: Array) -> Array:
    """Mean over the places of a map: (n, ..., channels) to (n, channels)."""
    return values.mean(tuple(range(1, values.ndim - 1))) if values.ndim > 2 else values


def dead(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which channels (channels,) of (n, ..., channels) give the same number everywhere on all images."""
    flat = values.reshape(-1, values.shape[-1])
    return np.asarray((flat == flat[:1]).all(0))


def living_channel(network: Network, layer: str, off: Sequence[bool] | NDArray[np.bool_]) -> Objective:
    """All channels of a layer, those that are dead on real images before their activation.

    A unit that is zero on every image has no gradient: nothing could be raised. What stands before its activation has
    one. Whoever shows the picture says so.

    Args:
        off: (channels,), see `dead`. A layer that is no activation has nothing before it and is taken as it is.
    """
    every = range(len(off))
    node = network[layer]
    if not isinstance(node, Activation) or not any(off):
        return channel(layer, every)
    after, before = channel(layer, every), channel(source(network, node).name, every)
    mask = np.asarray(off)
    return Objective(
        after.name, len(mask), lambda outputs: jnp.where(mask, before.value(outputs), after.value(outputs))
    )
