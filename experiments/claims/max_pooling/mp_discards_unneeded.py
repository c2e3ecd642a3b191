"""The notes pool where "throwing away the information (pixels) intentionally ... is not required".

Two statements. That a max-pool throws pixels away is decided by computation. That what it throws away was not needed,
where the notes pool, needs trained nets: linear probes for the class before and after a pool, at equal probe dimension
(random projections), are to be the same to within 1 point where the notes recommend the pool, behind two convolutions,
and worse after it at the first layer, behind one.

Amended before any run: the nets were to be trained without pools, and a pool put into them afterwards. They are trained
with it, as any net that pools is; what it discards is then what such a net has learned to do without.

Rule of protocol 4, written after pilots and before its data: "not needed" fails only if reading DROPS by more than 1
point behind the pool; it may become easier. Three real tasks.
"""

import functools
import itertools
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.equivalence import Equivalence
from cnnlab.inference.rules.exact import Enumerated, Exact
from cnnlab.probes.reconstruction import linear_r2, noise_images
from cnnlab.report import canvas
from cnnlab.spec.network import Pool
from cnnlab.spec.verdict import Number, Scalar, Table
from cnnlab.zoo.operations import operate
from experiments.claims.base import Claim, Computed, Contrast, Trained

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
POOLS = ((2, 2), (3, 2), (3, 3), (3, 1))
"""(window, stride), without padding."""
SIDE, CHANNELS, TRIES = 12, 3, 20
IMAGE_SIDE = 12
DROP, POINT = "probe:linear_probe/first/drop", 0.01
"""Accuracy of the linear probe before the first pool minus that behind it, and the smallest that matters."""
WAYS = ("max-pool 2x2", "average-pool 2x2", "every second pixel")


def surviving(window: int, stride: int, maps: Floats) -> tuple[Floats, bool]:
    """Which values come through a max-pool, and whether the others could be changed without a trace.

    Args:
        window, stride: of the pool.
        maps: [count, side, side, channels], no two values equal.

    Returns:
        the share of values that the gradient of the pooled maps' sum reaches, for each map, and whether the pooled
        maps stay exactly the same when every other value is lowered.
    """
    node = Pool(name="pool", kind="max", kernel=(window, window), stride=(stride, stride))

    @jax.jit
    def tried(shown: Array) -> tuple[Array, Array]:
        pooled, back = jax.vjp(lambda x: operate(node, None, x), shown)
        kept = back(jnp.ones_like(pooled))[0] != 0
        lowered = jnp.where(kept, shown, shown - 1.0)
        return kept.mean((1, 2, 3)), (operate(node, None, lowered) == pooled).all()

    with jax.enable_x64(True):
        shares, same = tried(jnp.asarray(maps))
        return np.asarray(shares), bool(same)


def compute() -> Enumerated:
    """Pool random maps: some values reach no output, and the output does not tell what they were."""
    cases, counterexamples = 0, list[str]()
    rows: list[tuple[Scalar, ...]] = []
    maps = np.random.default_rng(0).permutation(TRIES * SIDE * SIDE * CHANNELS).reshape(TRIES, SIDE, SIDE, CHANNELS)
    for window, stride in POOLS:
        shares, same = surviving(window, stride, maps / maps.size)
        for share in shares:
            cases += 1
            if share >= 1 or not same:
                counterexamples.append(f"a {window}x{window} pool of stride {stride} lets {share:.0%} of the values by")
        rows.append((f"{window}x{window}", stride, round(100 * float(shares.mean()), 1), same))
    common = surviving(2, 2, maps / maps.size)[0]
    columns = ("window", "stride", "values that survive [%]", "the others leave no trace")
    return Enumerated(
        cases=cases,
        counterexamples=tuple(counterexamples),
        number=Number(name="of the values survive a 2x2 max-pool", value=100 * float(common.mean()), unit="%"),
        tables=(
            Table(title="max-pooling maps of random values, no two equal", columns=columns, rows=tuple(rows)),
            decodable(),
        ),
    )


@functools.cache
def decodability() -> dict[tuple[str, str], float]:
    """Linear R2 of the image, read off what each way of down-sampling leaves, for two kinds of images."""
    found = {}
    for way, kind in itertools.product(WAYS, ("pink", "white")):
        images = noise_images(kind, IMAGE_SIDE)
        parts = (images.train, images.validation, images.test)
        pairs = [(halved(way, part).reshape(len(part), -1), part.reshape(len(part), -1)) for part in parts]
        found[way, kind] = linear_r2(*pairs)
    return found


