"""The notes prefer "2^n kind of number" of channels, since "GPU's can handle this number much better".

The rule tells being a power of two apart from being a multiple of 8, 16, 32 or 64, which powers of two also are. Every
width from 16 to 272 is timed, as the forward and backward pass of one 3x3 convolution that keeps its width. Amended
before any run: the regression also has a quadratic trend in log2 of the width (narrow layers take longer for each
multiply-accumulate whatever divides them), and where powers of two are faster only because they are multiples of 64,
the claim is refuted.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jax import Array, lax
from numpy.typing import NDArray

from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.contract import Decisions, PValues, held_back
from cnnlab.inference.rules.cost import Timings
from cnnlab.inference.sentences import sentence
from cnnlab.report import canvas
from cnnlab.spec.invalid import require
from cnnlab.spec.verdict import Number, Scalar, Table, Verdict, Word
from experiments.claims.base import Claim, Timed
from experiments.timing.stopwatch import interleaved
from experiments.timing.timings import NotTimedError, drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS = tuple(range(16, 273))
REFERENCE = 272
"""What every width is divided by, round by round; a multiple of 16 and no power of two."""
SIDE, BATCH = 28, 32
DIVISORS = (8, 16, 32, 64)
TYPES = ("float32", "bfloat16")
"""JAX's default precision: a GPU multiplies float32 as TF32 where it can."""


def layer(width: int, kind: str, side: int = SIDE, batch: int = BATCH) -> Callable[[], Any]:
    """Give a call that runs a 3x3 convolution of `width` channels, forward and backward."""
    keys = jax.random.split(jax.random.key(0), 2)
    images = jax.random.normal(keys[0], (batch, side, side, width), kind)
    weights = jax.random.normal(keys[1], (3, 3, width, width), kind) / width**0.5

    def convolve(x: Array, w: Array) -> Array:
        return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    @jax.jit
    def both(x: Array, w: Array) -> tuple[Array, tuple[Array, Array]]:
        made, pull = jax.vjp(convolve, x, w)
        return made, pull(jnp.ones_like(made))

    return lambda: both(images, weights)


def measure(kind: str, widths: Sequence[int] = WIDTHS, side: int = SIDE, batch: int = BATCH) -> Mapping[str, Timings]:
    """Time every width in one set of rounds."""
    seconds = interleaved({str(width): layer(width, kind, side, batch) for width in widths})
    reference = max(widths)
    return {
        str(width): Timings(
            dear=seconds[str(width)],
            cheap=seconds[str(reference)],
            what=f"3x3 convolution, {side}x{side}, batch {batch}, {kind}, forward + backward",
            names=("this width", f"{reference} channels"),
            counted=(width / reference) ** 2,
        )
        for width in widths
    }


SAID = {"supported": "it is faster", "refuted": "it is no faster", "inconclusive": "not decided"}


