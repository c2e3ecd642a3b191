"""Inception-v3 (Szegedy, Vanhoucke, Ioffe, Shlens and Wojna 2015, Rethinking the Inception architecture).

A stem of five convolutions and two max-pools, eleven mixed layers whose branches are laid side by side (three on maps
of 35 x 35, five on 17 x 17, three on 8 x 8; the fourth and ninth reduce the map), the average of the map and a dense
layer. Batch norm behind every convolution, which has no bias; the auxiliary classifier belongs to the training and is
left out.

Where strides and paddings sit: stride 2 on the first convolution, on both max-pools of the stem and on the last window
of every branch of a reduction, all without padding; the stem's second and fifth convolution have no padding either;
everything else has stride 1 and is padded by half its kernel. So all branches of a layer are centred on one pixel,
whatever the size of the map.

On 299 x 299 RGB images and 1000 classes 23,834,568 parameters (23,817,352 where batch norm has no scale, as in Keras);
receptive field of the last map 1311 pixels, stride 32. At least 75 pixels.
"""

from cnnlab.spec.net import Classic
from cnnlab.spec.network import Concat, Conv, Dense, GlobalAveragePool, Network, Pair, Pool
from cnnlab.zoo.chain import Chain

VARIANTS = ("",)
Step = tuple[int, Pair]
"""Filters and kernel of a convolution."""

ONE, THREE, FIVE, WIDE, TALL = (1, 1), (3, 3), (5, 5), (1, 7), (7, 1)


def build(net: Classic, side: int, channels: int, classes: int) -> Network:
    """Build the graph; published activation: relu."""
    kind = net.activation or "relu"
    chain = Chain(net, side, channels)
    _stem(chain, kind)
    for place, pooled in ((1, 32), (2, 64), (3, 64)):
        paths = [(64, ONE)], [(48, ONE), (64, FIVE)], [(64, ONE), (96, THREE), (96, THREE)]
        _mixed(chain, f"mixed{place}", kind, *paths, pooled=pooled)
    _reduced(chain, "mixed4", kind, [(384, THREE)], [(64, ONE), (96, THREE), (96, THREE)])
    for place, width in ((5, 128), (6, 160), (7, 160), (8, 192)):
        double = [(width, ONE), (width, TALL), (width, WIDE), (width, TALL), (192, WIDE)]
        paths = [(192, ONE)], [(width, ONE), (width, WIDE), (192, TALL)], double
        _mixed(chain, f"mixed{place}", kind, *paths, pooled=192)
    _reduced(chain, "mixed9", kind, [(192, ONE), (320, THREE)], [(192, ONE), (192, WIDE), (192, TALL), (192, THREE)])
    for place in (10, 11):
        _forked(chain, f"mixed{place}", kind)
    features = chain.last
    chain.add(GlobalAveragePool(name="gap"))
    chain.add(Dense(name="logits", units=classes))
    return chain.network(features, kind)


def _stem(chain: Chain, kind: str) -> None:
    """Add the convolutions and pools before the first mixed layer."""
    chain.normed(Conv(name="conv1", filters=32, kernel=THREE, stride=(2, 2), padding="valid"), kind)
    chain.normed(Conv(name="conv2", filters=32, kernel=THREE, padding="valid"), kind)
    chain.normed(Conv(name="conv3", filters=64, kernel=THREE), kind)
    chain.add(Pool(name="pool_after3", kind="max", kernel=THREE, stride=(2, 2)))
    chain.normed(Conv(name="conv4", filters=80, kernel=ONE), kind)
    chain.normed(Conv(name="conv5", filters=192, kernel=THREE, padding="valid"), kind)
    chain.add(Pool(name="pool_after5", kind="max", kernel=THREE, stride=(2, 2)))


def _mixed(chain: Chain, name: str, kind: str, *paths: list[Step], pooled: int) -> None:
    """Add a layer that keeps the map: the paths, and an average with a 1x1 convolution of `pooled` filters."""
    source = chain.last
    ends = [_path(chain, f"{name}_path{number}", kind, source, steps) for number, steps in enumerate(paths, start=1)]
    chain.add(Concat(name=name, inputs=(*ends, _averaged(chain, name, kind, source, pooled))))


def _reduced(chain: Chain, name: str, kind: str, *paths: list[Step]) -> None:
    """Add a layer that halves the map: the paths, their last convolution with stride 2, and a max-pool."""
    source = chain.last
    ends = [_path(chain, f"{name}_path{number}", kind, source, steps, 2) for number, steps in enumerate(paths, start=1)]
    chain.add(Pool(name=f"{name}_pool", inputs=(source,), kind="max", kernel=THREE, stride=(2, 2)))
    chain.add(Concat(name=name, inputs=(*ends, chain.last)))


def _forked(chain: Chain, name: str, kind: str) -> None:
    """Add one of the last two layers: two of its paths fork into a 1x3 and a 3x1 convolution, laid side by side."""
    source = chain.last
    ends = [_path(chain, f"{name}_path1", kind, source, [(320, ONE)])]
    for number, steps in ((2, [(384, ONE)]), (3, [(448, ONE), (384, THREE)])):
        stem = _path(chain, f"{name}_path{number}", kind, source, steps)
        ends += [_path(chain, f"{name}_path{number}{way}", kind, stem, [(384, kernel)]) for way, kernel in FORK]
    chain.add(Concat(name=name, inputs=(*ends, _averaged(chain, name, kind, source, 192))))


FORK = (("wide", (1, 3)), ("tall", (3, 1)))


def _averaged(chain: Chain, name: str, kind: str, source: str, filters: int) -> str:
    """Add a 3x3 average of stride 1 and its 1x1 convolution; give the last layer's name."""
    sides = ((1, 1), (1, 1))
    chain.add(Pool(name=f"{name}_pool", inputs=(source,), kind="avg", kernel=THREE, stride=(1, 1), padding=sides))
    return chain.normed(Conv(name=f"{name}_pooled", filters=filters, kernel=ONE), kind)


def _path(chain: Chain, name: str, kind: str, source: str, steps: list[Step], stride: int = 1) -> str:
    """Add convolutions one after the other; only the last has the stride. Gives the last layer's name."""
    for place, (filters, kernel) in enumerate(steps, start=1):
        moves = stride if place == len(steps) else 1
        conv = Conv(
            name=f"{name}_conv{place}",
            inputs=(source,),
            filters=filters,
            kernel=kernel,
            stride=(moves, moves),
            padding="same" if moves == 1 else "valid",
        )
        source = chain.normed(conv, kind)
    return source
