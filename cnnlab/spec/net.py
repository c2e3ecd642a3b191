"""A net before it is bound to an image size: the parametric convnet, a classic by name, or a user's own module."""

from dataclasses import dataclass

from cnnlab.spec.invalid import require, require_choice
from cnnlab.spec.own_module import OwnModule

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
MAX_KERNEL = 7


@dataclass(frozen=True, kw_only=True)
class ConvNet:
    """The parametric net: `depth` convolutions with one factor a field, then the head.

    Attributes:
        depth: number of convolutions, not counting 1x1 stages and those a down-sampling adds.
        width: filters of the first convolution (of every one under `constant`).
        width_schedule: `constant`; `double_per_stage` (with each down-sampling); `double_per_conv`; `linear`
            (convolution i has i * width filters); `inverted` (halves with each stage, ends at `width`).
        widths: filters of every convolution, written out; overrides `width` and `width_schedule`. Matching writes it.
        kernel, stride: of every convolution, 1..7 pixels, odd or even.
        stem_kernel, stem_stride: of the first convolution; 0 takes `kernel` or `stride`.
        padding: `same` (JAX rule), `valid`, `reflect` and `circular` (odd kernels), `full` (kernel - 1 on each
            side), `explicit` (`explicit_padding` low and high pixels), and for even kernels `alternating` (the odd
            pixel changes side from layer to layer) and `symmetric` (four channel groups, four corners; Wu 2019).
        pools: after which convolutions the map is down-sampled; 0 is the image itself, `depth` just before the head.
        down: what down-samples. `strided_conv` gives that convolution the stride; `conv_strided_conv` adds one.
            `none` keeps the map; its places still bound the stages, so that widths and 1x1 layers stay comparable.
        down_size: window and stride of a down-sampling in pixels.
        connectivity, groups: `dense`; `grouped` in `groups`; `depthwise`; `separable` (depthwise, then 1x1).
            The first convolution is always dense: it reads the image.
        pointwise: a 1x1 convolution after each stage or each convolution.
        activation_every: an activation stands after every convolution (1), or after every second one, ... and always
            after the last; those between are followed by nothing.
        activation, norm, block, head: see the tables above. `residual` adds the identity around each convolution
            whose input and output agree in shape.
        init, init_scale: kernel initialiser, and its gain (standard deviation for `normal`).
    """

    depth: int = 6
    width: int = 16
    width_schedule: str = "constant"
    widths: tuple[int, ...] = ()
    kernel: int = 3
    stride: int = 1
    stem_kernel: int = 0
    stem_stride: int = 0
    padding: str = "same"
    explicit_padding: tuple[int, int] = (1, 1)
    pools: tuple[int, ...] = (2, 4)
    down: str = "max"
    down_size: int = 2
    connectivity: str = "dense"
    groups: int = 1
    pointwise: str = "none"
    activation: str = "relu"
    activation_every: int = 1
    norm: str = "none"
    block: str = "plain"
    head: str = "global_average"
    init: str = "he"
    init_scale: float = 1.0

    def __post_init__(self) -> None:
        self._check_choices()
        self._check_numbers()
        self._check_pools()
        self._check_padding()

    def _check_choices(self) -> None:
        for key, choices in (
            ("width_schedule", SCHEDULES),
            ("padding", PADDINGS),
            ("down", DOWNS),
            ("connectivity", CONNECTIVITY),
            ("pointwise", POINTWISE),
            ("activation", ACTIVATIONS),
            ("norm", NORMS),
            ("block", BLOCKS),
            ("head", HEADS),
            ("init", INITS),
        ):
            require_choice(f"model.{key}", getattr(self, key), choices)

    def _check_numbers(self) -> None:
        for key, low, high in (
            ("depth", 1, 100),
            ("width", 1, 4096),
            ("kernel", 1, MAX_KERNEL),
            ("stride", 1, MAX_KERNEL),
            ("stem_kernel", 0, MAX_KERNEL),
            ("stem_stride", 0, MAX_KERNEL),
            ("down_size", 1, 512),
            ("groups", 1, 4096),
            ("activation_every", 1, 100),
        ):
            value = getattr(self, key)
            require(low <= value <= high, f"model.{key}", value, f"must lie between {low} and {high}")
        require(self.init_scale > 0, "model.init_scale", self.init_scale, "must be positive")
        if self.widths:
            fits = len(self.widths) == self.depth and min(self.widths) >= 1
            require(
                fits, "model.widths", list(self.widths), f"must name {self.depth} positive widths, one a convolution"
            )
        divides = self.connectivity == "grouped" or self.groups == 1
        require(divides, "model.groups", self.groups, "must be 1 unless model.connectivity=grouped")

    def _check_pools(self) -> None:
        pools = list(self.pools)
        require(len(set(pools)) == len(pools), "model.pools", pools, "two down-samplings cannot stand at one place")
        inside = all(0 <= place <= self.depth for place in pools)
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
        valid = len(low_high) == 2 and min(low_high) >= 0
        require(valid, "model.explicit_padding", low_high, "must be two pixel counts, low and high, not negative")

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
        name: such as `lenet5`. variant: of those the net has; empty for its only one, or for the one its file names.
        activation: replaces the net's own at every site; empty keeps the published one.
        init, init_scale: as in `ConvNet`.
    """

    name: str
    variant: str = ""
    activation: str = ""
    init: str = "he"
    init_scale: float = 1.0

    def __post_init__(self) -> None:
        require_choice("model.init", self.init, INITS)
        require_choice("model.activation", self.activation, ("", *ACTIVATIONS))
        require(self.init_scale > 0, "model.init_scale", self.init_scale, "must be positive")

    @property
    def label(self) -> str:
        """Short name for folders."""
        return "-".join(part for part in (self.name, self.variant, self.activation) if part)


ZooNet = ConvNet | Classic
Net = ZooNet | OwnModule
