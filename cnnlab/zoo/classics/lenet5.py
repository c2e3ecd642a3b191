"""LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998, Gradient-based learning applied to document recognition).

C1 6 filters, S2, C3 16 filters, S4, C5 120 filters, F6 84 units: convolutions 5x5 with stride 1 and no padding, S2 and
S4 2x2 averages. The paper lays 28 x 28 digits in a 32 x 32 field; here C1 pads 2 pixels on images below 32 and none
from there on. At least 28 pixels.

As everybody since, C3 reads all maps of S2 (the paper's table leaves some out), the averages have neither trainable
coefficient nor squashing of their own, and the output is a dense layer, not radial basis functions: 61,706 parameters.
"""

from cnnlab.spec.net import Classic
from cnnlab.spec.network import Activation, Conv, Dense, Flatten, Network, Pool
from cnnlab.zoo.chain import Chain

VARIANTS = ("",)
FIELD = 32


def build(net: Classic, side: int, channels: int, classes: int) -> Network:
    """Build the graph; published activation: scaled_tanh."""
    kind = net.activation or "scaled_tanh"
    chain = Chain(net, side, channels)
    margin = 2 if side < FIELD else 0
    for place, filters in enumerate((6, 16, 120), start=1):
        padding = ((margin, margin),) * 2 if place == 1 else ((0, 0), (0, 0))
        chain.add(Conv(name=f"conv{place}", filters=filters, kernel=(5, 5), padding=padding))
        chain.add(Activation(name=f"act{place}", kind=kind))
        if place < 3:
            chain.add(Pool(name=f"pool_after{place}", kind="avg", kernel=(2, 2), stride=(2, 2)))
    features = chain.last
    chain.add(Flatten(name="flatten"))
    chain.add(Dense(name="dense1", units=84))
    chain.add(Activation(name="dense1_act", kind=kind))
    chain.add(Dense(name="logits", units=classes))
    return chain.network(features, kind)
