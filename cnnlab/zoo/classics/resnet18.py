"""ResNet-18 (He, Zhang, Ren and Sun 2015, Deep residual learning for image recognition, Table 1).

A 7x7 convolution and a 3x3 max-pool, both of stride 2, then four stages of two basic blocks (two 3x3 convolutions, 64
to 512 filters), the average of the map and a dense layer. Batch norm behind every convolution, which has no bias.

Where strides and paddings sit: the first block of the last three stages has stride 2 on its first 3x3 convolution and
on its 1x1 shortcut; windows are padded alike on both sides (`cnnlab.zoo.residual` says why not by `same`).

On 224 x 224 RGB images and 1000 classes 11,689,512 parameters; receptive field of the last map 435 pixels, stride 32.
Any image of at least 1 pixel.
"""

from cnnlab.spec.net import Classic
from cnnlab.spec.network import Network
from cnnlab.zoo.chain import Chain
from cnnlab.zoo.residual import centred, resnet

VARIANTS = ("",)


def build(net: Classic, side: int, channels: int, classes: int) -> Network:
    """Build the graph; published activation: relu."""
    return resnet(net, side, channels, classes, blocks=(2, 2, 2, 2), branch=_basic)


def _basic(chain: Chain, name: str, width: int, stride: int, kind: str) -> None:
    """Add the two 3x3 convolutions of a block."""
    chain.normed(centred(f"{name}_conv1", width, 3, stride), kind)
    chain.normed(centred(f"{name}_conv2", width, 3))
