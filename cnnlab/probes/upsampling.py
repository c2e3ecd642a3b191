"""Small decoders that differ only in how they enlarge a map, trained, and the checkerboard each of them carries.

A decoder reads an image at half its side and gives it back at the whole: a 3x3 convolution (1 to 8 channels), ReLU, the
up-sampling under test (8 to 8 channels, twice the side), ReLU, a 1x1 convolution to one channel. What is measured are
the `maps`, the output of the up-sampling before its ReLU, and the `output`, both away from the border.
An instrument of its own: no arm of a sweep, and no claim rests on it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array
from numpy.typing import NDArray

from cnnlab.data import digits, raw
from cnnlab.geometry.coverage import interior as inner_counts
from cnnlab.geometry.coverage import plane, transposed_coverage
from cnnlab.probes.checkerboard import amplitude, dispersion, energies, interior, pattern, uneven
from cnnlab.spec.invalid import require, require_choice
from cnnlab.spec.network import Activation, Conv, DepthToSpace, Input, Network, Node, Resize, TransposedConv
from cnnlab.zoo.initialisers import icnr, kernel
from cnnlab.zoo.module import Net, Weights
from cnnlab.zoo.operations import operate

Floats = NDArray[np.float64]

PERIOD = 2
"""Every decoder enlarges by this factor."""
CHANNELS = 8
KERNELS = (2, 3, 4, 5, 6)
"""Of the transposed convolutions: 3 and 5 are no multiples of the stride, so that their kernels overlap unevenly."""
MARGIN = 4
"""Pixels of the output that the zeros around the image reach, in the decoder where they reach farthest."""
BATCH, RATE = 16, 0.01
FLAT = (0.25, 0.5, 0.75, 1.0)
"""Brightness of the flat images."""
TRAIN_MOSAICS, TEST_MOSAICS, ACROSS = 1024, 64, 2
TRAIN_CLOTHES = 4096
MAPS, OUTPUT = "up", "output"


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Images to give back: grey, of one even side, brightness from 0 to 1; float64 [n, side, side]."""

    name: str
    train: Floats
    test: Floats

    def __post_init__(self) -> None:
        shapes = {images.shape[1:] for images in (self.train, self.test)}
        least = 2 * MARGIN + 4 * PERIOD
        fits = len(shapes) == 1 and all(side % PERIOD == 0 and side >= least for side in next(iter(shapes)))
        require(fits, "images", sorted(shapes), f"must have one shape, with even sides of at least {least} pixels")


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """The checkerboard of one decoder at one time.

    Attributes:
        pattern_maps, pattern_output: share of the variance on test images that is a standing pattern.
        dispersion_maps, dispersion_output: unevenness of the energy over the places of a period.
        flat_maps, flat_output: on flat images, rms of the pattern over the spread that test images have there.
        energies: mean square of the maps by place in the period, over its mean; PERIOD x PERIOD.
    """

    pattern_maps: float
    pattern_output: float
    dispersion_maps: float
    dispersion_output: float
    flat_maps: float
    flat_output: float
    energies: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Member:
    """One decoder from one seed.

    Attributes:
        init, trained: before the first and after the last step.
        mse: mean squared error on the test images after training, in brightness squared.
        shown: what it makes of the first test image: `init maps`, `init output`, `trained maps`, `trained output`;
            [side, side]. Of the maps it is the one with most variance.
    """

    arm: str
    seed: int
    init: Numbers
    trained: Numbers
    mse: float
    shown: Mapping[str, Floats]


