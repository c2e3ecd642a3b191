"""What the numbers say against the article: every sentence is made from the measured numbers by a rule written here.

The article is Odena, Dumoulin and Olah, "Deconvolution and Checkerboard Artifacts", Distill 2016. Two groups of members
differ only where every member of one lies above every member of the other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cnnlab.probes.checkerboard import uneven
from cnnlab.probes.upsampling import ICNR, PERIOD, RESIZED, SUB_PIXEL, TRANSPOSED, Member, Numbers, Painted

PRESENT = 0.01
"""Share of the variance from which a pattern counts as there."""
ERRORS = 3
"""Standard errors within which an energy counts as that of the overlap counts."""
EVEN = tuple(name for name, size in TRANSPOSED.items() if size % PERIOD == 0)
UNEVEN = tuple(name for name, size in TRANSPOSED.items() if size % PERIOD)

Word = Literal["agrees", "agrees in part", "differs", "beyond the article"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing the article says (or does not say), whether the numbers agree, and the numbers in a sentence."""

    about: str
    word: Word
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Range:
    """A number over the members of an arm."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        """Median [min, max]."""
        return f"{short(self.median)} [{short(self.low)}, {short(self.high)}]"


def short(value: float, places: int = 2) -> str:
    """So many digits after the point, fewer of a large number, and no minus before a zero."""
    text = f"{value:.{places}f}" if abs(value) < 10 else f"{value:.0f}"
    return text.lstrip("-") if float(text) == 0 else text


def spread(values: Sequence[float]) -> Range:
    """Median, least and largest."""
    return Range(median=float(np.median(values)), low=min(values), high=max(values))


def values(
    members: Iterable[Member], arms: Sequence[str], when: Literal["init", "trained"], number: str
) -> tuple[float, ...]:
    """One number of every member of these arms, by the name that `Numbers` gives it."""
    found: list[Numbers] = [
        member.init if when == "init" else member.trained for member in members if member.arm in arms
    ]
    return tuple(float(getattr(one, number)) for one in found)


def above(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether every member of one group lies above every member of the other."""
    return min(one) > max(other)


def read(members: Sequence[Member], counted: Sequence[Painted]) -> tuple[Finding, ...]:
    """All findings, in the order of the article and then what it does not say."""
    return (
        _overlap(counted),
        _at_start(members),
        _divisible(members),
        _resize(members),
        _sub_pixel(members),
        _output(members),
    )


def paragraph(findings: Sequence[Finding]) -> str:
    """The findings, a line each, the article's own first, and what was not tried."""
    parts = [f"{finding.about}: {finding.word}. {finding.sentence}" for finding in findings]
    limits = (
        "Not measured here: generators of GANs, stacks of up-samplings, and the gradients of strided convolutions and "
        "pools, of which the article says the same."
    )
    return "\n".join([*parts, limits])


def _overlap(counted: Sequence[Painted]) -> Finding:
    """The counts of overlaps against the energy of random nets."""
    off = [abs(one.mean_net - one.predicted) / one.error for one in counted]
    each = ", ".join(
        f"kernel {one.kernel} " + " / ".join(short(value, 3) for value in (one.predicted, one.mean_net, one.median))
        for one in counted
    )
    return Finding(
        about="Kernels that the stride does not divide paint unevenly",
        word="agrees" if max(off) <= ERRORS else "differs",
        sentence=(
            f"Dispersion of exact counts / of the energy of the mean net / median of single nets: {each}; the mean net "
            f"is at most {max(off):.1f} standard errors away (n = {len(counted[0].energies)} nets a kernel)."
        ),
    )


def _at_start(members: Sequence[Member]) -> Finding:
    """Transposed convolutions before training, beside resizing."""
    painted = values(members, (*EVEN, *UNEVEN), "init", "pattern_maps")
    resized = values(members, RESIZED, "init", "pattern_maps")
    return Finding(
        about="The board of a transposed convolution is there before training",
        word="agrees" if above(painted, resized) and min(painted) > PRESENT else "differs",
        sentence=f"Share of the maps' variance {spread(painted)}, behind a resize {spread(resized)}.",
    )


