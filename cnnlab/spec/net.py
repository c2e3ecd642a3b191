"""A net before it is bound to an image size: the parametric convnet, a classic by name, or a user's own module."""

from dataclasses import dataclass
from typing import Annotated

from cnnlab.spec.invalid import require
from cnnlab.spec.own_module import OwnModule
from cnnlab.spec.ranges import Between, OneOf, check

ACTIVATIONS = ("relu", "relu_half", "relu_one", "leaky_relu", "tanh", "scaled_tanh", "sigmoid", "gelu", "identity")
NORMS = ("none", "batch", "layer")
BLOCKS = ("plain", "residual")
HEADS = ("global_average", "flatten")
INITS = ("he", "xavier", "lecun", "orthogonal", "delta_orthogonal", "normal")
SCHEDULES = ("constant", "double_per_stage", "double_per_conv", "linear", "inverted")
DOWNS = ("max", "average", "blur", "strided_conv", "conv_strided_conv", "space_to_depth", "none")
PADDINGS = ("same", "valid", "reflect", "circular", "full", "explicit", "alternating", "symmetric")
ODD_ONLY, EVEN_ONLY = ("reflect", "circular"), ("alternating", "symmetric")
CONNECTIVITY = ("dense", "grouped", "depthwise", "separable")
POINTWISE = ("none", "per_stage", "per_conv")
MAX_KERNEL, MAX_FILTERS, MAX_DEPTH, MAX_SIDE = 7, 65_536, 100, 4096

Kernel = Annotated[int, Between(1, MAX_KERNEL)]
StemKernel = Annotated[int, Between(0, MAX_KERNEL)]
Scaling = Annotated[float, Between(0, 1000, above=True)]


