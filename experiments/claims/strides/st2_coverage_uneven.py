"""The notes: with stride 2 "there is no equal distribution of pixel getting covered".

Counts decide the first half; that the unevenness has consequences needs gradients, at random initialisation (computed
here) and after training (the sweep pixel_lottery). Whether a net also knows less of the pixels that it reads less often
is asked where one pixel decides (the task phase): accuracy at the pixels with most paths to the last map minus that at
those with fewest, at least 2 points. There the label is the pixel's parity, which the count follows, so pixels of one
label are compared and the differences averaged over labels. Padding is JAX's SAME throughout: (0, 1) for a 3x3 kernel
of stride 2 on an even side; other paddings shift the pattern and do not change it. Borders are left out.

One layer. Window u reads the pixels s u, ..., s u + k - 1, so a pixel p is read by the windows u with
0 <= p - s u < k: as many as there are numbers below k congruent to p modulo s. That number is the same for every p
exactly if s divides k (Odena et al., Distill 2016, for the transposed layer).

L layers of 3x3, stride 2. Along an axis a path from pixel p passes the windows u_1, ..., u_L with p = d_1 + 2 u_1,
u_1 = d_2 + 2 u_2, ... and every d_i in {0, 1, 2}. So a path is a way to write p as d_1 + 2 d_2 + ... + 2^(L-1) d_L +
2^L u_L: binary notation with the digits 0, 1 and 2 ("hyperbinary"). Let c_L(p) count them; c_0 = 1. The last digit of
an odd p is 1, of an even one 0 or 2:

    c_L(2 j + 1) = c_(L-1)(j),    c_L(2 j) = c_(L-1)(j) + c_(L-1)(j - 1).

Stern's diatomic sequence is a(1) = 1, a(2 n) = a(n), a(2 n + 1) = a(n) + a(n + 1). Then

    c_L(p) = a(2^L + 1 + p mod 2^L).

L = 0: a(2) = 1. Step, with n = 2^(L-1) + j and p = 2 j + 1 or 2 j below 2^L: a(2^L + 2 j + 2) = a(n + 1) =
c_(L-1)(j), and a(2^L + 2 j + 1) = a(n) + a(n + 1) = c_(L-1)(j - 1) + c_(L-1)(j). For j = 0 the neighbour j - 1 has the
remainder 2^(L-1) - 1, so that c_(L-1)(-1) = a(2^L) = 1 = a(2^(L-1)) = a(n), as it must.

The least count is a(2^(L+1)) = 1. Let M_L be the largest of a(2^L), ..., a(2^(L+1)). Of neighbours n, n + 1 in the row
before, one is even, and its value stands already in the row before that; so M_L <= M_(L-1) + M_(L-2) with M_0 = 1 and
M_1 = 2, hence M_L <= F(L + 2) (Fibonacci, F(1) = F(2) = 1). The places n_L = 1, 3, 5, 11, 21, ..., each twice the one
before plus or minus 1 in turn, attain it: n_L is the sum of the neighbours n_(L-1) and 2 n_(L-2). In the plane counts
multiply: the largest over the least is F(L + 2)^2.

Rule of protocol 4, written after pilots and before its data: accuracy by pixel is measured (phase trains for 40 epochs)
and held against 2 points, since one built task cannot carry a direction.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnlab.geometry.coverage import coverage, interior, network_coverage
from cnnlab.geometry.period import periodic_coverage, unevenness
from cnnlab.inference.effects import FEWEST, smallest_detectable
from cnnlab.inference.intervals import paired_t
from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.contract import Decisions, PValues, held_back
from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.inference.rules.within import Within
from cnnlab.inference.sentences import sentence
from cnnlab.probes.input_energy import by_phase, input_energy, log_slope
from cnnlab.report import canvas
from cnnlab.spec.net import Classic
from cnnlab.spec.network import Activation, Conv, Input, Network, Node, Pool
from cnnlab.spec.verdict import Number, Scalar, Table, Verdict, Word
from cnnlab.zoo.lowering import network
from experiments.claims.base import Claim, Computed, Contrast, Trained

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
KERNELS, STRIDES = range(1, 10), range(2, 7)
DEPTHS = range(1, 7)
NETS, IMAGES, FILTERS, SIDE = 40, 2, 32, 64
Stack = tuple[tuple[str, int, int], ...]
"""(kind, window, stride) of each layer; a convolution is followed by ReLU."""
LOTTERY: dict[str, Stack] = {f"3x3, stride 2, {depth} deep": (("conv", 3, 2),) * depth for depth in (1, 2, 3)}
OTHERS: dict[str, Stack] = {
    "5x5, stride 2, 2 deep": (("conv", 5, 2),) * 2,
    "4x4, stride 2, 2 deep": (("conv", 4, 2),) * 2,
    "3x3 and 2x2 max-pool, 2 deep": (("conv", 3, 1), ("max", 2, 2)) * 2,
}
REAL = (
    ("VGG-16", "vgg16", 224),
    ("ResNet-18", "resnet18", 224),
    ("ResNet-50", "resnet50", 224),
    ("AlexNet", "alexnet", 227),
    ("Inception-V3", "inception_v3", 299),
    ("MobileNet-V1", "mobilenet_v1", 224),
)
"""Name, name in the zoo, and side of the image it was published for."""


@dataclass(frozen=True, kw_only=True)
class Slopes:
    """One slope of each independent net.

    Attributes:
        values: the slopes. what: one phrase that names them.
        caps: why they may not be read (see `TrainedEvidence`). tables: the evidence as a reader looks at it.
    """

    values: tuple[float, ...]
    what: str
    caps: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


SAID = {"supported": "it grows, as claimed", "refuted": "it does not grow", "inconclusive": "not decided"}


@dataclass(frozen=True, kw_only=True)
class Slope:
    """R-SLOPE: supported if the 95 % t interval of the mean slope lies above `above`, refuted if it lies below.

    Else inconclusive, and so with fewer than `FEWEST` nets.
    """

    above: float = 0.0

    def p_values(self, evidence: Slopes) -> PValues | None:
        """Give nothing: outside the directional family."""
        return None

    def conclude(self, evidence: Slopes, decisions: Decisions) -> Verdict:
        """Give the verdict."""
        nets = len(evidence.values)
        if nets == 0:
            return Verdict(word="untested", reason=f"not measured: {evidence.what}", sentence="Not tested yet.")
        if evidence.caps:
            return held_back(evidence.caps)
        if nets < FEWEST:
            few = f"{nets} nets, at least {FEWEST} needed"
            return Verdict(word="inconclusive", reason=few, sentence=sentence(f"not decided: {few}"))
        values = np.asarray(evidence.values)
        mean, interval = float(values.mean()), paired_t(values, 0.95)
        word: Word = "inconclusive"
        if interval.low > self.above:
            word = "supported"
        elif interval.high < self.above:
            word = "refuted"
        finds = ""
        if word == "inconclusive":
            distance = smallest_detectable(interval, n=nets, margin=0.0)
            finds = f"; smallest distance from it found with power .8: {distance:.3g}"
        span = f"{mean:.3f}, 95 % t [{interval.low:.3f}, {interval.high:.3f}], {nets} nets"
        return Verdict(
            word=word,
            reason=f"{evidence.what} {span} (bar {self.above:g}){finds}",
            sentence=sentence(f"{SAID[word]}: {evidence.what} is {mean:.2g}"),
            number=Number(name=evidence.what, value=mean, low=interval.low, high=interval.high),
            n=nets,
            tables=evidence.tables,
            evidence={"rule": "R-SLOPE", "above": self.above, "low": interval.low, "high": interval.high},
        )


def line(kernel: int, stride: int, depth: int = 1) -> tuple[int, ...]:
    """Paths from each pixel along one axis, away from the border, one period."""
    period, margin = stride**depth, kernel * stride**depth
    return interior(coverage(period * (2 * kernel + 4), kernel, stride, depth=depth), margin)[:period]


def compute() -> Enumerated:
    """Try every kernel and stride: are pixels away from the border read unequally often."""
    cases = [(kernel, stride) for kernel in KERNELS for stride in STRIDES]
    even = [(kernel, stride) for kernel, stride in cases if len(set(line(kernel, stride))) == 1]
    indivisible = [(kernel, stride) for kernel, stride in cases if kernel % stride]
    ratio = (max(line(3, 2)) / min(line(3, 2))) ** 2
    return Enumerated(
        cases=len(cases),
        counterexamples=tuple(
            f"a {kernel}x{kernel} kernel of stride {stride} reads all pixels alike, {line(kernel, stride)[0] ** 2}x"
            for kernel, stride in even
        ),
        restricted=Restricted(
            condition="the stride does not divide the kernel",
            cases=len(indivisible),
            counterexamples=sum(case in even for case in indivisible),
        ),
        nearest_true=(
            f"3x3 with stride 2 reads some pixels {ratio:g} times as often as others, six such layers {uneven(6):g} "
            "times; 2x2 and 4x4 with stride 2 read all equally often"
        ),
        number=Number(name="most over least reads, 3x3 with stride 2", value=ratio, unit="x"),
        tables=(stacked(), real_nets()),
    )


def uneven(depth: int) -> float:
    """Most over fewest paths from a pixel of the plane through that many layers of 3x3, stride 2."""
    return (max(line(3, 2, depth)) / min(line(3, 2, depth))) ** 2


def stern(last: int) -> list[int]:
    """Stern's diatomic sequence a(0), ..., a(last), by its recurrence."""
    values = [0, 1]
    for place in range(2, last + 1):
        half = place // 2
        values.append(values[half] if place % 2 == 0 else values[half] + values[half + 1])
    return values


