"""The notes say that "sigmoid causes vanishing gradient problem".

Three parts. (1) A bound: sigmoid's derivative is at most 1/4, so a layer passes on at most a quarter of its weights'
spectral norm. (2) What a gradient loses per layer at initialisation, measured as the norm at the input over the norm
at the last output, in chains of dense layers with random inputs and cotangents (float64, seeds fixed). As the rule
says: sigmoid's 95 % interval must lie below 0.5 and ReLU's, at its own initialisation (He), inside [0.8, 1.25]. Primary
are weights drawn as Xavier (for square layers the same as LeCun); the initial scale is a moderator, so it may qualify.
The ratio of first to last weight gradient stands beside it to show what it does not see. (3) By training: at depth 16
more than half again as many errors as a shallow net (2 convolutions); batch norm and shortcuts are the moderators.

Rule of protocol 4, written after pilots and before its data: part 3 is read on three real tasks, 96 epochs on digits
(in 12, sixteen layers of any activation were stopped long before they had learned); that initial scale matters is shown
by part 2, and no moderator of part 3 any more.
"""

import itertools
import math
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from cnnlab.inference.intervals import paired_t
from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.probes.decay import Flow, flow, kernels, normed, plain, residual
from cnnlab.report import canvas
from cnnlab.spec.verdict import Interval, Number, Scalar, Table
from cnnlab.zoo.activations import activation
from experiments.claims.base import Claim, Computed, Contrast, Trained, Variant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DEPTHS = (8, 30)
WIDTH, BATCH, SEEDS = 64, 8, 8
BOUND, VANISHES, KEEPS = 0.25, 0.5, (0.8, 1.25)
BLOCKS = {"plain": plain, "batch norm": normed, "residual": residual}
FAST = {"xla_backend_optimization_level": 0}
"""Every program here runs once."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class EqualLayers:
    """A chain of equal layers: activation, how its weights are drawn, and what stands around each layer."""

    kind: str
    init: str = "xavier"
    scale: float = 1.0
    block: str = "plain"

    @property
    def name(self) -> str:
        """Activation, initialisation and block, as a reader would say it."""
        scaled = {"normal": f"normal {self.scale:g}"}.get(self.init, self.init)
        times = f" x{self.scale:g}" if self.scale != 1 and self.init != "normal" else ""
        around = "" if self.block == "plain" else f", {self.block}"
        return f"{self.kind} {scaled}{times}{around}"


SCALES = (2.0, 4.0, 6.0, 8.0, 10.0, 12.0)
JUDGED = (
    *(EqualLayers(kind="sigmoid", init=init) for init in ("xavier", "he", "orthogonal")),
    *(EqualLayers(kind="sigmoid", scale=scale) for scale in SCALES),
)
RELU = EqualLayers(kind="relu", init="he")
BESIDE = (
    RELU,
    EqualLayers(kind="relu"),
    EqualLayers(kind="leaky_relu", init="he"),
    EqualLayers(kind="tanh"),
    EqualLayers(kind="tanh", init="orthogonal"),
    EqualLayers(kind="tanh", init="normal", scale=0.01),
    EqualLayers(kind="identity"),
    EqualLayers(kind="sigmoid", block="batch norm"),
    EqualLayers(kind="sigmoid", block="residual"),
)
SHOWN = tuple(dict.fromkeys((chain.kind, chain.block) for chain in (*JUDGED, *BESIDE)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Decay:
    """What a gradient loses in a chain, one value a seed.

    Attributes:
        decades: log10 of the gradient's norm at the input over that at the last output.
        ratio: log10 of the first layer's weight gradient over the last one's.
        bound: log10 of the product of every layer's spectral norm times `BOUND`.
    """

    depth: int
    decades: Floats
    ratio: Floats
    bound: Floats

    @property
    def factor(self) -> float:
        """Geometric mean over seeds of what one layer leaves of the gradient."""
        return float(10 ** (self.decades.mean() / self.depth))

    @property
    def interval(self) -> Interval:
        """95 % interval of the factor over seeds."""
        logs = paired_t(self.decades / self.depth, 0.95)
        return Interval(low=10**logs.low, high=10**logs.high, level=logs.level, kind=logs.kind)


@cache
def drawn(init: str) -> Floats:
    """Kernels at scale 1 of the deepest chain, for every seed: (seeds, layers, width, width)."""
    chains = [kernels(jax.random.key(seed), max(DEPTHS), WIDTH, init, 1.0) for seed in range(SEEDS)]
    return np.stack([np.asarray(chain, np.float64) for chain in chains])


@cache
def spectral(init: str) -> Floats:
    """Spectral norms of those kernels: (seeds, layers)."""
    norms: Floats = np.linalg.norm(drawn(init), 2, axis=(-2, -1))
    return norms


def flows(kind: str, block: str, weights: Floats) -> Flow:
    """Send random gradients down chains that differ in weights alone.

    Args:
        kind: the activation.
        block: of `BLOCKS`.
        weights: (chains, seeds, layers, width, width).

    Returns:
        a flow whose arrays are (chains, seeds, depths, ...).
    """
    images, cotangents = np.random.default_rng(0).normal(size=(2, SEEDS, BATCH, WIDTH))
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        over_depths = jax.vmap(partial(flow, BLOCKS[block](kind)), (None, None, None, 0))
        over_chains = jax.vmap(jax.vmap(over_depths, (0, 0, 0, None)), (0, None, None, None))
        send = jax.jit(over_chains, compiler_options=FAST)
        found: Flow = jax.device_get(send(jnp.asarray(weights), images, cotangents, jnp.array(DEPTHS)))
    return found


@cache
def decays() -> dict[EqualLayers, tuple[Decay, ...]]:
    """What gradients lose in every chain, by depth."""
    found: dict[EqualLayers, tuple[Decay, ...]] = {}
    chains = sorted((*JUDGED, *BESIDE), key=lambda chain: (chain.kind, chain.block))
    for (kind, block), group in itertools.groupby(chains, key=lambda chain: (chain.kind, chain.block)):
        alike = tuple(group)
        weights = np.stack([chain.scale * drawn(chain.init) for chain in alike])
        sent = flows(kind, block, weights)
        for at, chain in enumerate(alike):
            found[chain] = tuple(
                Decay(
                    depth=depth,
                    decades=np.log10(sent.image[at, :, place] / sent.outputs[at, :, place, depth - 1]),
                    ratio=np.log10(sent.weights[at, :, place, 0] / sent.weights[at, :, place, depth - 1]),
                    bound=np.log10(BOUND * chain.scale * spectral(chain.init)[:, :depth]).sum(-1),
                )
                for place, depth in enumerate(DEPTHS)
            )
    return found


def bounded() -> Enumerated:
    """Sigmoid's derivative at two thousand places and infinity, and the bound of every plain chain of sigmoids."""
    places = np.concatenate([np.linspace(-40, 40, 1601), np.random.default_rng(1).normal(0, 5, 400), [-np.inf, np.inf]])
    with jax.enable_x64(True):
        slopes = np.asarray(jax.vmap(jax.grad(activation("sigmoid")))(jnp.asarray(places)))
    steep = [f"sigmoid'({x:.3g}) = {slope:.6g}" for x, slope in zip(places, slopes, strict=True) if slope > BOUND]
    chains = [(chain, decay) for chain in JUDGED for decay in decays()[chain]]
    loose = [
        f"{chain.name}, depth {decay.depth}: 10^{found:.2f} passes, the bound is 10^{most:.2f}"
        for chain, decay in chains
        for found, most in zip(decay.decades, decay.bound, strict=True)
        if found > most
    ]
    return Enumerated(
        cases=len(places) + SEEDS * len(chains),
        counterexamples=(*steep, *loose),
        number=Number(name="largest derivative of sigmoid", value=float(slopes.max())),
    )