@dataclass(frozen=True, kw_only=True)
class ConvNet:
    """The parametric net: `depth` convolutions with one factor a field, then the head.

    Attributes:
        depth: number of convolutions, not counting 1x1 stages and those a down-sampling adds.
        width: filters of the first convolution (of every one under `constant`).
        width_schedule: `constant`; `double_per_stage` (with each down-sampling); `double_per_conv`; `linear`
            (convolution i has i * width filters); `inverted` (halves with each stage, ends at `width`).
        widths: filters of every convolution, written out; overrides `width` and `width_schedule`. Matching writes it.
        kernel, stride: of every convolution, in pixels, odd or even.
        stem_kernel, stem_stride: of the first convolution; 0 takes `kernel` or `stride`.
        padding: `same` (JAX rule), `valid`, `reflect` and `circular` (odd kernels), `full` (kernel - 1 on each
            side), `explicit` (`explicit_padding` low and high pixels), and for even kernels `alternating` (the odd
            pixel changes side from layer to layer) and `symmetric` (four channel groups, four corners; Wu 2019).
        explicit_padding: low and high pixels of `explicit` padding.
        pools: after which convolutions the map is down-sampled; 0 is the image itself, `depth` just before the head.
        down: what down-samples. `strided_conv` gives that convolution the stride; `conv_strided_conv` adds one.
            `none` keeps the map; its places still bound the stages, so that widths and 1x1 layers stay comparable.
        down_size: window and stride of a down-sampling in pixels.
        connectivity: `dense`; `grouped` in `groups`; `depthwise`; `separable` (depthwise, then 1x1). The first
            convolution is always dense: it reads the image.
        groups: of channels under `grouped`; 1 under any other.
        pointwise: a 1x1 convolution after each stage or each convolution.
        activation_every: an activation stands after every convolution (1), or after every second one, ... and always
            after the last; those between are followed by nothing.
        activation: `relu_half` and `relu_one` differ from `relu` in the derivative at 0 alone.
        norm: between every convolution and its activation.
        block: `residual` adds the identity around each convolution whose input and output agree in shape.
        head: what comes before the logits.
        init: initialiser of the kernels.
        init_scale: gain of the initialiser; of `normal` the standard deviation.
    """

    depth: Annotated[int, Between(1, MAX_DEPTH)] = 6
    width: Annotated[int, Between(1, 4096)] = 16
    width_schedule: Annotated[str, OneOf(SCHEDULES)] = "constant"
    widths: tuple[Annotated[int, Between(1, MAX_FILTERS)], ...] = ()
    kernel: Kernel = 3
    stride: Kernel = 1
    stem_kernel: StemKernel = 0
    stem_stride: StemKernel = 0
    padding: Annotated[str, OneOf(PADDINGS)] = "same"
    explicit_padding: tuple[Annotated[int, Between(0, 512)], Annotated[int, Between(0, 512)]] = (1, 1)
    pools: tuple[Annotated[int, Between(0, MAX_DEPTH)], ...] = (2, 4)
    down: Annotated[str, OneOf(DOWNS)] = "max"
    down_size: Annotated[int, Between(1, MAX_SIDE)] = 2
    connectivity: Annotated[str, OneOf(CONNECTIVITY)] = "dense"
    groups: Annotated[int, Between(1, 4096)] = 1
    pointwise: Annotated[str, OneOf(POINTWISE)] = "none"
    activation: Annotated[str, OneOf(ACTIVATIONS)] = "relu"
    activation_every: Annotated[int, Between(1, MAX_DEPTH)] = 1
    norm: Annotated[str, OneOf(NORMS)] = "none"
    block: Annotated[str, OneOf(BLOCKS)] = "plain"
    head: Annotated[str, OneOf(HEADS)] = "global_average"
    init: Annotated[str, OneOf(INITS)] = "he"
    init_scale: Scaling = 1.0

    def __post_init__(self) -> None:
        check(self, "model")
        self._check_together()
        self._check_pools()
        self._check_padding()

    def _check_together(self) -> None:
        if self.widths:
            fits = len(self.widths) == self.depth
            require(fits, "model.widths", list(self.widths), f"must name {self.depth} widths, one a convolution")
        divides = self.connectivity == "grouped" or self.groups == 1
        require(divides, "model.groups", self.groups, "must be 1 unless model.connectivity=grouped")

    def _check_pools(self) -> None:
        pools = list(self.pools)
        require(len(set(pools)) == len(pools), "model.pools", pools, "two down-samplings cannot stand at one place")
        inside = all(place <= self.depth for place in pools)
        require(
            inside, "model.pools", pools, f"every place must lie between 0 (the image) and model.depth={self.depth}"
        )
        require(pools == sorted(pools), "model.pools", pools, "places must ascend")
        needs_conv = self.down == "strided_conv" and 0 in pools
        require(not needs_conv, "model.pools", pools, "strided_conv needs a convolution before it: places from 1")

    def _check_padding(self) -> None:
        kernels = {self.kernel, self.stem_kernel or self.kernel}
        even = any(kernel % 2 == 0 for kernel in kernels)
        odd = any(kernel % 2 == 1 for kernel in kernels)
        others = ", ".join(name for name in PADDINGS if name not in ODD_ONLY)
        require(
            not (even and self.padding in ODD_ONLY),
            "model.padding",
            self.padding,
            f"an even kernel cannot be padded alike on both sides; choose one of {others}",
        )
        others = ", ".join(name for name in PADDINGS if name not in EVEN_ONLY)
        require(
            not (odd and self.padding in EVEN_ONLY),
            "model.padding",
            self.padding,
            f"meant for even kernels; for an odd kernel choose one of {others}",
        )
        low_high = list(self.explicit_padding)
        valid = len(low_high) == 2
        require(valid, "model.explicit_padding", low_high, "must be two pixel counts, low and high")

    @property
    def label(self) -> str:
        """Short name for folders: depth, width, down-sampling and activation. Not unique; the hash is."""
        width = "x".join(str(value) for value in dict.fromkeys(self.widths)) or str(self.width)
        places = "_".join(map(str, self.pools)) or "0"
        return f"d{self.depth}w{width}-{self.down}{places}-{self.activation}"


@dataclass(frozen=True, kw_only=True)
class Classic:
    """A net from the literature, by name; `cnnlab.zoo.classics` says which there are and where they come from.

    Attributes:
        name: such as `lenet5`.
        variant: of those the net has; empty for its only one, or for the one its file names.
        activation: replaces the net's own at every site; empty keeps the published one.
        init: initialiser of the kernels.
        init_scale: gain of the initialiser; of `normal` the standard deviation.
    """

    name: str
    variant: str = ""
    activation: Annotated[str, OneOf(("", *ACTIVATIONS))] = ""
    init: Annotated[str, OneOf(INITS)] = "he"
    init_scale: Scaling = 1.0

    def __post_init__(self) -> None:
        check(self, "model")

    @property
    def label(self) -> str:
        """Short name for folders."""
        return "-".join(part for part in (self.name, self.variant, self.activation) if part)


ZooNet = ConvNet | Classic
Net = ZooNet | OwnModule
