"""The notes say that without activations "all layers of the neural network collapse into one".

One layer is one affine map x -> A x + b of the image. For every net here that map is built by probing with the zero
image and every basis image, and compared with the net on random images, in float64 and float32. Offsets (biases, batch
norm's statistics) are drawn at random: at their initial zeros a map would be linear by luck.
"""

import itertools
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.probes.affine import convolution_defects, probed, probes, window
from cnnlab.probes.collapse import TOLERANCE, CollapseOutcome, CollapseSubject, image_of, judged, run
from cnnlab.report import canvas
from cnnlab.spec.net import ConvNet
from cnnlab.spec.network import Conv, Dense, Flatten, Input, Network, Node
from cnnlab.spec.verdict import Number, Scalar, Table
from cnnlab.zoo.lowering import network
from cnnlab.zoo.module import Mode
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DEPTHS = (1, 2, 5, 10, 20, 50, 100)
SIDE, WIDTH, CLASSES = 12, 3, 3
CONDITION = "no layer is a max-pool, a layer norm or a batch norm in training mode, and no number underflows"


def linear(depth: int = 3, side: int = SIDE, **factors: Any) -> Network:
    """A parametric net of the zoo without activations."""
    settings: dict[str, Any] = {"pools": (), "width": WIDTH, "init": "lecun", **factors}
    return network(ConvNet(depth=depth, activation="identity", **settings), side, 1, CLASSES)


def grid() -> Iterator[CollapseSubject]:
    """Pools by norms by paddings, three convolutions on 12x12."""
    norms: tuple[tuple[str, str, Mode], ...] = (
        ("no norm", "none", "evaluate"),
        ("batch norm evaluating", "batch", "evaluate"),
        ("batch norm training", "batch", "train"),
    )
    for down, (norm, kind, mode), padding in itertools.product(("none", "average", "max"), norms, ("valid", "same")):
        pools = () if down == "none" else (2,)
        pool = "no pool" if down == "none" else f"{down} pool"
        built = linear(padding=padding, pools=pools, down=down, norm=kind)
        yield CollapseSubject(name=f"{pool}, {norm}, {padding}", network=built, mode=mode)


def others() -> Iterator[CollapseSubject]:
    """One factor at a time: the other head, down-samplings, paddings, blocks and norms."""
    factors: dict[str, dict[str, Any]] = {
        "flatten head": {"head": "flatten"},
        "strided convolution": {"pools": (2,), "down": "strided_conv"},
        "blur pool": {"pools": (2,), "down": "blur"},
        "space to depth": {"pools": (2,), "down": "space_to_depth"},
        "circular padding": {"padding": "circular"},
        "residual blocks": {"block": "residual"},
        "separable convolutions": {"connectivity": "separable"},
        "layer norm": {"norm": "layer"},
    }
    for name, changed in factors.items():
        yield CollapseSubject(name=name, network=linear(**changed))
    yield CollapseSubject(name="dense layers, one of 2 units", network=dense(5, narrowest=2), until=("dense5",))
    tiny = dense(20, bias=False, init_scale=10 ** (-38 / 20))
    yield CollapseSubject(name="weights that shrink 38 decades in 20 layers", network=tiny, until=("dense20",))


def deep() -> Iterator[CollapseSubject]:
    """Depth 1 to 100, read at the layers of one net: dense, convolutions with zero padding, convolutions without."""
    deepest = DEPTHS[-1]
    # zero padding costs a signal about a tenth a layer; the gain makes up for it, or the offsets would drown it
    padded = linear(deepest, side=6, width=4, init_scale=1.15)
    unpadded = tuple(f"conv{depth}" for depth in DEPTHS if depth <= 20)
    yield CollapseSubject(name="dense layers", network=dense(deepest), until=tuple(f"dense{depth}" for depth in DEPTHS))
    yield CollapseSubject(
        name="zero-padded convolutions", network=padded, until=tuple(f"conv{depth}" for depth in DEPTHS)
    )
    yield CollapseSubject(name="valid convolutions", network=on_a_line(20), until=unpadded)


def on_a_line(depth: int) -> Network:
    """`depth` valid convolutions of 3 pixels on a line, whose last map is one pixel."""
    nodes: list[Node] = [Input(name="conv0", channels=1)]
    for place in range(1, depth + 1):
        before = f"conv{place - 1}"
        nodes.append(Conv(name=f"conv{place}", filters=4, kernel=(1, 3), padding="valid", inputs=(before,)))
    return bound(nodes, (1, 2 * depth + 1))


