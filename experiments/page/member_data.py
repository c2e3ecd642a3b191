"""A member as scripts read it: its layers, weights, maps and answers."""

import base64

import numpy as np

from cnnlab.geometry.axis import Slide
from cnnlab.geometry.layers import along
from cnnlab.probes.final.effective_receptive_field import radius
from cnnlab.spec.network import Activation, Conv, Network, Node, Pool
from experiments.page.layer_words import kind
from experiments.page.member import Floats, Member, Survey
from experiments.page.pack import packed, rounded, scales
from experiments.page.view import Json


def steps(network: Network) -> list[Node]:
    """The layers that a reader can step through: convolutions and pools."""
    return [node for node in network.nodes if isinstance(node, (Conv, Pool))]


def step(network: Network, node: Conv | Pool, shape: tuple[int, ...]) -> dict[str, Json]:
    """A layer as the script reads it; `shape` is (height, width, channels) of the map that it reads.

    `low` is the padding at the top and left; `unread` rows and columns that no window reads, `dropped` the same in
    words; `then` the activation behind it, if any.
    """
    windows = [along(node, axis, shape[axis], shape[2]) for axis in (0, 1)]
    slides = [window for window in windows if isinstance(window, Slide)]
    assert len(slides) == 2, "convolutions and pools slide"
    unread = [_unread(slide, length) for slide, length in zip(slides, shape[:2], strict=True)]
    behind = [other for other in network.nodes if other.inputs == (node.name,) and isinstance(other, Activation)]
    return {
        "name": node.name,
        "title": f"{node.name} ({kind(node)})",
        "kind": "conv" if isinstance(node, Conv) else node.kind,
        "source": node.inputs[0],
        "kernel": [slide.taps for slide in slides],
        "stride": [slide.stride for slide in slides],
        "low": [slide.low for slide in slides],
        "high": [slide.high for slide in slides],
        "dilation": [slide.dilation for slide in slides],
        "unread": unread,
        "dropped": _dropped(*map(len, unread)),
        "groups": node.groups if isinstance(node, Conv) else 1,
        "then": behind[0].name if behind else None,
        "does": behind[0].kind if behind else None,
    }


def _unread(slide: Slide, length: int) -> list[int]:
    """Places of a line that no window reads."""
    read = {place for unit in range(slide.length(length)) for place in slide.reads(unit)}
    return [place for place in range(length) if place not in read]


def _dropped(rows: int, columns: int) -> str:
    if not rows and not columns:
        return ""
    told = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in ((rows, "row"), (columns, "column"))]
    return f"Struck out: {' and '.join(told)} that no window reads."


def member_data(member: Member) -> dict[str, Json]:
    """A member's layers, weights and maps, and what it answers; `steps` are the layers that can be stepped through."""
    chosen = steps(member.network)
    made = [
        step(member.network, node, member.maps[node.inputs[0]].shape[1:])
        for node in chosen
        if isinstance(node, (Conv, Pool))
    ]
    maps = {name: found for name, found in member.maps.items() if found.ndim == 4}
    nodes = [node for node in member.network.nodes if node.name in maps]
    return {
        "title": member.title,
        "state": member.state,
        "images": [image.title for image in member.images],
        "labels": [image.label for image in member.images],
        "answers": [
            [round(float(share), 4) for share in shares] for shares in softmax(member.maps[member.network.output])
        ],
        "shifted": shifted(member.shifted),
        "saliency": {
            name: [packed(one) for one in found]
            for name, found in (("gradient", member.gradient), ("integrated", member.integrated))
        },
        "survey": None if member.survey is None else survey(member.survey),
        "layers": [[node.name, node.kind if isinstance(node, Activation) else kind(node)] for node in nodes],
        "steps": made,
        "shapes": {name: list(found.shape[1:]) for name, found in maps.items()},
        "maps": {node.name: [_map(node, one) for one in maps[node.name]] for node in nodes},
        "weights": {
            node.name: {
                "kernel": packed(member.weights[node.name].kernel),
                "bias": rounded(member.weights[node.name].bias),
            }
            for node in chosen
            if isinstance(node, Conv)
        },
    }


def _map(node: Node, values: Floats) -> dict[str, Json]:
    """One map of a layer; that of a ReLU is not kept, but made from the map that it reads."""
    if isinstance(node, Activation) and node.kind == "relu":
        return {"relu": node.inputs[0], "scales": scales(values)}
    return packed(values)


def shifted(shares: Floats) -> dict[str, Json]:
    """The answers under every shift, a digit each, and the shares of all classes in parts of 255; by image."""
    return {
        "answers": [one.argmax(-1).ravel().tolist() for one in shares],
        "shares": [base64.b64encode(np.rint(255 * one).astype(np.uint8).tobytes()).decode() for one in shares],
    }


def survey(of: Survey) -> dict[str, Json]:
    """The gallery, and by layer and channel the strongest images: place in the gallery, value, window."""
    return {
        "images": of.images,
        "effective": None if of.effective is None else effective(of.effective, of.effective_images),
        "gallery": [packed(one) for one in of.gallery],
        "tops": {
            name: [[[top.image, float(f"{top.value:.4g}"), *top.window] for top in channel] for channel in channels]
            for name, channels in of.tops.items()
        },
    }


def effective(shares: Floats, images: int) -> dict[str, Json]:
    """Shares of the gradient by pixel, in parts of the largest, and how far it reaches, in pixels."""
    told = f"over {images} test images; its radius is {radius(shares):.1f} px" if shares.any() else "has no gradient"
    return {"parts": [[round(float(one), 4) for one in row] for row in shares / (shares.max() or 1)], "told": told}


def softmax(logits: Floats) -> Floats:
    """Shares of the classes, [images, classes], each row summing to 1."""
    raised: Floats = np.exp(logits - logits.max(-1, keepdims=True))
    shares: Floats = raised / raised.sum(-1, keepdims=True)
    return shares
