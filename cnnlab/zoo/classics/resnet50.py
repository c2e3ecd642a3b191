"""ResNet-50 (He, Zhang, Ren and Sun 2015, Deep residual learning for image recognition, Table 1).

A 7x7 convolution and a 3x3 max-pool, both of stride 2, then stages of 3, 4, 6 and 3 bottlenecks (1x1, 3x3, and 1x1 to
four times the filters; 64 to 512 filters inside), the average of the map and a dense layer. Batch norm behind every
convolution, which has no bias.

Where strides and paddings sit: the first bottleneck of the last three stages has stride 2 on its 1x1 shortcut and on
its branch, where the variants differ; windows are padded alike on both sides (`cnnlab.zoo.residual` says why not by
`same`).

    (empty)  on the 3x3 convolution, as most implementations have it ("v1.5"): receptive field of the last map 427
    v1       on the first 1x1 convolution, as the paper has it, so that the 3x3 convolution strides over the smaller
             map: receptive field 483, as also where the stride closes a stage (TF-Slim; Araujo et al. 2019)

Either has 25,557,032 parameters on 224 x 224 RGB images and 1000 classes. Any image of at least 1 pixel.
"""

from functools import partial

from cnnlab.spec.net import Classic
from cnnlab.spec.network import Network
from cnnlab.zoo.chain import Chain
from cnnlab.zoo.residual import centred, resnet

VARIANTS = ("", "v1")
EXPANSION = 4


def build(net: Classic, side: int, channels: int, classes: int) -> Network:
    """Build the graph; published activation: relu."""
    branch = partial(_bottleneck, net.variant)
    return resnet(net, side, channels, classes, blocks=(3, 4, 6, 3), branch=branch)


def _bottleneck(variant: str, chain: Chain, name: str, width: int, stride: int, kind: str) -> None:
    """Add the three convolutions of a bottleneck, the stride where the variant has it."""
    first, second = (stride, 1) if variant == "v1" else (1, stride)
    chain.normed(centred(f"{name}_conv1", width, 1, first), kind)
    chain.normed(centred(f"{name}_conv2", width, 3, second), kind)
    chain.normed(centred(f"{name}_conv3", EXPANSION * width, 1))
