"""Effects and calls of many replications at once: `effects.effect` on arrays, for simulations alone.

Not a second judge: tests hold it against `effects.effect` replication by replication.
"""

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from cnnlab.inference import intervals
from cnnlab.inference.effects import FEWEST
from cnnlab.inference.intervals import Floats
from cnnlab.inference.multiplicity import LOOK_ALPHA, TWO_SIDED
from cnnlab.inference.simulation.planting import Arms, Bools
from cnnlab.spec.verdict import Look

POS, NEG, NULL, OPEN = 1, -1, 0, 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Calls:
    """The call and p-values of one contrast in every replication [replications].

    Attributes:
        call: `POS`, `NEG`, `NULL` or `OPEN`. greater, less: one-sided p-values, the look paid for.
        final: whether no further block can be had.
    """

    call: NDArray[np.int8]
    greater: Floats
    less: Floats
    final: Bools

    def where(self, first: "Calls", second: Bools) -> "Calls":
        """Take this look where `second` is true, the first one elsewhere."""
        return Calls(
            call=np.where(second, self.call, first.call).astype(np.int8),
            greater=np.where(second, self.greater, first.greater),
            less=np.where(second, self.less, first.less),
            final=np.where(second, self.final, first.final),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Spans:
    """Centre, and ends of an interval, of every replication [replications]."""

    centre: Floats
    low: Floats
    high: Floats


def calls(arms: Arms, members: int, margin: float, look: Look) -> Calls:
    """Call a contrast on its first `members` members, as `effects.effect` does."""
    differences, lost = arms.differences[:, :members], any_lost(arms.lost[:, :members])
    decision = spans(differences, lost, 1 - LOOK_ALPHA[look])
    narrow = spans(differences, lost, 0.90)
    call = np.full(len(differences), OPEN, np.int8)
    call[(-margin < narrow.low) & (narrow.high < margin)] = NULL
    call[(decision.high < 0) & (decision.centre <= -margin)] = NEG
    call[(decision.low > 0) & (decision.centre >= margin)] = POS
    if members < FEWEST:
        call[:] = OPEN
    greater, less = one_sided(differences, lost)
    price = TWO_SIDED / LOOK_ALPHA[look]
    return Calls(
        call=call,
        greater=np.minimum(1, price * greater),
        less=np.minimum(1, price * less),
        final=np.full(len(differences), look != "first"),
    )


def spans(differences: Floats, lost: Bools, level: float) -> Spans:
    """Student's interval of each row of differences [replications, members]; Wilcoxon's where `lost` (or all tie)."""
    ranked = lost | (np.ptp(differences, axis=1) == 0)
    found = students(differences, level)
    if ranked.any():
        others = signed_ranks(differences[ranked], level)
        for ours, theirs in zip(
            (found.centre, found.low, found.high), (others.centre, others.low, others.high), strict=True
        ):
            ours[ranked] = theirs
    return found


def students(differences: Floats, level: float) -> Spans:
    """`intervals.paired_t` of every row."""
    n = differences.shape[1]
    centre = differences.mean(axis=1)
    half = float(scipy.special.stdtrit(n - 1, 0.5 + level / 2)) * differences.std(axis=1, ddof=1) / np.sqrt(n)
    return Spans(centre=centre, low=centre - half, high=centre + half)


def signed_ranks(differences: Floats, level: float) -> Spans:
    """`intervals.signed_rank` of every row, with the Hodges-Lehmann estimate."""
    rows, columns = np.triu_indices(differences.shape[1])
    averages = np.sort((differences[:, rows] + differences[:, columns]) / 2, axis=1)
    centre = np.median(averages, axis=1)
    cut = intervals.signed_rank_cut(differences.shape[1], level)
    if cut == 0:
        return Spans(centre=centre, low=np.full(len(centre), -np.inf), high=np.full(len(centre), np.inf))
    return Spans(centre=centre, low=averages[:, cut - 1], high=averages[:, -cut])


def one_sided(differences: Floats, lost: Bools) -> tuple[Floats, Floats]:
    """One-sided p of every row in both directions, before looks are paid for; 1 below `FEWEST` members."""
    repeats, n = differences.shape
    if n < FEWEST:
        return np.ones(repeats), np.ones(repeats)
    ranked = lost | (np.ptp(differences, axis=1) == 0)
    greater, less = np.ones(repeats), np.ones(repeats)
    plain = differences[~ranked]
    t = plain.mean(axis=1) * np.sqrt(n) / plain.std(axis=1, ddof=1)
    greater[~ranked], less[~ranked] = scipy.special.stdtr(n - 1, -t), scipy.special.stdtr(n - 1, t)
    greater[ranked], less[ranked] = _ranked_p(differences[ranked])
    return greater, less


def difference_p(one: Arms, other: Arms, members: int, look: Look) -> Floats:
    """`contract.difference_p` of every replication: two-sided, the look paid for."""
    differences = one.differences[:, :members] - other.differences[:, :members]
    lost = any_lost(one.lost[:, :members] | other.lost[:, :members])
    both: Floats = np.minimum(1, 2 * np.minimum(*one_sided(differences, lost)))
    paid: Floats = np.minimum(1, both * TWO_SIDED / LOOK_ALPHA[look])
    return paid


def any_lost(lost: Bools) -> Bools:
    """Where any member of a row diverged."""
    found: Bools = np.any(lost, axis=1)
    return found


def _ranked_p(differences: Floats) -> tuple[Floats, Floats]:
    """Exact signed-rank p-values; rows with ties or zeros, which are rare, one by one."""
    n = differences.shape[1]
    size = np.abs(differences)
    ranks = size.argsort(axis=1).argsort(axis=1) + 1
    at = (ranks * (differences > 0)).sum(axis=1)
    tail = intervals.signed_rank_tail(n)
    less, greater = tail[at], tail[n * (n + 1) // 2 - at]
    ordered = np.sort(size, axis=1)
    tied = (ordered[:, 0] == 0) | (np.diff(ordered, axis=1) == 0).any(axis=1)
    for row in np.flatnonzero(tied):
        p = intervals.signed_rank_p(differences[row])
        greater[row], less[row] = p.greater, p.less
    return greater, less