@dataclass(frozen=True, kw_only=True)
class Painted:
    """What a transposed convolution of random weights makes of white noise, beside its exact overlap counts.

    Attributes:
        counts: inputs that paint each place of a period, [PERIOD, PERIOD].
        energies: mean square of the output by place, one net after the other, [nets, PERIOD, PERIOD].
    """

    kernel: int
    counts: Floats
    energies: Floats

    @property
    def predicted(self) -> float:
        """Dispersion of the counts."""
        return uneven(self.counts)

    @property
    def mean_net(self) -> float:
        """Dispersion of the energy averaged over the nets: what theory speaks of."""
        return uneven(self.energies.mean(0))

    @property
    def median(self) -> float:
        """Median of the dispersions of single nets, which their weights' chance makes larger."""
        return float(np.median([uneven(one) for one in self.energies]))

    @property
    def error(self) -> float:
        """Standard error of `mean_net`: root mean square of the places' own, over the mean energy."""
        own = self.energies.std(0, ddof=1) / np.sqrt(len(self.energies))
        return float(np.sqrt((own**2).mean()) / self.energies.mean())


def _transposed(size: int) -> tuple[Node, ...]:
    taps, step = (size, size), (PERIOD, PERIOD)
    return (TransposedConv(name=MAPS, inputs=("act1",), filters=CHANNELS, kernel=taps, stride=step),)


def _sub_pixel() -> tuple[Node, ...]:
    wide = Conv(name="phases", inputs=("act1",), filters=CHANNELS * PERIOD**2, kernel=(3, 3))
    return wide, DepthToSpace(name=MAPS, inputs=("phases",), block=PERIOD)


def _resized(kind: Any) -> tuple[Node, ...]:
    factor = Fraction(PERIOD)
    larger = Resize(name="larger", inputs=("act1",), scale=(factor, factor), kind=kind)
    return larger, Conv(name=MAPS, inputs=("larger",), filters=CHANNELS, kernel=(3, 3))


ICNR = "sub-pixel, ICNR"
SUB_PIXEL = "sub-pixel"
RESIZED = ("nearest, conv 3", "bilinear, conv 3")
TRANSPOSED = {f"transposed {size}": size for size in KERNELS}
ARMS: dict[str, Callable[[], tuple[Node, ...]]] = {
    **{name: partial(_transposed, size) for name, size in TRANSPOSED.items()},
    SUB_PIXEL: _sub_pixel,
    ICNR: _sub_pixel,
    RESIZED[0]: partial(_resized, "nearest"),
    RESIZED[1]: partial(_resized, "bilinear"),
}
"""By name, the layers between the first ReLU and the second; the last of them is called `up`."""


def decoder(arm: str) -> Network:
    """The graph of one decoder. Raises InvalidError, with the names there are, for any other."""
    require_choice("arm", arm, ARMS)
    nodes = (
        Input(name="image", channels=1),
        Conv(name="conv1", inputs=("image",), filters=CHANNELS, kernel=(3, 3)),
        Activation(name="act1", inputs=("conv1",), kind="relu"),
        *ARMS[arm](),
        Activation(name="act2", inputs=(MAPS,), kind="relu"),
        Conv(name=OUTPUT, inputs=("act2",), filters=1, kernel=(1, 1)),
    )
    return Network(nodes=nodes, output=OUTPUT, features=OUTPUT)


def fresh(arm: str, key: Array) -> Net:
    """A decoder before training; the same key gives the same weights."""
    network = decoder(arm)
    net = Net(network, key)
    if arm == ICNR:
        layer: Any = net.layers["phases"]
        shape = layer.kernel.shape
        layer.kernel.set_value(icnr(key, "phases", shape, network.init, network.init_scale, PERIOD))
    return net


def digit_mosaics() -> Pictures:
    """Four of the package's digits side by side, each at its random place of a 12 x 12 canvas: 24 x 24 pixels.

    One digit is too small to hold enough whole periods away from the border. Which digits meet is drawn once, the
    training images from the pool and the test images from the test set.
    """
    frozen = digits.frozen()
    canvases = digits.on_canvas(frozen).astype(float) / digits.BRIGHTEST
    draw = np.random.default_rng(0)
    train, test = (
        _mosaics(canvases[part], count, draw)
        for part, count in ((~frozen.test, TRAIN_MOSAICS), (frozen.test, TEST_MOSAICS))
    )
    return Pictures(name="digits, four to an image", train=train, test=test)


