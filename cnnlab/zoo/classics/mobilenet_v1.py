"""MobileNet (Howard et al. 2017, MobileNets: efficient convolutional neural networks for mobile vision applications).

A 3x3 convolution of 32 filters, thirteen pairs of a 3x3 depthwise and a 1x1 convolution (64 to 1024 filters), the
average of the map and a dense layer; width multiplier 1. Batch norm behind every convolution, which has no bias.

Where strides and paddings sit: stride 2 on the first convolution and on the depthwise convolutions of pairs 2, 4, 6 and
12 (in the paper's table also on the last, a misprint: its map stays 7 x 7); `same` everywhere, as its authors'
TensorFlow has it. No paths merge, so the odd pixel that `same` puts to the bottom and right moves no path against
another. The activation is the paper's ReLU; the authors' code clips it at 6.

On 224 x 224 RGB images and 1000 classes 4,231,976 parameters; receptive field of the last map 315 pixels, stride 32.
Any image of at least 1 pixel.
"""

from cnnlab.spec.net import Classic
from cnnlab.spec.network import Conv, Dense, GlobalAveragePool, Network
from cnnlab.zoo.chain import Chain

VARIANTS = ("",)
PAIRS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""Filters of each pair's 1x1 convolution and stride of its depthwise one."""


def build(net: Classic, side: int, channels: int, classes: int) -> Network:
    """Build the graph; published activation: relu."""
    kind = net.activation or "relu"
    chain = Chain(net, side, channels)
    chain.normed(Conv(name="conv1", filters=32, kernel=(3, 3), stride=(2, 2)), kind)
    for place, (filters, stride) in enumerate(PAIRS, start=1):
        depth = chain.channels
        spatial = Conv(name=f"depth{place}", filters=depth, kernel=(3, 3), stride=(stride, stride), groups=depth)
        chain.normed(spatial, kind)
        chain.normed(Conv(name=f"point{place}", filters=filters, kernel=(1, 1)), kind)
    features = chain.last
    chain.add(GlobalAveragePool(name="gap"))
    chain.add(Dense(name="logits", units=classes))
    return chain.network(features, kind)
