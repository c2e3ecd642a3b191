"""Residual nets for ImageNet (He, Zhang, Ren and Sun 2015, Table 1): the stem, stages and head that they share.

Where strides and paddings sit: the 7x7 stem and the 3x3 max-pool have stride 2, and so has the first block of every
stage but the first, on its shortcut and, once, on its branch. Every window is padded by (kernel - 1) / 2 pixels on
either side, so that a unit looks at the same pixel through a 3x3 convolution of stride 2 as through the 1x1 shortcut
of stride 2 beside it. JAX's `same` would not do: on maps of even size it pads that 3x3 convolution by nothing at the
top and left, which moves the branch by a pixel (`cnnlab.geometry.fields.AlignmentError`).
"""

from collections.abc import Callable

from cnnlab.spec.net import Classic
from cnnlab.spec.network import Activation, Add, Conv, Dense, GlobalAveragePool, Network, Pool
from cnnlab.zoo.chain import Chain

Branch = Callable[[Chain, str, int, int, str], None]
"""Adds a block's convolutions to (chain), named after (block), of (width) filters, with (stride) and (activation)."""

STEM_WIDTH = 64


def resnet(net: Classic, side: int, channels: int, classes: int, *, blocks: tuple[int, ...], branch: Branch) -> Network:
    """Build the graph of a residual net; published activation: relu.

    Blocks are named as in the paper's table, from `conv2_1`; their width doubles from stage to stage.

    Args:
        net, side, channels, classes: as every classic's `build`.
        blocks: how many blocks each stage has.
        branch: adds the convolutions of one block, the last one without an activation.
    """
    kind = net.activation or "relu"
    chain = Chain(net, side, channels)
    chain.normed(centred("conv1", STEM_WIDTH, 7, 2), kind)
    chain.add(Pool(name="pool1", kind="max", kernel=(3, 3), stride=(2, 2), padding=((1, 1), (1, 1))))
    for stage, count in enumerate(blocks):
        for place in range(count):
            stride = 2 if stage > 0 and place == 0 else 1
            _block(chain, f"conv{stage + 2}_{place + 1}", STEM_WIDTH * 2**stage, stride, kind, branch)
    features = chain.last
    chain.add(GlobalAveragePool(name="gap"))
    chain.add(Dense(name="logits", units=classes))
    return chain.network(features, kind)


def centred(name: str, filters: int, kernel: int, stride: int = 1, source: str = "") -> Conv:
    """Make a convolution whose unit u is centred on pixel u * stride: padded alike on both sides.

    Args:
        name, filters, kernel, stride: of the convolution; the kernel is odd.
        source: the layer it reads; empty for the one before it.
    """
    sides = (kernel // 2, kernel // 2)
    return Conv(
        name=name,
        inputs=(source,) if source else (),
        filters=filters,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        padding=(sides, sides),
    )


def _block(chain: Chain, name: str, width: int, stride: int, kind: str, branch: Branch) -> None:
    """Add one block: the branch, the identity or, where the shape changes, a 1x1 convolution beside it, the sum."""
    source, before = chain.last, chain.channels
    branch(chain, name, width, stride, kind)
    inner, filters = chain.last, chain.channels
    if stride > 1 or filters != before:
        source = chain.normed(centred(f"{name}_shortcut", filters, 1, stride, source))
    chain.add(Add(name=f"{name}_add", inputs=(source, inner)))
    chain.add(Activation(name=f"{name}_act", kind=kind))