def fibonacci(place: int) -> int:
    """F(place), where F(1) = F(2) = 1."""
    return functools.reduce(lambda pair, _: (pair[1], sum(pair)), range(place - 1), (1, 1))[0]


def stacked() -> Table:
    """The law for stacked layers: counts from geometry beside Stern's sequence and the Fibonacci numbers."""
    rows: list[tuple[Scalar, ...]] = []
    for depth in DEPTHS:
        found, size = line(3, 2, depth), 2**depth
        row = stern(2 * size)[size + 1 :]
        turned = any(tuple(row[turn:] + row[:turn]) == found for turn in range(size))
        shown = " ".join(map(str, row)) if depth <= 3 else "..."
        rows.append((depth, shown, turned, max(found), fibonacci(depth + 2), uneven(depth)))
    columns = ("layers", "Stern's row", "counts are it", "largest", "Fibonacci", "largest over least, in the plane")
    title = "paths from a pixel along one axis through layers of 3x3, stride 2 (the row repeats)"
    return Table(title=title, columns=columns, rows=tuple(rows))


@functools.cache
def real() -> dict[str, float]:
    """Most over fewest paths from a pixel to the last map of classic nets, all branches, on an endless image."""
    found = {}
    for shown, name, side in REAL:
        net = network(Classic(name=name), side, 3, 1000)
        ratio = unevenness(periodic_coverage(net, (side, side), net.features))
        assert ratio is not None, "these nets read every pixel"
        found[shown] = float(ratio)
    return found


