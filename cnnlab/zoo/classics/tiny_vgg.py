"""Tiny VGG of CNN Explainer (Wang et al. 2020, IEEE TVCG; itself after the demo net of Stanford's CS231n).

Twice [3x3 conv, ReLU, 3x3 conv, ReLU, 2x2 max-pool], ten filters throughout, stride 1, no padding anywhere, then one
dense layer on the flattened map. On its 64 x 64 RGB images and ten classes it has 19,920 parameters; any image of at
least 16 pixels will do.
"""

from cnnlab.spec.net import Classic
from cnnlab.spec.network import Activation, Conv, Dense, Flatten, Network, Pool
from cnnlab.zoo.chain import Chain

VARIANTS = ("",)


def build(net: Classic, side: int, channels: int, classes: int) -> Network:
    """Build the graph; published activation: relu."""
    kind = net.activation or "relu"
    chain = Chain(net, side, channels)
    for place in range(1, 5):
        chain.add(Conv(name=f"conv{place}", filters=10, kernel=(3, 3), padding="valid"))
        chain.add(Activation(name=f"act{place}", kind=kind))
        if place % 2 == 0:
            chain.add(Pool(name=f"pool_after{place}", kind="max", kernel=(2, 2), stride=(2, 2)))
    features = chain.last
    chain.add(Flatten(name="flatten"))
    chain.add(Dense(name="logits", units=classes))
    return chain.network(features, kind)