def factors() -> Enumerated:
    """The factor per layer of sigmoid, at each initialisation, and of ReLU at its own."""
    cases, failing, plain_cases, plain_failing = 0, list[str](), 0, 0
    for chain in (*JUDGED, RELU):
        low, high = (0.0, VANISHES) if chain.kind == "sigmoid" else KEEPS
        for decay in decays()[chain]:
            cases, inside = cases + 1, decay.interval.inside(low, high)
            if not inside:
                failing.append(f"{_line(chain, decay)}, not inside ({low:g}, {high:g})")
            if chain.scale == 1:
                plain_cases, plain_failing = plain_cases + 1, plain_failing + (not inside)
    sigmoid, relu = decays()[JUDGED[0]][-1], decays()[RELU][-1]
    widest = decays()[EqualLayers(kind="sigmoid", scale=10.0)][-1]
    return Enumerated(
        cases=cases,
        counterexamples=tuple(failing),
        restricted=Restricted(
            condition="weights are drawn at the usual scale", cases=plain_cases, counterexamples=plain_failing
        ),
        nearest_true=(
            f"at Xavier's scale a sigmoid layer leaves {sigmoid.factor:.2f} of the gradient (over {sigmoid.depth} "
            f"layers 10^{sigmoid.decades.mean():.1f}), a ReLU layer at He's {relu.factor:.2f}; with weights ten times "
            f"as large sigmoid leaves {widest.factor:.2f}"
        ),
        number=Number(
            name="factor per layer, sigmoid at Xavier's scale",
            value=sigmoid.factor,
            low=sigmoid.interval.low,
            high=sigmoid.interval.high,
        ),
        tables=(by_chain(),),
    )


