"""A net bound to an image: a graph of named layers, the one truth that geometry, zoo and matching all read.

The vocabulary is that of the JSON graphs a user can hand in; sizes are (height, width) pairs, channels come last.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from cnnlab.spec.invalid import require

Pair = tuple[int, int]
Explicit = tuple[Pair, Pair]
"""((top, bottom), (left, right)) pixels; negative values crop."""

Padding = Explicit | Literal["same", "valid"]
"""`same` is the JAX/TensorFlow rule: out = ceil(in / stride), the odd pixel goes to the bottom and right."""


ResizeKind = Literal["nearest", "bilinear", "antialiased", "cubic", "lanczos3", "lanczos5"]


@dataclass(frozen=True, kw_only=True)
class Node:
    """One named layer and the names of the layers it reads."""

    name: str
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Input(Node):
    """One image, channels last."""

    channels: int


@dataclass(frozen=True, kw_only=True)
class Conv(Node):
    """Cross-correlation with a learned kernel of shape (height, width, channels_in / groups, filters).

    `blank` counts the kernel's outer (top, bottom), (left, right) rows and columns that are fixed zeros, as a mask
    makes them: they are learned numbers but no taps. `counted` is False where the weights are not learned here: they
    are fixed, or an earlier layer's.
    """

    filters: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = "same"
    dilation: Pair = (1, 1)
    groups: int = 1
    bias: bool = True
    blank: Explicit = ((0, 0), (0, 0))
    counted: bool = True


@dataclass(frozen=True, kw_only=True)
class TransposedConv(Node):
    """Transpose of a convolution with this kernel, stride and padding: each input pixel paints a whole kernel.

    `valid` gives out = (in - 1) * stride + kernel; `same` crops (or fills) that to in * stride, the odd pixel of the
    crop at the bottom and right; explicit padding crops by that many pixels. `counted` as in `Conv`.
    """

    filters: int
    kernel: Pair
    stride: Pair
    padding: Padding = "same"
    bias: bool = True
    counted: bool = True


@dataclass(frozen=True, kw_only=True)
class Resize(Node):
    """Interpolation with half-pixel centres to floor(in * scale) pixels an axis; no parameters.

    `nearest` and `bilinear` have no low-pass. `antialiased` is JAX's linear, whose triangle is as wide as the step of
    the outputs where that is more than a pixel, `cubic` and its sisters likewise.
    """

    scale: tuple[Fraction, Fraction]
    kind: ResizeKind


@dataclass(frozen=True, kw_only=True)
class Pool(Node):
    """Maximum or average of a window. An average counts padded zeros like any pixel (window size divides)."""

    kind: Literal["max", "avg"]
    kernel: Pair
    stride: Pair
    padding: Padding = "valid"


@dataclass(frozen=True, kw_only=True)
class Blur(Node):
    """Fixed binomial low-pass of `kernel` taps an axis, then subsampling by `stride`; no parameters (Zhang 2019)."""

    kernel: Pair
    stride: Pair
    padding: Padding = "same"


@dataclass(frozen=True, kw_only=True)
class SpaceToDepth(Node):
    """Each block x block window becomes one pixel with block**2 times the channels; the size must be divisible."""

    block: int


@dataclass(frozen=True, kw_only=True)
class DepthToSpace(Node):
    """Each pixel's channels become a block x block window: block**2 times fewer channels, the reverse of SpaceToDepth.

    Behind a convolution it is the sub-pixel convolution (Shi 2016). Channels are read in the order row in the block,
    column in the block, channel, as TensorFlow's `depth_to_space` has it; PyTorch's `pixel_shuffle` puts the channel
    first. The channels must be divisible by block**2.
    """

    block: int


@dataclass(frozen=True, kw_only=True)
class Pad(Node):
    """Explicit padding by zeros, by reflection without the edge, or circular."""

    padding: Explicit
    mode: Literal["zeros", "reflect", "circular"] = "zeros"


@dataclass(frozen=True, kw_only=True)
class GroupPad(Node):
    """Symmetric padding of an even kernel (Wu 2019): the channels in four groups, each padded towards another corner.

    Each axis grows by `total` = low + high pixels, where low = total // 2 and high is the rest; the groups put the
    larger share at (top left), (top right), (bottom left), (bottom right). Channels that four does not divide go to
    the first groups.
    """

    total: Pair


@dataclass(frozen=True, kw_only=True)
class Norm(Node):
    """Batch or layer normalisation over the channels, with a learned offset and, if `scale`, a learned scale.

    `counted` as in `Conv`.
    """

    kind: Literal["batch", "layer"]
    scale: bool = True
    counted: bool = True


@dataclass(frozen=True, kw_only=True)
class Activation(Node):
    """An elementwise non-linearity of the closed table `cnnlab.spec.net.ACTIVATIONS`."""

    kind: str


@dataclass(frozen=True, kw_only=True)
class Elementwise(Node):
    """Any other layer whose outputs read one pixel, such as dropout; it never changes the size.

    `params` counts what it learns (a scale, a group norm). `channels` is what it leaves where it picks, repeats or
    folds channels; None where it leaves as many as it reads.
    """

    kind: str
    params: int = 0
    channels: int | None = None


@dataclass(frozen=True, kw_only=True)
class Add(Node):
    """Sum of two or more maps of one shape."""


@dataclass(frozen=True, kw_only=True)
class Combine(Node):
    """Any other elementwise function of two or more maps of one shape, such as their product in a gate."""

    kind: str


@dataclass(frozen=True, kw_only=True)
class Concat(Node):
    """Channels of two or more maps of one size, side by side."""


@dataclass(frozen=True, kw_only=True)
class GlobalAveragePool(Node):
    """Mean over the whole map; gives (channels,)."""


@dataclass(frozen=True, kw_only=True)
class GlobalPool(Node):
    """Maximum or mean along the whole height, the whole width (`axes`), or both; these axes keep one pixel."""

    kind: Literal["max", "avg"]
    axes: tuple[bool, bool] = (True, True)


@dataclass(frozen=True, kw_only=True)
class Mix(Node):
    """Any other layer whose every output reads the whole of its maps, such as a vector laid out as a map.

    `size` and `channels` are those of its output; `params` and `macs` what it learns and multiplies, per sample.
    """

    kind: str
    size: Pair
    channels: int
    params: int = 0
    macs: int = 0


@dataclass(frozen=True, kw_only=True)
class Flatten(Node):
    """The whole map as one vector of channels * height * width."""


@dataclass(frozen=True, kw_only=True)
class Dense(Node):
    """A fully connected layer with a kernel of shape (channels_in, units); `counted` as in `Conv`."""

    units: int
    bias: bool = True
    counted: bool = True


@dataclass(frozen=True, kw_only=True)
class Network:
    """A directed acyclic graph of layers, in an order that names inputs before they are read.

    Attributes:
        nodes: the layers; the first is the one `Input`.
        output: name of the layer that gives the logits.
        features: name of the last spatial map, what the head reads; its receptive field and size are reported.
        activation: the one activation every site carries, or `identity`; a test reads the jaxpr for it.
        init: weight initialiser of every kernel but the output layer's, of the closed table `cnnlab.spec.net.INITS`;
            the layer named by `output` draws from `lecun` with gain 1, so that logits begin alike whatever the init.
        init_scale: standard deviation for `normal`, else a gain that multiplies the drawn weights.
        size: (height, width) of the image in pixels the graph was built for; None where unknown. Only a module,
            whose dense layer after `Flatten` depends on it, needs it.
    """

    nodes: tuple[Node, ...]
    output: str
    features: str
    activation: str = "relu"
    init: str = "he"
    init_scale: float = 1.0
    size: Pair | None = None

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for node in self.nodes:
            require(node.name not in seen, "network.nodes", node.name, "layer names must be unique")
            for source in node.inputs:
                require(source in seen, f"network.{node.name}.inputs", source, "must name an earlier layer")
            seen.add(node.name)
        require(self.output in seen, "network.output", self.output, "must name a layer")
        require(self.features in seen, "network.features", self.features, "must name a layer")

    def __getitem__(self, name: str) -> Node:
        """The layer of that name. Raises KeyError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)
