"""A network under construction from a trace: layers named after the module, each checked against JAX's shape."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from cnnlab.geometry.axis import Slide
from cnnlab.geometry.cost import cost
from cnnlab.geometry.layers import along, last_map, reads_whole
from cnnlab.geometry.sizes import Map, maps, shown
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.net import ACTIVATIONS
from cnnlab.spec.network import (
    Activation,
    Conv,
    Dense,
    Elementwise,
    GlobalAveragePool,
    GlobalPool,
    Input,
    Mix,
    Network,
    Node,
    Norm,
    Pair,
    Pool,
    TransposedConv,
)
from cnnlab.tracing.values import Part, TracedArray, TracingError, whole

IMAGE = "image"
WEIGHTED = (Conv, TransposedConv, Dense)
AVERAGES = (Pool, GlobalPool, GlobalAveragePool)
"""Layers behind which a factor is part of the average."""


class TracedGraph:
    """The network built so far: layers in the order in which the forward pass makes them."""

    def __init__(self, size: Pair, channels: int) -> None:
        """Begin with an image of (height, width) `size`."""
        self.nodes: dict[str, Node] = {IMAGE: Input(name=IMAGE, channels=channels)}
        self.maps: dict[str, Map] = {IMAGE: Map(size=size, channels=channels)}
        self.settled: dict[TracedArray, TracedArray] = {}
        self._owner: dict[Part, str] = {}
        self._kinds: dict[str, str] = {}

    def size(self, name: str) -> Pair:
        """(height, width) of a layer's map."""
        found = self.maps[name].size
        assert found is not None, "the image's size is known, so every map's is"
        return found

    def current(self, value: TracedArray) -> TracedArray:
        """The value itself, or the layer that it has become."""
        return self.settled[value] if value in self.settled else value

    def numbered(self, kind: str) -> str:
        """A new name for a layer without a module of its own, such as `relu_2`."""
        self._kinds[name := f"{kind}_{len(self._kinds) + 1}"] = kind
        return self.numbered(kind) if name in self.nodes else name

    def titled(self, path: str, kind: str) -> str:
        """The module's path as a name, or a numbered one where that is taken or empty."""
        name = re.sub(r"[^\w.\-]", "_", path)
        return name if name and name not in self.nodes else self.numbered(name or kind)

    def add(self, node: Node, size: Pair, channels: int, parts: Iterable[Part] = ()) -> str:
        """Append a layer whose output JAX says to have this size and these channels; `parts` are what it learns.

        An array that is an earlier layer's already is counted there. Where the layer learns other numbers than those
        of its kind (a kernel that is computed from some), they stand in a layer before it.

        Raises:
            TracingError: geometry says otherwise.
        """
        sources = [Input(name=name, channels=self.maps[name].channels or 0) for name in dict.fromkeys(node.inputs)]
        alone = Network(nodes=(*sources, node), output=node.name, features=node.name)
        here = self.size(node.inputs[0])
        try:
            found = maps(alone, here)[node.name]
        except InvalidError as problem:
            raise TracingError(f"does not fit: {problem}") from problem
        if found != Map(size=size, channels=channels):
            says = f"{shown(found.size)} with {found.channels} channels"
            raise TracingError(
                f"makes {shown(size)} with {channels} channels, where a {type(node).__name__} makes {says}"
            )
        own = self.own(node.name, parts)
        if own != cost(alone, here).nodes[node.name].params:
            node = dataclasses.replace(node, **self._uncounted(node, own))
        self.nodes[node.name] = node
        self.maps[node.name] = found
        return node.name

    def own(self, name: str, parts: Iterable[Part]) -> int:
        """Note which layer learns arrays; how many numbers are its own, and no earlier layer's."""
        new = [part for part in parts if part not in self._owner]
        self._owner.update(dict.fromkeys(new, name))
        return sum(part.size for part in new)

    def _uncounted(self, node: Node, own: int) -> dict[str, Any]:
        """What changes in a layer that learns other numbers than its kind does."""
        if isinstance(node, Elementwise | Mix):
            return {"params": own}
        if not isinstance(node, (*WEIGHTED, Norm)):
            raise TracingError(f"learns {own} numbers, where a {type(node).__name__} has none")
        if own == 0:
            return {"counted": False}
        channels = self.maps[node.inputs[0]].channels
        assert channels is not None, "known where the size is"
        made = Elementwise(name=self.numbered("weights"), inputs=node.inputs, kind="weights", params=own)
        self.nodes[made.name], self.maps[made.name] = made, self.maps[node.inputs[0]]
        return {"counted": False, "inputs": (made.name,)}

    def whole(self, name: str) -> bool:
        """Whether every number of a layer's map depends on the whole image."""
        whole: set[str] = set()
        for node in self.nodes.values():
            if all(reads_whole(node)) or whole & set(node.inputs):
                whole.add(node.name)
        return name in whole

    def pools_all(self, name: str) -> None:
        """Note that one pixel of a layer is brought back to a map: a pool that made it stands for the whole map."""
        while (node := self.nodes[name]).inputs:
            if isinstance(node, Pool) and self._covers(node):
                axes = (self.size(name)[0] == 1, self.size(name)[1] == 1)
                if node.kind == "avg" and all(axes):
                    self.nodes[name] = GlobalAveragePool(name=name, inputs=node.inputs)
                else:
                    self.nodes[name] = GlobalPool(name=name, inputs=node.inputs, kind=node.kind, axes=axes)
                return
            if len(node.inputs) > 1 or self.size(node.inputs[0]) != self.size(name):
                return
            name = node.inputs[0]

    def _covers(self, pool: Pool) -> bool:
        """Whether a pool keeps one pixel along each axis that it changes, and that reads them all."""
        before, after = self.size(pool.inputs[0]), self.size(pool.name)
        for axis in (0, 1):
            layer = along(pool, axis, before[axis], None)
            same = isinstance(layer, Slide) and layer == Slide()
            reads = range(0) if layer is None else layer.reads(0)
            if not same and (after[axis] != 1 or not set(range(before[axis])) <= set(reads)):
                return False
        return True

    def value(self, name: str, like: TracedArray) -> TracedArray:
        """A layer's map as an array laid out as `like`."""
        return TracedArray(node=name, shape=like.shape, roles=like.roles, taps=whole(like.roles, like.shape))

    def absorbs(self, name: str, parts: frozenset[Part]) -> bool:
        """Give a layer its bias, if it has none and this is one: as many numbers as it has filters."""
        node = self.nodes[name]
        if not isinstance(node, WEIGHTED) or node.bias or len(parts) != 1:
            return False
        (part,) = parts
        if part.size != (node.units if isinstance(node, Dense) else node.filters):
            return False
        if node.counted == (part in self._owner):
            return False
        self.own(name, parts)
        self.nodes[name] = dataclasses.replace(node, bias=True)
        return True

    def averages(self, name: str) -> bool:
        """Whether a layer is an average, whose divisor is no layer of its own."""
        node = self.nodes[name]
        return isinstance(node, AVERAGES) and getattr(node, "kind", "avg") == "avg"

    def network(self, output: str) -> Network:
        """The layers that the output needs."""
        kept, names = self.kept(output)
        nodes = tuple(
            dataclasses.replace(node, name=names[node.name], inputs=tuple(names[source] for source in node.inputs))
            for node in kept
        )
        features = last_map(nodes, names[output])
        return Network(nodes=nodes, output=names[output], features=features, size=self.size(IMAGE))

    def kept(self, output: str) -> tuple[list[Node], dict[str, str]]:
        """The layers that the output needs, and the names that they have in the network."""
        needed: set[str] = {output}
        for node in reversed(self.nodes.values()):
            if node.name in needed:
                needed |= set(node.inputs)
        kept = [node for node in self.nodes.values() if node.name in needed | {IMAGE}]
        return kept, self._counted([node.name for node in kept])

    def _counted(self, names: Sequence[str]) -> dict[str, str]:
        """Number the layers without a module of their own from 1, kind by kind."""
        taken = {name for name in names if name not in self._kinds}
        found = {name: name for name in taken}
        counts: Counter[str] = Counter()
        for name in names:
            while name not in found:
                kind = self._kinds[name]
                counts[kind] += 1
                title = f"{kind}_{counts[kind]}"
                if title not in taken:
                    found[name] = title
        return found


def elementwise(
    graph: TracedGraph, source: str, kind: str, channels: int, parts: frozenset[Part] = frozenset(), title: str = ""
) -> str:
    """Append an elementwise layer that leaves `channels`; without a `title` it is numbered."""
    params = sum(part.size for part in parts)
    left = None if channels == graph.maps[source].channels else channels
    name = title or graph.numbered(kind)
    node: Node = Elementwise(name=name, inputs=(source,), kind=kind, params=params, channels=left)
    if kind in ACTIVATIONS and not parts and left is None:
        node = Activation(name=name, inputs=(source,), kind=kind)
    return graph.add(node, graph.size(source), channels, parts)
