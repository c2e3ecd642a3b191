"""Network in Network (Lin, Chen and Yan 2013), CIFAR-10 form as its authors released it for Caffe.

Three blocks of one wide convolution and two 1x1 convolutions ("mlpconv"): 5x5 192-160-96, 5x5 192-192-192, 3x3
192-192-classes; after the first a 3x3 max-pool, after the second a 3x3 average, both of stride 2 and `same` (Caffe's
ceiling: 32 -> 16 -> 8; unlike Caffe's the average counts the padded zeros). Convolutions have stride 1 and `same`. The
last map's average over space is the logits. Dropout (50 % after each of the first two blocks) belongs to the training
and is left out. Any image of at least 1 pixel.
"""

from cnnlab.spec.net import Classic
from cnnlab.spec.network import Activation, Conv, GlobalAveragePool, Network, Pool
from cnnlab.zoo.chain import Chain

VARIANTS = ("",)


def build(net: Classic, side: int, channels: int, classes: int) -> Network:
    """Build the graph; published activation: relu, behind the last convolution too."""
    kind = net.activation or "relu"
    chain = Chain(net, side, channels)
    for block, (kernel, widths) in enumerate(
        ((5, (192, 160, 96)), (5, (192, 192, 192)), (3, (192, 192, classes))), start=1
    ):
        for name, filters, size in zip(("conv{}", "point{}a", "point{}b"), widths, (kernel, 1, 1), strict=True):
            layer = name.format(block)
            chain.add(Conv(name=layer, filters=filters, kernel=(size, size)))
            chain.add(Activation(name=f"{layer}_act", kind=kind))
        if block < 3:
            chain.add(
                Pool(
                    name=f"pool{block}",
                    kind="max" if block == 1 else "avg",
                    kernel=(3, 3),
                    stride=(2, 2),
                    padding="same",
                )
            )
    features = chain.last
    chain.add(GlobalAveragePool(name="logits"))
    return chain.network(features, kind)
