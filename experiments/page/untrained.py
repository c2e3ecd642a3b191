"""Members with their initial weights: nets that need no training to be looked at."""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.data import Split, digits
from cnnlab.spec.net import ConvNet
from cnnlab.zoo.lowering import network
from cnnlab.zoo.module import Net
from experiments.page.member import Floats, Image, Learned, Member
from experiments.page.member_data import softmax
from experiments.page.saliency import effective_field, saliency
from experiments.page.survey import survey

NETS = {
    "reference net: six 3x3, max-pools after 2 and 4": ConvNet(),
    "strides and 1x1: strided convolutions, a 1x1 after each stage": ConvNet(
        depth=4, width=8, pools=(2,), down="conv_strided_conv", pointwise="per_stage"
    ),
    "no padding: odd maps, whose last row a pool drops": ConvNet(
        depth=3, width=8, pools=(1, 2), padding="valid", down="average", kernel=2
    ),
}
"""What a reader steps through: padding, strides, pools, 1x1 layers and dropped rows all occur."""
SHOWN = (0, 1, 2, 5, 8)
"""Classes of the digits that are shown, the first of each in the test set."""
SEED = 0
EFFECTIVE = 256
"""Test images over which the effective receptive field is a mean."""


def digit_images() -> tuple[Image, ...]:
    """Digits of the test set on their canvas, from 0 to 1."""
    frozen = digits.frozen()
    canvas = digits.on_canvas(frozen) / digits.BRIGHTEST
    picked = [(label, int(np.flatnonzero(frozen.test & (frozen.labels == label))[0])) for label in SHOWN]
    return tuple(Image(title=f"digit {label}", pixels=canvas[place][..., None], label=label) for label, place in picked)


def members(images: Sequence[Image]) -> tuple[Member, ...]:
    """The nets with the weights that seed 0 draws, looking at these images."""
    stacked = np.stack([image.pixels for image in images])
    return tuple(_member(title, net, tuple(images), stacked) for title, net in NETS.items())


def _member(title: str, net: ConvNet, images: tuple[Image, ...], stacked: Floats) -> Member:
    graph = network(net, stacked.shape[1], stacked.shape[3], digits.CLASSES)
    module = Net(graph, jax.random.key(SEED))
    return look(title, f"before training, seed {SEED}", module, images, stacked)


def look(
    title: str,
    state: str,
    module: Net,
    images: tuple[Image, ...],
    stacked: Floats,
    empty: float = 0.0,
    samples: tuple[Split, Split] | None = None,
) -> Member:
    """A member from a net of the zoo, whatever its weights.

    Args:
        stacked: the images' pixels, [images, height, width, channels]. empty: the number of a pixel that shows nothing.
        samples: its training draw and its test set, for a survey; None for none.
    """
    run = jax.jit(lambda x: module(x)[1])
    output = module.network.output

    def outputs(shown: Floats) -> dict[str, Floats]:
        return {name: np.asarray(found, np.float64) for name, found in run(jnp.asarray(shown, jnp.float32)).items()}

    weights = {
        name: _learned(layer) for name, layer in module.layers.items() if getattr(layer, "kernel", None) is not None
    }
    found = outputs(stacked)
    gradient, integrated = saliency(lambda x: module(x)[0], stacked, empty)
    surveyed = None
    if samples is not None:
        tested = samples[1].images[:EFFECTIVE]
        seen = effective_field(lambda x: run(x)[module.network.features], np.asarray(tested, np.float64))
        surveyed = survey(module.network, outputs, *samples)
        surveyed = dataclasses.replace(surveyed, effective=seen, effective_images=len(tested))
    return Member(
        title=title,
        state=state,
        network=module.network,
        weights=weights,
        images=images,
        maps={node.name: found[node.name] for node in module.network.nodes},
        shifted=every_shift(lambda shown: softmax(outputs(shown)[output]), stacked),
        gradient=gradient,
        integrated=integrated,
        survey=surveyed,
    )


def every_shift(answer: Callable[[Floats], Floats], stacked: Floats) -> Floats:
    """Answers under every circular shift, [images, down, right, classes]: what leaves on one side enters on the other.

    Args:
        answer: images -> [images, classes]. stacked: [images, height, width, channels].
    """
    height, width = stacked.shape[1:3]
    rows = [[answer(np.roll(stacked, (down, right), axis=(1, 2))) for right in range(width)] for down in range(height)]
    return np.moveaxis(np.array(rows), 2, 0)


def _learned(layer: object) -> Learned:
    kernel = np.asarray(layer.kernel.get_value(), np.float64)  # type: ignore[attr-defined]
    bias = getattr(layer, "bias", None)
    none = np.zeros(kernel.shape[-1])
    return Learned(kernel=kernel, bias=none if bias is None else np.asarray(bias.get_value(), np.float64))
