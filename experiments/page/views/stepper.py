"""One number of one map, from the window that it reads: products, sums, bias, ReLU, with the net's own numbers."""

import numpy as np

from cnnlab.spec.network import Conv, Node
from experiments.page.member import Member
from experiments.page.member_data import steps
from experiments.page.view import Content, Context, View


def make(context: Context) -> Content | None:
    """All members and their images."""
    if not context.members:
        return None
    products = [_products(member, node) for member in context.members for node in steps(member.network)]
    products = [count for count in products if count]
    finding = (
        f"Every number that a convolution makes is one sum: {min(products)} to {max(products)} products in the "
        f"{len(products)} convolutions here, a weight each, plus a bias. The sums below are the nets' own numbers."
    )
    rows = [
        (f"{member.title} ({member.state})", node.name, _products(member, node), member.maps[node.name].shape[1:])
        for member in context.members
        for node in steps(member.network)
    ]
    return Content(finding=finding, static={"rows": rows, "nets": context.net_names, "trained": context.trained})


def _products(member: Member, node: Node) -> int:
    return int(np.prod(member.weights[node.name].kernel.shape[:3])) if isinstance(node, Conv) else 0


VIEW = View(
    order=20,
    title="Stepper",
    question="How does one number come about, from the pixels to the sum?",
    caveat="Numbers are kept to one part in 32,767 of the largest in their channel, so that a sum can miss the net's "
    "own in the fifth digit. Why a trained net has these weights and not others is not in the sum.",
    make=make,
    reads_members=True,
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