def dense(depth: int, narrowest: int = 16, *, bias: bool = True, init_scale: float = 1.0) -> Network:
    """`depth` dense layers of 16 units, the middle one of `narrowest`."""
    units = dict.fromkeys(range(1, depth + 1), 16) | {depth // 2 + 1: narrowest}
    nodes: list[Node] = [Input(name="image", channels=16), Flatten(name="dense0", inputs=("image",))]
    for place, wide in units.items():
        nodes.append(Dense(name=f"dense{place}", units=wide, bias=bias, inputs=(f"dense{place - 1}",)))
    return bound(nodes, (1, 1), init_scale)


def bound(nodes: list[Node], size: tuple[int, int], init_scale: float = 1.0) -> Network:
    """Close a chain with dense logits, which alone draw their weights unscaled."""
    flat, logits = Flatten(name="flat", inputs=(nodes[-1].name,)), Dense(name="logits", units=CLASSES, inputs=("flat",))
    return Network(
        nodes=(*nodes, flat, logits),
        output="logits",
        features=nodes[0].name,
        activation="identity",
        init="lecun",
        init_scale=init_scale,
        size=size,
    )


@cache
def outcomes() -> tuple[CollapseOutcome, ...]:
    """Probe every net."""
    subjects = sorted((*grid(), *others(), *deep()), key=lambda subject: image_of(subject.network))
    groups = itertools.groupby(subjects, key=lambda subject: image_of(subject.network))
    return tuple(outcome for _, group in groups for outcome in judged(tuple(group)))


def compute() -> Enumerated:
    """Compare every net with its one affine map."""
    found = outcomes()
    clean = [outcome for outcome in found if not outcome.exceptions]
    failing = sorted((one for one in found if not one.collapses), key=lambda one: "max-pool" not in one.exceptions)
    largest = {dtype: max(one.residual for one in clean if one.dtype == dtype) for dtype in TOLERANCE}
    smallest = min((one.residual for one in found if one.exceptions), default=0.0)
    return Enumerated(
        cases=len(found),
        counterexamples=tuple(outcome.line for outcome in failing),
        restricted=Restricted(
            condition=CONDITION, cases=len(clean), counterexamples=sum(not outcome.collapses for outcome in clean)
        ),
        nearest_true=(
            f"up to {DEPTHS[-1]} layers that are affine one by one are one affine map, to {largest['float64']:.1g} of "
            f"the output in float64 and {largest['float32']:.1g} in float32; any of the exceptions leaves at least "
            f"{smallest:.2g}"
        ),
        number=Number(name="largest residual of a net that meets the condition, float64", value=largest["float64"]),
        tables=(collapsing(found), by_depth(found), as_convolutions()),
    )


def collapsing(found: tuple[CollapseOutcome, ...]) -> Table:
    """Which nets collapse."""
    shallow = [one for one in found if one.layer in ("logits", "dense5", "dense20") and one.net != "dense layers"]
    rows: list[tuple[Scalar, ...]] = []
    for double, single in zip(*([one for one in shallow if one.dtype == dtype] for dtype in TOLERANCE), strict=True):
        said = {(True, True): "yes", (False, False): "no"}
        word = said.get((double.collapses, single.collapses), "in float64 only")
        why = ", ".join(single.exceptions)
        rows.append((double.net, word, why, f"{double.residual:.1e}", f"{single.residual:.1e}", double.rank))
    columns = ("net without activations", "one affine map", "exception", "residual f64", "residual f32", "rank of A")
    return Table(title="Which nets collapse", columns=columns, rows=tuple(rows))


def by_depth(found: tuple[CollapseOutcome, ...]) -> Table:
    """How far rounding carries a deep net from its affine map."""
    rows: list[tuple[Scalar, ...]] = []
    for subject in deep():
        for layer in subject.until:
            both = [one for one in found if (one.net, one.layer) == (subject.name, layer)]
            depth = int("".join(filter(str.isdigit, layer)))
            rows.append((subject.name, depth, *(f"{one.residual:.1e}" for one in both), both[0].rank))
    columns = ("layers", "depth", *(f"residual {dtype}" for dtype in TOLERANCE), "rank of A")
    return Table(title="Residual by depth", columns=columns, rows=tuple(rows))


def as_convolutions() -> Table:
    """Whether the one map is one convolution: of 1 + L (k - 1) pixels where valid, not at a zero-padded border."""
    depths = ("conv1", "conv2", "conv3", "conv4")
    pooled = linear(2, side=11, padding="valid", pools=(1,), down="average")
    subjects = (
        CollapseSubject(name="valid", network=linear(4, side=11, padding="valid"), until=depths),
        CollapseSubject(name="zero padding", network=linear(4, side=11), until=depths),
        CollapseSubject(name="circular padding", network=linear(4, side=11, padding="circular"), until=depths),
        CollapseSubject(name="valid, average pool after the first", network=pooled, until=("conv2",)),
    )
    reads = image_of(pooled)
    rows: list[tuple[Scalar, ...]] = []
    for subject, found in zip(subjects, run(subjects, probes(reads, "float64"), np.empty(0), ["float64"]), strict=True):
        for layer in subject.until:
            seen = found["float64"][layer]
            matrix, stride = probed(seen).matrix, 2 if subject.network is pooled else 1
            defects = convolution_defects(
                matrix, reads, seen.shape[1:], stride=stride, wrap=subject.name == "circular padding"
            )
            differ = 100 * float((defects > TOLERANCE["float64"]).mean())
            side = window(matrix, reads, seen.shape[1:])[0]
            rows.append((subject.name, int(layer[-1]), f"{side}x{side}", stride, f"{differ:.0f} %"))
    columns = ("padding", "convolutions", "one kernel of", "stride", "outputs where it is another")
    return Table(title="Is the one map one convolution? (3x3, 11x11 images)", columns=columns, rows=tuple(rows))


def figure() -> "Figure":
    """Residual bars of shallow nets, and residuals of deep ones."""
    drawn, axes = canvas.canvas(
        "Without activations a net is one affine map, unless it has a max-pool or normalises by its input",
        width=12.5,
        height=6.5,
        columns=2,
    )
    _bars(axes[0][0], outcomes())
    _lines(axes[0][1], outcomes())
    return drawn


def _bars(panel: "Axes", found: tuple[CollapseOutcome, ...]) -> None:
    shallow = [one for one in found if one.layer in ("logits", "dense5", "dense20") and one.net != "dense layers"]
    kept = [one for one in shallow if one.dtype == "float64" and "valid" not in one.net and "shrink" not in one.net]
    kept.sort(key=lambda one: one.residual)
    colours = [canvas.RED if one.exceptions else canvas.BLUE for one in kept]
    names, lengths = [one.net.removesuffix(", same") for one in kept], [one.residual for one in kept]
    panel.barh(names, lengths, color=colours)
    panel.axvline(TOLERANCE["float64"], color=canvas.BLACK, linestyle="--", linewidth=1)
    panel.set_xscale("log")
    panel.set_xlim(1e-16, 10)
    panel.set_xlabel("relative residual max|f(x) - (Ax + b)| / max|f(x) - b|, float64")
    panel.set_title("three convolutions: blue collapses, red does not (dashed: tolerance)", fontsize=10)
    panel.invert_yaxis()
    panel.grid(visible=False, axis="y")


def _lines(panel: "Axes", found: tuple[CollapseOutcome, ...]) -> None:
    styles = dict(zip(TOLERANCE, ("-", ":"), strict=True))
    for subject, colour, marker in zip(
        deep(), (canvas.BLUE, canvas.GREEN, canvas.PURPLE), canvas.MARKERS, strict=False
    ):
        for dtype, style in styles.items():
            line = [max(one.residual, 1.2e-16) for one in found if one.net == subject.name and one.dtype == dtype]
            depths = DEPTHS[: len(line)]
            label = subject.name if dtype == "float64" else None
            panel.plot(depths, line, style, color=colour, marker=marker, label=label)
    pooled = min(one.residual for one in found if "max-pool" in one.exceptions)
    panel.axhline(pooled, color=canvas.BLACK, linestyle="--", linewidth=1)
    panel.text(1, pooled * 1.4, "smallest residual of a net with a max-pool", fontsize=9)
    panel.set_xscale("log")
    panel.set_xticks(DEPTHS, [str(depth) for depth in DEPTHS])
    panel.minorticks_off()
    panel.set_yscale("log")
    panel.set_ylim(1e-16, 10)
    panel.set_xlabel("layers")
    panel.set_ylabel("relative residual")
    panel.set_title("rounding, at any depth (solid: float64, dotted: float32)", fontsize=10)
    panel.legend(frameon=False, fontsize=9, loc="center", bbox_to_anchor=(0.5, 0.36))


CLAIM = Claim(
    says="Without activation functions a network of any depth is no more than one layer.",
    notes='Activation Function, "If we don\'t use": "All layers of the neural network collapse into one"',
    kind="exact",
    evidence=Computed(compute=compute),
    rule=Exact(),
    figure=figure,
)