def real_nets() -> Table:
    """The same as a table."""
    rows = tuple((name, round(ratio, 2)) for name, ratio in real().items())
    title = "paths from a pixel to the last map, all branches"
    return Table(title=title, columns=("classic net, away from the border", "most over fewest"), rows=rows)


def stack(layers: Stack) -> Network:
    """Lower a stack to a graph on one-channel images."""
    nodes: list[Node] = [Input(name="image", channels=1)]
    for place, (kind, window, stride) in enumerate(layers):
        before, kernel, step = (nodes[-1].name,), (window, window), (stride, stride)
        if kind == "max":
            nodes.append(Pool(name=f"pool{place}", inputs=before, kind="max", kernel=kernel, stride=step))
        else:
            nodes.append(Conv(name=f"conv{place}", inputs=before, filters=FILTERS, kernel=kernel, stride=step))
            nodes.append(Activation(name=f"relu{place}", inputs=(f"conv{place}",), kind="relu"))
    return Network(nodes=tuple(nodes), output=nodes[-1].name, features=nodes[-1].name)


def phases(layers: Stack, nets: int) -> tuple[Floats, Floats]:
    """Predicted counts [period, period], and measured gradient energies [nets, period, period], by place in a period.

    Nets as the zoo initialises them (He), white noise in, white noise sent back from the last map.
    """
    net = stack(layers)
    period = int(np.prod([stride for *_, stride in layers]))
    margin = max(window for _, window, _ in layers) * period
    counts = by_phase(np.asarray(network_coverage(net, (SIDE, SIDE), net.features), float), period, margin)
    return counts, by_phase(input_energy(net, (SIDE, SIDE), nets=nets, images=IMAGES), period, margin)


