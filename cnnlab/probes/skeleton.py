"""The skeleton of a network: only its windows, with one channel a layer, linear, and positive weights.

What a unit of it reads is then where its gradient is positive: nothing cancels and no activation blocks a path. With
weights of 1 the gradient counts the paths. It runs as the network itself does, in the zoo's Flax module.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from cnnlab.geometry.layers import reads_whole
from cnnlab.geometry.sizes import maps
from cnnlab.spec.invalid import require_choice
from cnnlab.spec.network import (
    Activation,
    Add,
    Combine,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    Elementwise,
    GlobalAveragePool,
    GroupPad,
    Input,
    Network,
    Node,
    Norm,
    Pair,
    Pool,
    SpaceToDepth,
    TransposedConv,
)
from cnnlab.zoo.module import Net

CORNERS = 4
"""Channel groups of `GroupPad`: more channels make no other windows."""


@dataclass(frozen=True, kw_only=True)
class Mute(Elementwise):
    """Passes nothing on: it silences a path."""

    kind: str = "mute"


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """A network of one channel a layer, and the weight of each layer that learns.

    Attributes:
        network: its layers keep the names of the original's; what a layer needs beside has `name~...`.
        weights: every kernel is filled with this; an average is followed by the size of its window, so that it sums.
    """

    network: Network
    weights: Mapping[str, float]

    def net(self) -> Net:
        """Make the Flax module, its kernels in JAX's widest floating point; call it under `jax.enable_x64(True)`."""
        net = Net(self.network, jax.random.key(0))
        for name, layer in net.layers.items():
            weights: Any = layer
            weights.kernel.set_value(jnp.full(weights.kernel.shape, self.weights[name], float))
        return net


def skeleton(network: Network, size: Pair) -> Skeleton:
    """Strip a network, bound to an image of (height, width) `size`, to its windows.

    Convolutions read all channels whatever their groups and pools average; norms, activations and other elementwise
    layers are the identity, those of several maps a sum; biases are gone. What makes channels (a concat, symmetric
    padding, a block turned into channels) runs as it is and is then summed to one channel.

    Raises:
        InvalidError: as `cnnlab.geometry.sizes.sizes`.
    """
    found = maps(network, size)
    nodes: list[Node] = []
    weights: dict[str, float] = {}
    for node in network.nodes:
        source = found[node.inputs[0]] if node.inputs else found[node.name]
        made = _stripped(node, min(source.channels or 1, CORNERS))
        nodes += made
        window = 1
        if isinstance(node, Pool):
            window = node.kernel[0] * node.kernel[1]
        elif isinstance(node, GlobalAveragePool) and source.size is not None:
            window = source.size[0] * source.size[1]
        passes = 0 if isinstance(node, Mute) else window
        weights |= {part.name: float(passes if part.name == node.name else 1) for part in made}
    bare = dataclasses.replace(
        network, nodes=tuple(nodes), activation="identity", init="lecun", init_scale=1.0, size=size
    )
    return Skeleton(network=bare, weights=weights)


def opened(network: Network, merge: str) -> tuple[Network, tuple[str, ...]]:
    """Repeat a merge once for each of its inputs, with all others silenced.

    Returns:
        the network with the repetitions behind its other layers, and their names in the order of the inputs.
    """
    node = network[merge]
    mutes = [Mute(name=f"{merge}~mute{place}", inputs=(source,)) for place, source in enumerate(node.inputs)]
    paths = []
    for place, source in enumerate(node.inputs):
        inputs = tuple(source if other == place else mute.name for other, mute in enumerate(mutes))
        paths.append(dataclasses.replace(node, name=f"{merge}~path{place}", inputs=inputs))
    return dataclasses.replace(network, nodes=(*network.nodes, *mutes, *paths)), tuple(path.name for path in paths)


def upstream(network: Network, *names: str) -> Network:
    """Keep only the layers that the named ones depend on, and these; the last of them becomes the output.

    Raises:
        InvalidError: no layer has such a name.
    """
    known = [node.name for node in network.nodes]
    for name in names:
        require_choice("node", name, known)
    needed = set(names)
    for node in reversed(network.nodes):
        if node.name in needed:
            needed |= set(node.inputs)
    kept = tuple(node for node in network.nodes if node.name in needed)
    return dataclasses.replace(network, nodes=kept, output=kept[-1].name, features=kept[-1].name)


def spatial(network: Network) -> tuple[str, ...]:
    """Name the layers whose units have a window of their own: those before any that reads the whole map."""
    whole: set[str] = set()
    for node in network.nodes:
        if any(reads_whole(node)) or whole & set(node.inputs):
            whole.add(node.name)
    return tuple(node.name for node in network.nodes if node.name not in whole)


def _stripped(node: Node, groups: int) -> tuple[Node, ...]:
    """Give the layers that stand for one; the last has its name and one channel. `groups`: channels of GroupPad."""
    name = node.name
    match node:
        case Input():
            return (dataclasses.replace(node, channels=1),)
        case Conv():
            return (dataclasses.replace(node, filters=1, groups=1, bias=False),)
        case TransposedConv():
            return (dataclasses.replace(node, filters=1, bias=False),)
        case Dense():
            return (dataclasses.replace(node, units=1, bias=False),)
        case Mute():
            return (_point(name, node.inputs[0]),)
        case Norm() | Activation() | Elementwise():
            return (Elementwise(name=name, inputs=node.inputs, kind="identity"),)
        case Combine():
            return (Add(name=name, inputs=node.inputs),)
        case GlobalAveragePool():
            average = dataclasses.replace(node, name=f"{name}~mean")
            return average, Dense(name=name, inputs=(average.name,), units=1, bias=False)
        case GroupPad():
            split = _point(f"{name}~split", node.inputs[0], groups)
            pad = dataclasses.replace(node, name=f"{name}~pad", inputs=(split.name,))
            return split, pad, _point(name, pad.name)
        case Pool():
            mean = dataclasses.replace(node, name=f"{name}~mean", kind="avg")
            return mean, _point(name, mean.name)
        case DepthToSpace():
            deep = _point(f"{name}~channels", node.inputs[0], node.block**2)
            return deep, dataclasses.replace(node, inputs=(deep.name,))
        case SpaceToDepth() | Concat():
            wide = dataclasses.replace(node, name=f"{name}~channels")
            return wide, _point(name, wide.name)
    return (node,)


def _point(name: str, source: str, filters: int = 1) -> Conv:
    """Make a 1x1 convolution that sums all channels."""
    return Conv(name=name, inputs=(source,), filters=filters, kernel=(1, 1), bias=False)
