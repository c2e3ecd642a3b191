"""AlexNet (Krizhevsky, Sutskever and Hinton 2012, ImageNet classification with deep convolutional neural networks).

Five convolutions (11x11, 5x5, then three 3x3), max-pools after the first, second and fifth, dense layers of 4096, 4096
and the classes on the flattened map.

    (empty)    the net of the paper, spread over two GPUs: 96, 256, 384, 384, 256 filters, of which the second, fourth
               and fifth convolution read only their own GPU's half, that is two groups: 60,965,224 parameters
    one_tower  the net on one GPU (Krizhevsky 2014, One weird trick for parallelizing convolutional neural networks):
               64, 192, 384, 256, 256 filters, no groups: 61,100,840 parameters

Where strides and paddings sit: the first convolution has stride 4 and no padding, in `one_tower` 2 pixels on either
side; the others have stride 1 and are padded by half their kernel; pools are 3x3 with stride 2, overlapping, without
padding. The counts are for 1000 classes and RGB images of 227 x 227 (the paper says 224, but its 55 x 55 maps need
227) and, in `one_tower`, 224 x 224. Receptive field of the last map 195 pixels, stride 32. At least 67 pixels, or 63.

The paper's response normalisation after the first two convolutions, which `one_tower` never had, is left out, and so is
the dropout (50 % on both wide dense layers), which belongs to the training.
"""

from cnnlab.spec.net import Classic
from cnnlab.spec.network import Activation, Conv, Dense, Flatten, Network, Pool
from cnnlab.zoo.chain import Chain

VARIANTS = ("", "one_tower")
POOLED = (1, 2, 5)


def build(net: Classic, side: int, channels: int, classes: int) -> Network:
    """Build the graph; published activation: relu."""
    kind = net.activation or "relu"
    chain = Chain(net, side, channels)
    for place, conv in enumerate(_convolutions(net.variant), start=1):
        chain.add(conv)
        chain.add(Activation(name=f"act{place}", kind=kind))
        if place in POOLED:
            chain.add(Pool(name=f"pool_after{place}", kind="max", kernel=(3, 3), stride=(2, 2)))
    features = chain.last
    chain.add(Flatten(name="flatten"))
    for place in (1, 2):
        chain.add(Dense(name=f"dense{place}", units=4096))
        chain.add(Activation(name=f"dense{place}_act", kind=kind))
    chain.add(Dense(name="logits", units=classes))
    return chain.network(features, kind)


def _convolutions(variant: str) -> tuple[Conv, ...]:
    """Make the five convolutions."""
    margin, groups = (2, 1) if variant == "one_tower" else (0, 2)
    first, *rest = (64, 192, 384, 256, 256) if variant == "one_tower" else (96, 256, 384, 384, 256)
    stem = Conv(name="conv1", filters=first, kernel=(11, 11), stride=(4, 4), padding=((margin, margin),) * 2)
    others = zip((2, 3, 4, 5), rest, (5, 3, 3, 3), (groups, 1, groups, groups), strict=True)
    return stem, *(
        Conv(name=f"conv{place}", filters=filters, kernel=(kernel, kernel), groups=halves)
        for place, filters, kernel, halves in others
    )