@functools.cache
def at_init() -> dict[str, tuple[Floats, Floats]]:
    """Counts and energies of every stack; those that the slope is not judged on with a quarter of the nets."""
    judged = {name: phases(layers, NETS) for name, layers in LOTTERY.items()}
    return judged | {name: phases(layers, NETS // 4) for name, layers in OTHERS.items()}


def slopes() -> Slopes:
    """Slope of log gradient energy on log count, one for each random net of one to three layers of 3x3, stride 2."""
    found = at_init()
    values = [
        log_slope(energy, counts) for counts, energies in (found[name] for name in LOTTERY) for energy in energies
    ]
    rows: list[tuple[Scalar, ...]] = []
    for name, (counts, energies) in found.items():
        mean = energies.mean(0)
        predicted = counts.max() / counts.min()
        measured = mean[counts == counts.max()].mean() / mean[counts == counts.min()].mean() if predicted > 1 else None
        steep = np.mean([log_slope(energy, counts) for energy in energies]) if predicted > 1 else None
        shown = (None if one is None else round(float(one), 2) for one in (measured, steep))
        rows.append((name, len(energies), float(predicted), *shown, *(variation(one) for one in (counts, mean))))
    columns = ("net", "nets", "most over least: counts", "energy", "slope", "variation: counts", "energy")
    title = "gradient energy at the pixels of untrained ReLU nets (variation: SD over mean)"
    table = Table(title=title, columns=columns, rows=tuple(rows))
    what = "slope of log gradient energy on log count (1: proportional)"
    return Slopes(values=tuple(values), what=what, tables=(table,))


def variation(values: Floats) -> float:
    """Standard deviation over the mean."""
    return round(float(values.std() / values.mean()), 2)


def figure() -> "Figure":
    """Predicted and measured maps, their scatter, and classic nets."""
    drawn, axes = canvas.canvas(
        "Stacked 3x3 convolutions of stride 2 read some pixels 25 times as often as others,\nand gradients follow",
        width=10,
        height=9,
        rows=2,
        columns=2,
    )
    found = at_init()
    deepest = list(LOTTERY)[-1]
    counts, energies = found[deepest]
    mean = energies.mean(0)
    canvas.count_map(axes[0][0], counts.tolist(), title=f"{deepest}: paths from each of 8x8 pixels")
    scaled = mean * counts.mean() / mean.mean()
    title = f"measured: gradient energy of {NETS} untrained nets,\nscaled to the same mean"
    canvas.count_map(axes[0][1], scaled.tolist(), title=title, shown="{:.1f}")
    scatter(axes[1][0], [found[name] for name in LOTTERY], list(LOTTERY))
    bars = axes[1][1]
    ratios = real()
    drawn_bars = bars.barh(list(ratios), list(ratios.values()), color=canvas.BLUE)
    bars.bar_label(drawn_bars, fmt="%.2f", padding=3)
    bars.invert_yaxis()
    bars.axvline(1, color="black", ls=":", lw=1)
    bars.set_xlim(0, 1.15 * max(ratios.values()))
    bars.set_xlabel("most over fewest paths from a pixel (1: all equal)")
    bars.set_title("classic nets", fontsize=10)
    return drawn


def scatter(panel: "Axes", found: Sequence[tuple[Floats, Floats]], names: Sequence[str]) -> None:
    """Measured energy against predicted count, each relative to the pixels that are read least."""
    for (counts, energies), name, colour, marker in zip(found, names, canvas.SERIES, canvas.MARKERS, strict=False):
        mean = energies.mean(0)
        relative = mean / mean[counts == counts.min()].mean()
        panel.plot(counts.ravel(), relative.ravel(), ls="", marker=marker, color=colour, label=name, alpha=0.8)
    panel.plot([1, 25], [1, 25], color="black", lw=1, label="proportional")
    panel.set_xscale("log")
    panel.set_yscale("log")
    ticks = [1, 2, 4, 9, 25]
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_ticks(ticks, [str(tick) for tick in ticks])
        axis.set_ticks([], minor=True)
    panel.set_xlabel("paths from the pixel (predicted)")
    panel.set_ylabel("gradient energy (measured, least read = 1)")
    panel.legend(frameon=False, fontsize=9)


POINTS = 0.02
"""Smallest difference of accuracy between pixels that matters, a fraction."""
STACKS = tuple(
    Contrast(
        name=f"{name} layers",
        better=(arm,),
        better_is="pixels that are read most often",
        worse_is="pixels that are read least often",
    )
    for name, arm in (("two", "k3_two"), ("three", "k3"))
)

CLAIM = Claim(
    says="With stride 2 pixels are read unequally often, and this has consequences for what a net learns of them.",
    notes='Convolution with strides, second paragraph: "no equal distribution of pixel getting covered"',
    kind="exact+empirical",
    evidence={
        "counts": Computed(compute=compute),
        "gradient at init": Computed(compute=slopes),
        "gradient after training": Trained(
            sweep="pixel_lottery",
            contrasts=STACKS,
            metric="probe:input_energy/slope",
            margin=0.0,
            measures="slope of log gradient energy on log count of paths",
            tasks=("digits12", "vernier", "phase"),
        ),
        "accuracy by pixel": Trained(
            sweep="pixel_lottery",
            contrasts=STACKS,
            metric="probe:accuracy_by_pixel/most_minus_fewest",
            margin=POINTS,
            measures="accuracy at the pixels read most often minus at those read least",
            tasks=("phase",),
        ),
    },
    rule=AllOf(
        parts=(
            ("counts", Exact()),
            ("gradient at init", Slope(above=0.0)),
            ("gradient after training", Within(low=0.25)),
            ("accuracy by pixel", Within(low=POINTS)),
        )
    ),
    figure=figure,
)