def _divisible(members: Sequence[Member]) -> Finding:
    """Kernels that the stride divides against those it does not, after training: the board, and the mean energy."""
    even, other = (values(members, arms, "trained", "pattern_maps") for arms in (EVEN, UNEVEN))
    calm, restless = ([mean_dispersion(members, arm) for arm in arms] for arms in (EVEN, UNEVEN))
    lower, calmer = above(other, even), above(restless, calm)
    words: dict[int, Word] = {0: "differs", 1: "agrees in part", 2: "agrees"}
    apart = "higher in every member" if above(even, other) else "no lower, the ranges overlap"
    return Finding(
        about="A kernel that the stride divides helps, though a board can still be learnt",
        word=words[lower + calmer],
        sentence=(
            f"After training the standing pattern is {spread(even)} with such kernels and {spread(other)} with others: "
            f"{'lower in every member' if lower else apart}. Energy averaged over the seeds has a dispersion of "
            f"{_listed(calm)} with such kernels and {_listed(restless)} with others: "
            f"{'evener' if calmer else 'no evener'}."
        ),
    )


def mean_dispersion(members: Iterable[Member], arm: str) -> float:
    """Dispersion of the maps' energy after training, averaged over an arm's members."""
    return uneven(np.mean([member.trained.energies for member in members if member.arm == arm], axis=0))


def _listed(numbers: Sequence[float]) -> str:
    return ", ".join(map(short, numbers))


def _resize(members: Sequence[Member]) -> Finding:
    """Resize and convolution, at both times."""
    found = [*values(members, RESIZED, "init", "pattern_maps"), *values(members, RESIZED, "trained", "pattern_maps")]
    flat = values(members, RESIZED, "trained", "flat_output")
    return Finding(
        about="Resizing before a convolution avoids the board",
        word="agrees" if max(found) <= PRESENT and max(flat) <= PRESENT else "differs",
        sentence=(
            f"Pattern of the maps {spread(found)} over both times, on flat images {spread(flat)} of the spread of "
            "real ones."
        ),
    )


def _sub_pixel(members: Sequence[Member]) -> Finding:
    """What equal phases at the start are worth after training."""
    start, end = values(members, (ICNR,), "init", "pattern_maps"), values(members, (ICNR,), "trained", "pattern_maps")
    plain = values(members, (SUB_PIXEL,), "trained", "pattern_maps")
    lower, learnt = above(plain, end), above(end, start) and max(end) > PRESENT
    return Finding(
        about="Sub-pixel convolutions whose phases start equal (ICNR)",
        word="beyond the article",
        sentence=(
            f"They start at {spread(start)} and {'learn a board all the same' if learnt else 'stay without'}: "
            f"{spread(end)} after training, {'below' if lower else 'not clearly below'} the {spread(plain)} of phases "
            "that start apart."
        ),
    )


def _output(members: Sequence[Member]) -> Finding:
    """Whether the output shows what the maps carry."""
    every = tuple(dict.fromkeys(member.arm for member in members))
    printing = tuple(arm for arm in every if arm not in RESIZED)
    output = values(members, every, "trained", "pattern_output")
    flat, resized = (values(members, arms, "trained", "flat_output") for arms in (printing, RESIZED))
    clean, shows = max(output) <= PRESENT, above(flat, resized) and min(flat) > PRESENT
    return Finding(
        about="What of it reaches the output",
        word="beyond the article",
        sentence=(
            f"On test images the output's pattern after training is {spread(output)} over all arms: the last layer "
            f"{'cancels the board there' if clean else 'does not cancel it everywhere'}. On flat grey images, which no "
            f"arm was trained on, it is {spread(flat)} of the spread of real ones for all but the resizing arms"
            f"{', so it is hidden and not gone.' if shows else '.'}"
        ),
    )