def halved(way: str, images: Floats) -> Floats:
    """Down-sample images [count, side, side] by two."""
    count, side, _ = images.shape
    blocks = images.reshape(count, side // 2, 2, side // 2, 2)
    smaller: Floats = {
        "max-pool 2x2": blocks.max((2, 4)),
        "average-pool 2x2": blocks.mean((2, 4)),
        "every second pixel": blocks[:, :, 0, :, 0],
    }[way]
    return smaller


def decodable() -> Table:
    """The same as a table."""
    found = decodability()
    rows = tuple((way, round(found[way, "pink"], 2), round(found[way, "white"], 2)) for way in WAYS)
    title = f"how much of a {IMAGE_SIDE}x{IMAGE_SIDE} image a linear decoder recovers (test R2)"
    return Table(title=title, columns=("down-sampling by 2", "natural (1/f) images", "white noise"), rows=rows)


def figure() -> "Figure":
    """One map with the values that survive, and what a decoder recovers."""
    from matplotlib.patches import Rectangle

    drawn, axes = canvas.canvas(
        "A 2x2 max-pool keeps one value in four, and what it drops cannot be read off the rest", width=10, columns=2
    )
    left, right = axes[0]
    values = np.random.default_rng(3).permutation(64).reshape(8, 8)
    canvas.count_map(left, values.tolist(), title="values of an 8x8 map; framed: those that survive")
    for row, column in itertools.product(range(0, 8, 2), repeat=2):
        block = values[row : row + 2, column : column + 2]
        down, across = np.unravel_index(block.argmax(), block.shape)
        corner = (column + int(across) - 0.5, row + int(down) - 0.5)
        left.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=canvas.RED, lw=3))
    for edge in (1.5, 3.5, 5.5):
        left.axhline(edge, color="white", lw=1)
        left.axvline(edge, color="white", lw=1)
    found = decodability()
    for kind, name, shift, colour, hatch in (
        ("pink", "natural (1/f) images", -0.2, canvas.BLUE, ""),
        ("white", "white noise", 0.2, canvas.ORANGE, "//"),
    ):
        bars = right.bar(
            np.arange(len(WAYS)) + shift,
            [found[way, kind] for way in WAYS],
            0.38,
            color=colour,
            label=name,
            hatch=hatch,
            edgecolor="white",
        )
        right.bar_label(bars, fmt="%.2f", padding=2, fontsize=9)
    right.set_xticks(range(len(WAYS)), [way.replace(" ", "\n", 1) for way in WAYS])
    right.set_ylim(0, 1)
    right.set_ylabel("share of the image's variance\nthat a linear decoder recovers")
    right.legend(frameon=False)
    return drawn


def _drop(arm: str, convolutions: str) -> Trained:
    """What is harder to read behind the first pool of an arm than before it."""
    return Trained(
        sweep="convs_before_pool",
        contrasts=(
            Contrast(
                name=f"before against behind a pool after {convolutions}",
                better=(arm,),
                better_is=f"a linear classifier before a max-pool after {convolutions}",
                worse_is="a linear classifier behind it",
            ),
        ),
        metric=DROP,
        margin=POINT,
        measures="accuracy of a linear classifier before the first pool minus behind it",
        tasks=("digits12", "textures12", "fashion12", "fashion_mnist", "cifar10"),
    )


CLAIM = Claim(
    says="A max-pool throws pixels away, and where the notes put it what it throws away is not needed for the class.",
    notes='Max Pooling, second point: "throwing away the information (pixels) intentionally ... not required"',
    kind="exact+empirical",
    evidence={
        "it throws pixels away": Computed(compute=compute),
        "not needed where the notes pool": _drop("two", "two convolutions"),
        "needed at the first layer": _drop("one", "one convolution"),
    },
    rule=AllOf(
        parts=(
            ("it throws pixels away", Exact()),
            ("not needed where the notes pool", Equivalence(rho=POINT, one_sided=True)),
            ("needed at the first layer", Directional(match="none", margin=POINT)),
        )
    ),
    figure=figure,
)