def _line(chain: EqualLayers, decay: Decay) -> str:
    at = decay.interval
    return f"{chain.name}, depth {decay.depth}: {decay.factor:.3f} [{at.low:.3f}, {at.high:.3f}] per layer"


def by_chain() -> Table:
    """Every chain: decades lost at the depths, factor per layer, and the ratio that does not see all of it."""
    rows: list[tuple[Scalar, ...]] = []
    for chain in (*JUDGED, *BESIDE):
        decay, at = decays()[chain], decays()[chain][-1].interval
        lost = [round(float(one.decades.mean()), 2) for one in decay]
        seen = round(float(decay[-1].ratio.mean()), 2)
        rows.append((chain.name, *lost, f"{decay[-1].factor:.3f} [{at.low:.3f}, {at.high:.3f}]", seen))
    deepest = max(DEPTHS)
    columns = (
        "chain",
        *(f"log10 |dL/dx| / |dL/dh|, depth {depth}" for depth in DEPTHS),
        f"per layer, depth {deepest}",
        f"log10 first / last weight gradient, depth {deepest}",
    )
    title = f"Gradients at initialisation: {WIDTH} units, {SEEDS} seeds, 95 % t intervals"
    return Table(title=title, columns=columns, rows=tuple(rows))


def figure() -> "Figure":
    """The gradient by depth for each activation, and sigmoid's factor by the scale of its weights."""
    drawn, axes = canvas.canvas(
        "A sigmoid layer passes on a quarter of the gradient; how much exactly is a choice of initial weights",
        width=16.5,
        height=5,
        columns=3,
    )
    _slope(axes[0][0])
    _scales(axes[0][1])
    _blind(axes[0][2])
    return drawn


def _blind(panel: "Axes") -> None:
    """What the usual figure, first over last WEIGHT gradient, sees of what is lost: nothing where both shrink."""
    deepest = max(DEPTHS)
    lost = [(chain, decay) for chain in (*JUDGED, *BESIDE) for decay in decays()[chain] if decay.depth == deepest]
    least = min(float(decay.decades.mean()) for _, decay in lost)
    panel.plot((least, 0), (least, 0), color="0.4", linestyle="--", label="it would see everything")
    for (kind, block), group in itertools.groupby(lost, key=lambda one: (one[0].kind, one[0].block)):
        alike = [decay for _, decay in group]
        place = SHOWN.index((kind, block))
        panel.plot(
            [decay.decades.mean() for decay in alike],
            [decay.ratio.mean() for decay in alike],
            linestyle="none",
            color=canvas.SERIES[place],
            marker=canvas.MARKERS[place],
            alpha=0.8,
            label=kind if block == "plain" else f"{kind}, {block}",
        )
    blind = min(lost, key=lambda one: float(one[1].decades.mean() - one[1].ratio.mean()))
    seen = round(float(blind[1].ratio.mean()), 1) + 0.0  # no -0.0
    panel.annotate(
        f"{blind[0].name}:\n$10^{{{blind[1].decades.mean():.0f}}}$ is left, the ratio says $10^{{{seen:.1f}}}$",
        (float(blind[1].decades.mean()), seen),
        xytext=(8, -32),
        textcoords="offset points",
        fontsize=9,
    )
    panel.set_xlabel("log10 of the gradient at the input over that at the last output")
    panel.set_ylabel("log10 of first over last weight gradient")
    panel.set_title(f"what the usual figure is blind to, {deepest} layers", fontsize=10)
    panel.legend(frameon=False, fontsize=9, loc="lower right")


