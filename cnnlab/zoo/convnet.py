"""Lowers the parametric net to a graph, factor by factor.

Layers are named by the convolution they belong to, never by a running count, so that `conv3` is `conv3`, with the same
initial weights, wherever the down-samplings stand: `conv3 norm3 add3 act3`; `point3 point3_norm point3_act` for a 1x1
convolution after it; `pool_after3`, or `down3 down3_norm down3_act`, for what then down-samples.
"""

from cnnlab.spec.invalid import require
from cnnlab.spec.net import ConvNet
from cnnlab.spec.network import (
    Activation,
    Add,
    Blur,
    Conv,
    Dense,
    Flatten,
    GlobalAveragePool,
    GroupPad,
    Network,
    Norm,
    Pad,
    Padding,
    Pool,
    SpaceToDepth,
)
from cnnlab.zoo.chain import Chain
from cnnlab.zoo.widths import widths


def convnet(net: ConvNet, side: int, channels: int, classes: int) -> Network:
    """Build the graph of a parametric net on square images.

    Raises:
        InvalidError: a map would shrink below 1 x 1, groups do not divide the channels, or a factor would have no
            effect.
    """
    chain = Chain(net, side, channels)
    filters = widths(net)
    _down_sample(chain, net, 0, filters[0])
    for place, width in enumerate(filters, start=1):
        _convolution(chain, net, place, width)
        ends_stage = place in net.pools or place == net.depth
        if net.pointwise == "per_conv" or (net.pointwise == "per_stage" and ends_stage):
            chain.add(Conv(name=f"point{place}", filters=width, kernel=(1, 1), bias=_has_bias(net)))
            _normalise(chain, net, f"point{place}_norm")
            chain.add(Activation(name=f"point{place}_act", kind=net.activation))
        _down_sample(chain, net, place, width)
    if net.block == "residual":
        around = any(isinstance(node, Add) for node in chain.nodes)
        require(around, "model.block", net.block, "here no convolution keeps its map's shape, so none can be bypassed")
    features = chain.last
    chain.add(GlobalAveragePool(name="gap") if net.head == "global_average" else Flatten(name="flatten"))
    chain.add(Dense(name="logits", units=classes))
    return chain.network(features, net.activation)


def _convolution(chain: Chain, net: ConvNet, place: int, filters: int) -> None:
    """Add convolution number `place`: the convolution, norm, identity, activation."""
    name, source, before = f"conv{place}", chain.last, chain.map
    kernel = (net.stem_kernel or net.kernel) if place == 1 else net.kernel
    stride = (net.stem_stride or net.stride) if place == 1 else net.stride
    if net.down == "strided_conv" and place in net.pools:
        stride *= net.down_size
    # the first convolution is always dense: it reads the image
    connectivity = "dense" if place == 1 else net.connectivity
    if connectivity == "separable":
        # no bias: the 1x1 convolution has one, and no activation stands between
        _spatial(chain, net, name, chain.channels, kernel, stride, groups=chain.channels, bias=False)
        chain.add(Conv(name=f"{name}_mix", filters=filters, kernel=(1, 1), bias=_has_bias(net)))
    else:
        groups = {"dense": 1, "grouped": net.groups, "depthwise": chain.channels}[connectivity]
        _spatial(chain, net, name, filters, kernel, stride, groups=groups, bias=_has_bias(net))
    _normalise(chain, net, f"norm{place}")
    if net.block == "residual" and chain.map == before:
        chain.add(Add(name=f"add{place}", inputs=(chain.last, source)))
    if place % net.activation_every == 0 or place == net.depth:
        chain.add(Activation(name=f"act{place}", kind=net.activation))


def _spatial(
    chain: Chain, net: ConvNet, name: str, filters: int, kernel: int, stride: int, *, groups: int, bias: bool
) -> None:
    """Add a convolution with the net's padding, in a layer of its own where a convolution has no such mode."""
    channels = chain.channels
    divides = channels % groups == 0 and filters % groups == 0
    must = f"must divide the {channels} channels that {name} reads and its {filters} filters"
    key = "model.groups" if net.connectivity == "grouped" else "model.connectivity"
    require(divides, key, groups if net.connectivity == "grouped" else net.connectivity, must)
    total = kernel - 1
    if net.padding in ("reflect", "circular") and total:
        sides = ((total // 2, total // 2),) * 2
        chain.add(Pad(name=f"{name}_pad", padding=sides, mode="reflect" if net.padding == "reflect" else "circular"))
    if net.padding == "symmetric":
        chain.add(GroupPad(name=f"{name}_pad", total=(total, total)))
    chain.add(
        Conv(
            name=name,
            filters=filters,
            kernel=(kernel, kernel),
            stride=(stride, stride),
            padding=_padding(chain, net, kernel),
            groups=groups,
            bias=bias,
        )
    )


def _padding(chain: Chain, net: ConvNet, kernel: int) -> Padding:
    """Choose the padding that the convolution itself applies."""
    if net.padding == "same":
        return "same"
    if net.padding == "full":
        return ((kernel - 1, kernel - 1),) * 2
    if net.padding == "explicit":
        return (net.explicit_padding,) * 2
    if net.padding == "alternating":
        # like `same` in the first layer, mirrored in the second, and so on through every convolution with a window
        earlier = sum(isinstance(node, Conv) and node.kernel != (1, 1) for node in chain.nodes)
        small, large = (kernel - 1) // 2, kernel // 2
        return ((small, large) if earlier % 2 == 0 else (large, small),) * 2
    return "valid"


def _down_sample(chain: Chain, net: ConvNet, place: int, filters: int) -> None:
    """Add what stands after convolution `place` (0: on the image) if the net down-samples there.

    Pools, blur and space-to-depth give floor(size / down_size) pixels and drop the odd rows and columns, as Flax's
    pools do; strided convolutions give what their padding gives (`same`: the ceiling).
    """
    if place not in net.pools:
        return
    size, name = net.down_size, f"pool_after{place}"
    window = (size, size)
    match net.down:
        case "max" | "average":
            chain.add(Pool(name=name, kind="max" if net.down == "max" else "avg", kernel=window, stride=window))
        case "blur":
            _blur(chain, name, size)
        case "space_to_depth":
            odd = chain.side % size
            if odd and chain.side > size:
                chain.add(Pad(name=f"crop_after{place}", padding=((0, -odd),) * 2))
            chain.add(SpaceToDepth(name=name, block=size))
        case "conv_strided_conv":
            _spatial(chain, net, f"down{place}", filters, net.kernel, size, groups=1, bias=_has_bias(net))
            _normalise(chain, net, f"down{place}_norm")
            chain.add(Activation(name=f"down{place}_act", kind=net.activation))


def _blur(chain: Chain, name: str, stride: int) -> None:
    """Add a binomial filter of 2 * stride - 1 taps, on a reflected map: zeros would darken borders (Zhang 2019)."""
    side, taps = chain.side, 2 * stride - 1
    short = max((side // stride - 1) * stride + taps - side, 0)
    if short:
        chain.add(Pad(name=f"{name}_pad", padding=((short // 2, short - short // 2),) * 2, mode="reflect"))
    chain.add(Blur(name=name, kernel=(taps, taps), stride=(stride, stride), padding="valid"))


def _normalise(chain: Chain, net: ConvNet, name: str) -> None:
    """Add batch or layer norm, if the net has one."""
    if net.norm != "none":
        chain.add(Norm(name=name, kind="batch" if net.norm == "batch" else "layer"))


def _has_bias(net: ConvNet) -> bool:
    """Tell whether convolutions have a bias: batch norm would subtract it again."""
    return net.norm != "batch"