@dataclass(frozen=True, kw_only=True)
class PowersOfTwo:
    """R-POW2(gain): supported if powers of two are faster by more than `gain` beyond being multiples of 8, 16 and 32.

    The log of time per multiply-accumulate is regressed on indicators of {power of two, %8, %16, %32} and on a
    quadratic trend in log2 of the width (small widths are slower whatever divides them, and powers of two crowd
    there); supported if the 95 % interval of the power-of-two coefficient lies wholly below -log(gain). Refuted if,
    with %64 in the regression too, its 90 % interval lies inside +-log(gain) (R-EQ). Where both hold, the gain belongs
    to multiples of 64, so the claim is refuted. Fewer than `fewest` rounds are inconclusive.

    The evidence is a mapping from the width (as text) to its timings: `dear` is that width, `cheap` the same reference
    width in every cell and round, `counted` the ratio of their multiply-accumulates.
    """

    gain: float = 1.05
    fewest: int = 30

    def p_values(self, evidence: Mapping[str, Timings]) -> PValues | None:
        """Give nothing: outside the directional family."""
        return None

    def conclude(self, evidence: Mapping[str, Timings], decisions: Decisions) -> Verdict:
        """Give the verdict. Raises InvalidError for widths too few to tell the indicators apart."""
        first = next(iter(evidence.values()))
        if first.caps:
            return held_back(first.caps)
        rounds = len(first.dear)
        if rounds < self.fewest:
            few = f"{rounds} rounds, at least {self.fewest} needed"
            return Verdict(word="inconclusive", reason=few, sentence=sentence(f"not decided: {few}"))
        widths, speed = seconds_per_mac(evidence)
        plain, given64 = (power_of_two(widths, np.log(speed), divisors) for divisors in (DIVISORS[:3], DIVISORS))
        word = self._word(plain, given64)
        where = f" on {first.device}" if first.device else ""
        shown = given64 if word == "refuted" else plain
        low, high = shown.interval(0.90 if word == "refuted" else 0.95)
        return Verdict(
            word=word,
            reason=(
                f"{first.what}: a power of two changes the time per multiply-accumulate by {plain.printed(0.95)} "
                f"beyond multiples of 8, 16 and 32, and by {given64.printed(0.90)} beyond multiples of 64; "
                f"{len(widths)} widths, {rounds} rounds{where}"
            ),
            sentence=sentence(
                f"{SAID[word]}: a power of two changes the time of an operation by {percent(shown.middle):+.1f} %"
            ),
            nearest_true=divisors_say(widths, speed) if word == "refuted" else None,
            number=Number(
                name="time of a power of two",
                value=percent(shown.middle),
                low=percent(low),
                high=percent(high),
                unit="%",
            ),
            n=len(widths),
            tables=(_table(plain, given64),),
            evidence={
                "rule": "R-POW2",
                "gain": self.gain,
                "widths": len(widths),
                "rounds": rounds,
                "device": first.device,
            },
        )

    def _word(self, plain: "Coefficient", given64: "Coefficient") -> Word:
        low, high = given64.interval(0.90)
        if -math.log(self.gain) < low and high < math.log(self.gain):
            return "refuted"
        return "supported" if plain.interval(0.95)[1] < -math.log(self.gain) else "inconclusive"


@dataclass(frozen=True, kw_only=True)
class Coefficient:
    """A coefficient of an ordinary least-squares fit, in log units: estimate, standard error, degrees of freedom."""

    middle: float
    error: float
    freedom: int

    def interval(self, level: float) -> tuple[float, float]:
        """Student's t interval of the coefficient."""
        half = float(scipy.stats.t.ppf((1 + level) / 2, self.freedom)) * self.error
        return self.middle - half, self.middle + half

    def printed(self, level: float) -> str:
        """The change of time in per cent, with its interval."""
        low, high = self.interval(level)
        span = f"[{percent(low):+.1f}, {percent(high):+.1f}]"
        return f"{percent(self.middle):+.1f} %, {100 * level:.0f} % {span}"