def _slope(panel: "Axes") -> None:
    shown = (
        JUDGED[0],
        RELU,
        EqualLayers(kind="relu"),
        EqualLayers(kind="tanh"),
        EqualLayers(kind="identity"),
        BESIDE[-2],
        BESIDE[-1],
    )
    for chain, colour, marker in zip(shown, canvas.SERIES, canvas.MARKERS, strict=True):
        found = decays()[chain]
        panel.plot(
            (0, *DEPTHS), (0, *(decay.decades.mean() for decay in found)), color=colour, marker=marker, label=chain.name
        )
    bound = math.log10(BOUND)
    panel.plot((0, max(DEPTHS)), (0, bound * max(DEPTHS)), color="0.4", linestyle="--", label="1/4 a layer")
    panel.set_xlabel("layers the gradient has come through")
    panel.set_ylabel("log10 of its norm, relative to the last output")
    panel.set_title("at initialisation, mean of 8 seeds", fontsize=10)
    panel.legend(frameon=False, fontsize=9, loc="lower left")


def _scales(panel: "Axes") -> None:
    chains = [JUDGED[0], *(chain for chain in JUDGED if chain.scale != 1)]
    found = [decays()[chain][-1] for chain in chains]
    middle = np.array([decay.factor for decay in found])
    spans = np.array([[decay.interval.low, decay.interval.high] for decay in found]).T
    panel.errorbar(
        [chain.scale for chain in chains], middle, np.abs(spans - middle), color=canvas.BLUE, marker="o", capsize=3
    )
    panel.axhline(VANISHES, color=canvas.BLACK, linestyle="--", linewidth=1)
    panel.text(5, VANISHES - 0.05, "above: does not vanish by the rule", fontsize=9)
    panel.axhline(1, color=canvas.GREEN, linewidth=1)
    panel.text(1, 1.02, "gradient kept", fontsize=9)
    panel.set_ylim(0, 1.25)
    panel.set_xlabel("scale of sigmoid's initial weights, times Xavier's")
    panel.set_ylabel("factor per layer, 95 % interval")
    panel.set_title("sigmoid, depth 30", fontsize=10)


RATIO = math.log(1.5)
"""Log of how many times as many errors a deep net must make."""
SHALLOW, DEEP = "two sigmoid layers", "sixteen sigmoid layers"
PLAIN = Contrast(
    name="2 against 16 sigmoid layers", better=("sigmoid_2",), worse=("sigmoid_16",), better_is=SHALLOW, worse_is=DEEP
)


def _moderator(name: str, usual: str, other: str, arm: str) -> Variant:
    """The same loss where something may keep the gradient from vanishing."""
    return Variant(
        name=name,
        task="digits12_long",
        low=replace(PLAIN, name=usual),
        high=replace(PLAIN, name=other, worse=(arm,), worse_is=f"{DEEP} with {other}"),
    )


CLAIM = Claim(
    says="In a deep net of sigmoids the gradient shrinks from layer to layer, so that the first layers hardly learn.",
    notes='Activation Function, list: "sigmoid causes vanishing gradient problem"',
    kind="exact+empirical",
    evidence={
        "bound": Computed(compute=bounded),
        "factor per layer": Computed(compute=factors),
        "accuracy": Trained(
            sweep="gradient_norms",
            contrasts=(PLAIN,),
            margin=RATIO,
            tasks=("digits12_long", "textures12", "fashion12", "fashion_mnist", "cifar10"),
            moderators=(
                _moderator("norm", "none", "batch norm", "sigmoid_batch_16"),
                _moderator("block", "plain", "shortcuts", "sigmoid_residual_16"),
            ),
        ),
    },
    rule=AllOf(
        parts=(("bound", Exact()), ("factor per layer", Exact()), ("accuracy", Directional(match="none", margin=RATIO)))
    ),
    figure=figure,
)
