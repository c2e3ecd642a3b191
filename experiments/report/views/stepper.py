"""One number of one map, from the window that it reads: products, sums, bias, ReLU, with the net's own numbers."""

import numpy as np

from cnnlab.geometry.axis import Slide
from cnnlab.geometry.layers import along
from cnnlab.spec.network import Activation, Conv, Network, Node, Pool
from experiments.report.member import Member
from experiments.report.pack import floats, packed
from experiments.report.view import Content, Context, Json, View


def steps(network: Network) -> list[Node]:
    """The layers that a reader can step through: convolutions and pools."""
    return [node for node in network.nodes if isinstance(node, (Conv, Pool))]


def step(network: Network, node: Conv | Pool, shape: tuple[int, ...]) -> dict[str, Json]:
    """A layer as the script reads it; `shape` is (height, width, channels) of the map that it reads.

    `low` is the padding at the top and left; `then` the activation behind it, if any.
    """
    windows = [along(node, axis, shape[axis], shape[2]) for axis in (0, 1)]
    slides = [window for window in windows if isinstance(window, Slide)]
    assert len(slides) == 2, "convolutions and pools slide"
    behind = [other for other in network.nodes if other.inputs == (node.name,) and isinstance(other, Activation)]
    return {
        "name": node.name,
        "kind": "conv" if isinstance(node, Conv) else node.kind,
        "source": node.inputs[0],
        "kernel": [slide.taps for slide in slides],
        "stride": [slide.stride for slide in slides],
        "low": [slide.low for slide in slides],
        "high": [slide.high for slide in slides],
        "dilation": [slide.dilation for slide in slides],
        "groups": node.groups if isinstance(node, Conv) else 1,
        "then": behind[0].name if behind else None,
        "does": behind[0].kind if behind else None,
    }


def member_data(member: Member) -> dict[str, Json]:
    """A member's layers, weights, and the maps that some layer reads or makes."""
    chosen = steps(member.network)
    made = [
        step(member.network, node, member.maps[node.inputs[0]].shape[1:])
        for node in chosen
        if isinstance(node, (Conv, Pool))
    ]
    needed = {name for one in made for name in (one["name"], one["source"], one["then"]) if name is not None}
    return {
        "title": member.title,
        "state": member.state,
        "images": [image.title for image in member.images],
        "steps": made,
        "shapes": {name: list(member.maps[name].shape[1:]) for name in sorted(needed)},
        "maps": {name: [packed(one) for one in member.maps[name]] for name in sorted(needed)},
        "weights": {
            node.name: {
                "kernel": floats(member.weights[node.name].kernel),
                "bias": floats(member.weights[node.name].bias),
            }
            for node in chosen
            if isinstance(node, Conv)
        },
    }


def make(context: Context) -> Content | None:
    """All members and their images."""
    if not context.members:
        return None
    data = [member_data(member) for member in context.members]
    products = [_products(member, node) for member in context.members for node in steps(member.network)]
    products = [count for count in products if count]
    finding = (
        f"Every number that a convolution makes is one sum: {min(products)} to {max(products)} products in the "
        f"{len(products)} convolutions here, a weight each, plus a bias. The sums below are the nets' own numbers."
    )
    rows = [
        (member.title, node.name, _products(member, node), member.maps[node.name].shape[1:])
        for member in context.members
        for node in steps(member.network)
    ]
    return Content(finding=finding, script=data, static={"rows": rows})


def _products(member: Member, node: Node) -> int:
    return int(np.prod(member.weights[node.name].kernel.shape[:3])) if isinstance(node, Conv) else 0


VIEW = View(
    order=20,
    title="Stepper",
    question="How does one number come about, from the pixels to the sum?",
    caveat="Numbers are kept to one part in 32,767 of the largest in their channel, so that a sum can miss the net's "
    "own in the fifth digit. Why a trained net has these weights and not others is not in the sum.",
    make=make,
    lacks="No net with weights was handed in.",
    claims=(
        "pw-weighted-sum",
        "pw-one-number",
        "kern-count-output",
        "kern-indep-input",
        "k5-trim-to-four",
        "lin-example-algebra",
        "relu-positive-only",
        "mp-odd-drop",
    ),
)
