"""A trained or untrained member on many images: each channel's strongest, and how every layer fares."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cnnlab.data import Split
from cnnlab.gradients.statistics.saturated_fraction import LIMITS
from cnnlab.probes.ascent.objective import dead
from cnnlab.probes.final.linear_probe import readable
from cnnlab.spec.network import Activation, Network
from experiments.page.member import Depth, Floats, Survey, Top
from experiments.page.reaching import layout

TESTED, TRAINED, AT_ONCE = 1024, 512, 128
"""Images of the test set, of the training draw, and how many are looked at together."""
BEST = 4
"""Images kept of a channel."""
Look = Callable[[Floats], Mapping[str, Floats]]
"""Images (n, height, width, channels) -> output of every layer."""


def survey(network: Network, look: Look, train: Split, test: Split) -> Survey:
    """Look at the first images of both sets. Images are as the net reads them."""
    images = np.asarray(test.images[:TESTED], np.float64)
    seen, learnt = layers(look, images), layers(look, np.asarray(train.images[:TRAINED], np.float64))
    labels = [np.asarray(one, np.int32) for one in (train.labels[:TRAINED], test.labels[:TESTED])]
    size = (images.shape[1], images.shape[2])
    mapped = [node for node in network.nodes if seen[node.name].ndim == 4 and node.inputs]
    found = {node.name: strongest(seen[node.name]) for node in mapped}
    kept = sorted({int(image) for places, _ in found.values() for image in places.ravel()})
    windows = layout(network, size).seen
    tops = {}
    for node in mapped:
        spans = [
            [_clipped(axis.window(unit), length) for unit in range(axis.length)]
            for axis, length in zip(windows[node.name], size, strict=True)
        ]
        tops[node.name] = tuple(
            tuple(
                Top(
                    image=kept.index(int(image)),
                    value=float(seen[node.name][image, row, column, channel]),
                    window=(*spans[0][row], *spans[1][column]),
                )
                for image, (row, column) in zip(places[channel], units[channel], strict=True)
            )
            for places, units in [found[node.name]]
            for channel in range(len(places))
        )
    depth = tuple(
        _depth(node, learnt[node.name], seen[node.name], labels) for node in mapped if isinstance(node, Activation)
    )
    return Survey(images=len(images), gallery=images[kept], tops=tops, depth=depth)


def layers(look: Look, images: Floats) -> dict[str, Floats]:
    """Outputs of all layers, always so many images together: another number would be compiled anew."""
    parts: list[Mapping[str, Floats]] = []
    for first in range(0, len(images), AT_ONCE):
        some = images[first : first + AT_ONCE]
        made = look(np.resize(some, (AT_ONCE, *some.shape[1:])))
        parts.append({name: values[: len(some)] for name, values in made.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def strongest(maps: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Images with the largest output of each channel, [channels, BEST], and where it stands, [channels, BEST, 2]."""
    count, _, width, channels = maps.shape
    flat = maps.reshape(count, -1, channels)
    largest, at = flat.max(1), flat.argmax(1)
    order = np.argsort(-largest, axis=0, kind="stable")[:BEST].T
    units = at[order, np.arange(channels)[:, None]]
    return order, np.stack([units // width, units % width], -1)


def _clipped(window: tuple[int, int] | None, length: int) -> tuple[int, int]:
    """A window's part of the image; all of it where everything is seen."""
    return (0, length - 1) if window is None else (max(0, window[0]), min(length - 1, window[1]))


def _depth(node: Activation, train: Floats, test: Floats, labels: Sequence[NDArray[np.int32]]) -> Depth:
    limits = LIMITS[node.kind] if node.kind in LIMITS else None
    beyond = None if limits is None else float(((test < limits[0]) | (test > limits[1])).mean())
    means = [values.mean((1, 2)) for values in (train, test)]
    return Depth(
        layer=node.name,
        dead=float(dead(test).mean()),
        zero=float((test == 0).mean()),
        saturated=beyond,
        readable=readable((means[0], labels[0]), (means[1], labels[1])),
    )