def seconds_per_mac(cells: Mapping[str, Timings]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Widths, ascending, and the time of each per multiply-accumulate, relative to the reference width's.

    Each round is divided by the reference of that round, so that drift of the machine cancels.
    """
    widths = np.array(sorted(int(cell) for cell in cells))
    speed = []
    for width in widths:
        timings = cells[str(width)]
        require(timings.counted is not None, "counted", None, f"the ratio of multiply-accumulates of width {width}")
        ratios = np.asarray(timings.dear) / np.asarray(timings.cheap)
        speed.append(float(np.median(ratios)) / float(timings.counted or 1.0))
    return widths, np.array(speed)


def power_of_two(
    widths: NDArray[np.int64], values: NDArray[np.float64], divisors: tuple[int, ...] = DIVISORS
) -> Coefficient:
    """Partial coefficient of being a power of two, given the divisors and a quadratic trend in log2 of the width.

    Raises InvalidError where the widths cannot tell the indicators apart.
    """
    trend = np.log2(widths)
    columns = [is_power_of_two(widths), np.ones(len(widths)), trend, trend**2, *(widths % d == 0 for d in divisors)]
    design = np.stack(columns, axis=1).astype(float)
    freedom = len(widths) - design.shape[1]
    apart = freedom > 0 and np.linalg.matrix_rank(design) == design.shape[1]
    require(bool(apart), "widths", f"{len(widths)} of them", "more widths, so that the divisors can be told apart")
    solution, *_ = np.linalg.lstsq(design, values, rcond=None)
    residual = values - design @ solution
    covariance = np.linalg.inv(design.T @ design) * float(residual @ residual) / freedom
    return Coefficient(middle=float(solution[0]), error=float(np.sqrt(covariance[0, 0])), freedom=freedom)


def is_power_of_two(widths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each width is 1, 2, 4, 8, ..."""
    powers: NDArray[np.bool_] = (widths & (widths - 1)) == 0
    return powers


def divisors_say(widths: NDArray[np.int64], speed: NDArray[np.float64]) -> str:
    """Say what divisibility does instead: median time per multiply-accumulate against widths that 8 does not divide."""
    odd = float(np.median(speed[widths % 8 != 0]))
    changes = {divisor: 100 * (float(np.median(speed[widths % divisor == 0])) / odd - 1) for divisor in (8, 64)}
    found = [f"{change:+.0f} % for multiples of {divisor}" for divisor, change in changes.items()]
    return f"time per multiply-accumulate, against widths that 8 does not divide: {', '.join(found)}"


def percent(log_ratio: float) -> float:
    """The change in per cent that a log ratio stands for."""
    return 100 * math.expm1(log_ratio)


def _table(plain: Coefficient, given64: Coefficient) -> Table:
    rows = list[tuple[Scalar, ...]]()
    for given, found, level in (("8, 16, 32", plain, 0.95), ("8, 16, 32, 64", given64, 0.90)):
        numbers = (float(f"{percent(value):.3g}") for value in (found.middle, *found.interval(level)))
        rows.append((given, *numbers, f"{level:.0%}"))
    return Table(
        title="Change of time per multiply-accumulate at a power of two, %",
        columns=("given multiples of", "change", "low", "high", "level"),
        rows=tuple(rows),
    )


def figure() -> "Figure":
    """The saw-tooth: time per multiply-accumulate against width, powers of two and multiples of 8 marked."""
    found = {kind: cells for kind in TYPES if (cells := _kept(kind))}
    if not found:
        raise NotTimedError("ch-pow2-gpu has no timings to draw: it needs a GPU")
    figure, axes = canvas.canvas(
        "Time per multiply-accumulate by width: powers of two and multiples of 8",
        width=9.5,
        height=3.2 * len(found) + 0.8,
        rows=len(found),
    )
    for panel, (kind, cells) in zip(axes[:, 0], found.items(), strict=True):
        widths, speed = seconds_per_mac(cells)
        panel.plot(widths, speed, color="0.6", linewidth=0.9, zorder=1)
        groups = (
            ("not a multiple of 8", widths % 8 != 0, "0.6", ".", 12),
            ("multiple of 8", (widths % 8 == 0) & ~is_power_of_two(widths), canvas.SKY, "o", 30),
            ("power of two", is_power_of_two(widths), canvas.RED, "s", 55),
        )
        for label, chosen, colour, marker, size in groups:
            panel.scatter(widths[chosen], speed[chosen], color=colour, marker=marker, s=size, label=label, zorder=2)
        panel.set(yscale="log", ylabel="time per multiply-accumulate\n(1 = widest layer)")
        panel.set_title(f"{kind}, {next(iter(cells.values())).device}", fontsize=10)
        panel.set_xticks(np.arange(32, widths[-1] + 1, 32))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter("{x:g}")
    axes[-1][0].set_xlabel("channels in and out")
    axes[0][0].legend(frameon=False)
    return figure


def _kept(kind: str) -> Mapping[str, Timings]:
    try:
        return drawn("ch-pow2-gpu", kind)
    except NotTimedError:
        return {}


CLAIM = Claim(
    says="On a GPU, a convolution is faster where its channels are a power of two, beyond what other divisors explain.",
    notes='Few things to remember: "2^n kind of number ... GPU\'s can handle this number much better"',
    kind="cost",
    evidence={
        "float32": Timed(measure=lambda: measure("float32"), needs="gpu"),
        "bfloat16": Timed(measure=lambda: measure("bfloat16"), needs="gpu"),
    },
    rule=AllOf(parts=(("float32", PowersOfTwo()), ("bfloat16", PowersOfTwo()))),
    figure=figure,
)