def fashion(folder: Path) -> Pictures:
    """Fashion-MNIST, 28 x 28, from the four files as published; the first images of either part.

    Raises:
        InvalidError: a file is missing in the folder, or has not the published content.
    """
    import tensorflow_datasets as tfds  # takes seconds

    files = raw.found(tfds.builder_cls("fashion_mnist"), folder)
    train, test = (
        raw.read_idx(files[raw.IDX[part][0]])[:count].astype(float) / 255
        for part, count in (("train", TRAIN_CLOTHES), ("test", TEST_MOSAICS))
    )
    return Pictures(name="Fashion-MNIST", train=train, test=test)


def _mosaics(canvases: Floats, count: int, draw: np.random.Generator) -> Floats:
    """Lay ACROSS x ACROSS canvases drawn at random side by side, [count, ACROSS * side, ACROSS * side]."""
    side = canvases.shape[1]
    chosen = canvases[draw.integers(len(canvases), size=(count, ACROSS, ACROSS))]
    rows = chosen.transpose(0, 1, 3, 2, 4)
    found: Floats = rows.reshape(count, ACROSS * side, ACROSS * side)
    return found


def halved(images: Floats) -> Floats:
    """Means of 2 x 2 blocks, [n, side / 2, side / 2]: what a decoder reads."""
    count, height, width = images.shape
    means: Floats = images.reshape(count, height // PERIOD, PERIOD, width // PERIOD, PERIOD).mean((2, 4))
    return means


def train(arm: str, pictures: Pictures, *, seeds: Sequence[int], steps: int = 200) -> tuple[Member, ...]:
    """Train one kind of decoder from several seeds with Adam, and measure each before and after.

    A seed draws the initial weights and the order of the images, the latter alike for all arms. The same seed gives
    the same bytes on the same machine.

    Args:
        arm: of `ARMS`.
        pictures: what to give back.
        seeds: one member each.
        steps: of Adam, each on `BATCH` images; 0 trains nothing.
    """
    definition, _ = nnx.split(fresh(arm, jax.random.key(0)))
    run, step, optimiser = _programs(definition)
    members = []
    for seed in seeds:
        # weights outside of jit: the zoo has compiled its draws
        state = nnx.split(fresh(arm, jax.random.key(seed)))[1]
        before, first = _measure(run, state, pictures)
        moments = optimiser.init(state)
        draw = np.random.default_rng([seed, 1])
        # a Python loop: XLA's convolutions on a CPU are many times slower within `lax.scan`
        for _ in range(steps):
            large = pictures.train[draw.integers(len(pictures.train), size=BATCH)]
            state, moments = step(state, moments, _batch(halved(large)), _batch(large))
        after, last = _measure(run, state, pictures)
        error = float(((run(state, halved(pictures.test))[OUTPUT][:, 0] - pictures.test) ** 2).mean())
        shown = {f"init {name}": one for name, one in first.items()}
        shown |= {f"trained {name}": one for name, one in last.items()}
        members.append(Member(arm=arm, seed=seed, init=before, trained=after, mse=error, shown=shown))
    return tuple(members)


Run = Callable[[Any, Floats], dict[str, Floats]]


def _programs(definition: Any) -> tuple[Run, Callable[..., Any], optax.GradientTransformation]:
    """What runs a decoder, what trains it for one step, and its optimiser; compiled once for all members."""
    optimiser = optax.adam(RATE)

    @jax.jit
    def look(state: Any, small: Array) -> tuple[Array, Array]:
        output, layers = nnx.merge(definition, state)(small)
        return layers[MAPS], output

    @jax.jit
    def step(state: Any, moments: Any, small: Array, large: Array) -> tuple[Any, Any]:
        def loss(now: Any) -> Array:
            return jnp.square(nnx.merge(definition, now)(small)[0] - large).mean()

        updates, moved = optimiser.update(jax.grad(loss)(state), moments, state)
        return optax.apply_updates(state, updates), moved

    def run(state: Any, small: Floats) -> dict[str, Floats]:
        """Maps and output as [n, channels, side, side]."""
        found = zip((MAPS, OUTPUT), look(state, _batch(small)), strict=True)
        return {name: np.asarray(value, np.float64).transpose(0, 3, 1, 2) for name, value in found}

    return run, step, optimiser


def _batch(images: Floats) -> Array:
    """Images as a net reads them, float32 [n, side, side, 1]."""
    return jnp.asarray(images[..., None], jnp.float32)


def _measure(run: Run, state: Any, pictures: Pictures) -> tuple[Numbers, dict[str, Floats]]:
    """The numbers of a decoder as it is now, and what it makes of the first test image."""
    small = halved(pictures.test)
    real = run(state, small)
    flat = run(state, np.stack([np.full(small.shape[1:], level) for level in FLAT]))
    inner = {name: _inner(planes) for name, planes in real.items()}
    even = {name: _inner(planes) for name, planes in flat.items()}
    energy = energies(inner[MAPS], PERIOD)
    numbers = Numbers(
        pattern_maps=pattern(inner[MAPS], PERIOD),
        pattern_output=pattern(inner[OUTPUT], PERIOD),
        dispersion_maps=dispersion(inner[MAPS], PERIOD),
        dispersion_output=dispersion(inner[OUTPUT], PERIOD),
        flat_maps=amplitude(even[MAPS], inner[MAPS], PERIOD),
        flat_output=amplitude(even[OUTPUT], inner[OUTPUT], PERIOD),
        energies=tuple(map(tuple, (energy / max(float(energy.mean()), np.finfo(float).tiny)).tolist())),
    )
    liveliest = int(real[MAPS].var((2, 3)).mean(0).argmax())
    return numbers, {"maps": real[MAPS][0, liveliest], "output": real[OUTPUT][0, 0]}


def _inner(planes: Floats) -> Floats:
    """All channels' maps away from the border, [n * channels, side', side']."""
    cut = interior(planes, PERIOD, MARGIN)
    return cut.reshape(-1, *cut.shape[2:])


def painted(size: int, *, nets: int = 60, seed: int = 0, side: int = 14, images: int = 4) -> Painted:
    """Send white noise through a transposed convolution of stride 2, net after net of fresh weights.

    Weights and inputs are independent of mean 0, so that the energy expected at a place is proportional to the number
    of inputs that paint it. Net i draws from the key of the seed, folded with i.

    Args:
        size: of the kernel.
        nets: how many nets. images: of white noise, `side` x `side` pixels, other ones for every net.
    """
    node = TransposedConv(
        name=MAPS, filters=CHANNELS, kernel=(size, size), stride=(PERIOD, PERIOD), bias=False, inputs=("image",)
    )
    weigh = jax.jit(lambda drawn, x: operate(node, Weights(drawn, bias=False), x))
    draw = np.random.default_rng([seed, size])
    found = []
    for net in range(nets):
        own = jax.random.fold_in(jax.random.key(seed), net)
        drawn = kernel(own, MAPS, (size, size, CHANNELS, CHANNELS), "he", 1.0)
        noise = jnp.asarray(draw.normal(size=(images, side, side, CHANNELS)), jnp.float32)
        planes = np.asarray(weigh(drawn, noise), np.float64).transpose(0, 3, 1, 2)
        found.append(energies(_inner(planes), PERIOD))
    line = inner_counts(transposed_coverage(side, size, PERIOD), MARGIN)[:PERIOD]
    return Painted(kernel=size, counts=np.array(plane(line, line), float), energies=np.stack(found))
