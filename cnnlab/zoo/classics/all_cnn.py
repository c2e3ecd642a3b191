"""The twelve nets of Striving for Simplicity (Springenberg, Dosovitskiy, Brox and Riedmiller 2014), CIFAR form.

Table 1, models A, B and C: two stages (96, then 192 filters), each ended by a 3x3 max-pool of stride 2, then 3x3 and
1x1 convolutions of 192 and a 1x1 convolution to the classes, averaged over the map. A stage is one 5x5 convolution (A),
a 5x5 and a 1x1 (B), or two 3x3 (C). Table 2 varies how a stage ends:

    base      the max-pool
    strided   no pool; the convolution before it gets stride 2
    convpool  one more 3x3 convolution before the pool
    all       one more 3x3 convolution, with stride 2, in place of the pool

Where strides and paddings sit: the paper's 32 -> 16 -> 8 -> 6 pixels ask for `same` everywhere (for the pools too, as
Caffe's ceiling gives) but in the 3x3 convolution after the second stage, which has no padding. The dropout of the paper
(20 % of the image, 50 % after each stage) belongs to the training and is left out. At least 9 pixels.
"""

from cnnlab.spec.net import Classic
from cnnlab.spec.network import Activation, Conv, GlobalAveragePool, Network, Pair, Pool
from cnnlab.zoo.chain import Chain

STAGES = {"a": (5,), "b": (5, 1), "c": (3, 3)}
ENDS = ("base", "strided", "convpool", "all")
VARIANTS = tuple(f"{model}_{end}" for model in STAGES for end in ENDS)


def build(net: Classic, side: int, channels: int, classes: int) -> Network:
    """Build the graph; published activation: relu, behind the last convolution too."""
    kind = net.activation or "relu"
    model, end = net.variant.split("_")
    chain = Chain(net, side, channels)
    for stage, filters in ((1, 96), (2, 192)):
        kernels = STAGES[model]
        for place, kernel in enumerate(kernels, start=1):
            last = end == "strided" and place == len(kernels)
            _conv(chain, f"conv{stage}_{place}", filters, kernel, (2, 2) if last else (1, 1), kind)
        if end in ("convpool", "all"):
            _conv(chain, f"conv{stage}_end", filters, 3, (2, 2) if end == "all" else (1, 1), kind)
        if end in ("base", "convpool"):
            chain.add(Pool(name=f"pool{stage}", kind="max", kernel=(3, 3), stride=(2, 2), padding="same"))
    chain.add(Conv(name="conv3", filters=192, kernel=(3, 3), padding="valid"))
    chain.add(Activation(name="act3", kind=kind))
    _conv(chain, "point4", 192, 1, (1, 1), kind)
    _conv(chain, "point5", classes, 1, (1, 1), kind)
    features = chain.last
    chain.add(GlobalAveragePool(name="logits"))
    return chain.network(features, kind)


def _conv(chain: Chain, name: str, filters: int, kernel: int, stride: Pair, kind: str) -> None:
    """Add a `same` convolution and its activation."""
    chain.add(Conv(name=name, filters=filters, kernel=(kernel, kernel), stride=stride))
    chain.add(Activation(name=f"{name}_act", kind=kind))
