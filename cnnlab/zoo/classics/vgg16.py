"""VGG-16 (Simonyan and Zisserman 2014, Very deep convolutional networks for large-scale image recognition, model D).

Thirteen 3x3 convolutions in five stages of 2, 2, 3, 3 and 3 (64, 128, 256, 512, 512 filters), then dense layers of
4096, 4096 and the classes on the flattened map.

Where strides and paddings sit: convolutions have stride 1 and one pixel of padding on either side; each stage ends with
a 2x2 max-pool of stride 2 without padding. The dropout of the paper (50 % before the last two dense layers) belongs to
the training and is left out.

On 224 x 224 RGB images and 1000 classes 138,357,544 parameters, of which the first dense layer holds three quarters;
receptive field of the last map 212 pixels, stride 32. At least 32 pixels.
"""

from cnnlab.spec.net import Classic
from cnnlab.spec.network import Activation, Conv, Dense, Flatten, Network, Pool
from cnnlab.zoo.chain import Chain

VARIANTS = ("",)
STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


def build(net: Classic, side: int, channels: int, classes: int) -> Network:
    """Build the graph; published activation: relu."""
    kind = net.activation or "relu"
    chain = Chain(net, side, channels)
    for stage, (depth, filters) in enumerate(STAGES, start=1):
        for place in range(1, depth + 1):
            chain.add(Conv(name=f"conv{stage}_{place}", filters=filters, kernel=(3, 3)))
            chain.add(Activation(name=f"conv{stage}_{place}_act", kind=kind))
        chain.add(Pool(name=f"pool{stage}", kind="max", kernel=(2, 2), stride=(2, 2)))
    features = chain.last
    chain.add(Flatten(name="flatten"))
    for place in (1, 2):
        chain.add(Dense(name=f"dense{place}", units=4096))
        chain.add(Activation(name=f"dense{place}_act", kind=kind))
    chain.add(Dense(name="logits", units=classes))
    return chain.network(features, kind)
