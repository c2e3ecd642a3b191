"""R-COST: one way is slower than another by a stated ratio."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import scipy

from cnnlab.inference.effects import POWER
from cnnlab.inference.intervals import ratio_of_medians
from cnnlab.inference.rules.contract import Decisions, PValues, held_back
from cnnlab.inference.sentences import sentence
from cnnlab.spec.verdict import Number, Scalar, Table, Verdict, Word

SAME = (0.95, 1.05)
SAID = {"supported": "it takes longer", "refuted": "it takes no longer", "inconclusive": "not decided"}
NAMED_CELLS = 3
"""How many failing cells a reason names; the table has them all."""


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Seconds of interleaved rounds, warmed up: entry i of every side was measured in round i.

    Attributes:
        dear, cheap: the side the claim calls slower, and the other. what: one phrase naming both.
        names: the two sides as columns of a table name them.
        counted: the ratio that counting operations predicts, dear over cheap; None where counting says nothing.
        beside: seconds of other ways, timed in the same rounds and shown, which no rule reads.
        caps: why the ratio may not be read (see `TrainedEvidence`). device: what it was measured on.
    """

    dear: tuple[float, ...]
    cheap: tuple[float, ...]
    what: str
    names: tuple[str, ...] = ("slower", "faster")
    counted: float | None = None
    beside: dict[str, tuple[float, ...]] = field(default_factory=dict)
    caps: tuple[str, ...] = ()
    device: str = ""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """R-COST(ratio): supported if the 95 % interval of the ratio of medians lies above `ratio`.

    Refuted if it lies inside [.95, 1.05] or below 1 (reversed). Fewer than `fewest` rounds are inconclusive.
    """

    ratio: float = 1.10
    fewest: int = 30

    def p_values(self, evidence: Timings) -> PValues | None:
        """Give nothing: outside the directional family."""
        return None

    def conclude(self, evidence: Timings, decisions: Decisions) -> Verdict:
        """Give the verdict. Raises InvalidError for unequal or non-positive rounds."""
        if not evidence.dear:
            return Verdict(word="untested", reason=f"not timed: {evidence.what}", sentence="Not timed yet.")
        if evidence.caps:
            return held_back(evidence.caps)
        rounds = len(evidence.dear)
        if rounds < self.fewest:
            few = f"{rounds} rounds, at least {self.fewest} needed"
            return Verdict(word="inconclusive", reason=few, sentence=sentence(f"not decided: {few}"))
        middle, low, high = ratio(evidence)
        word, how = self._word(low, high)
        where = f" on {evidence.device}" if evidence.device else ""
        finds = f"; smallest ratio found with power .8: {self._detectable(low, high):.3f}" * (word == "inconclusive")
        span = f"ratio of medians {middle:.3f}, 95 % [{low:.3f}, {high:.3f}]"
        return Verdict(
            word=word,
            reason=f"{how}{evidence.what}: {span}, {rounds} rounds{where}{finds}",
            sentence=sentence(f"{SAID[word]}: {middle:.2g} times as long, {evidence.what}"),
            number=Number(name="ratio of medians", value=middle, low=low, high=high, unit="x"),
            n=rounds,
            tables=(timing_table({evidence.what: evidence}),),
            evidence={
                "rule": "R-COST",
                "ratio": self.ratio,
                "low": low,
                "high": high,
                "rounds": rounds,
                "device": evidence.device,
            },
        )

    def _detectable(self, low: float, high: float) -> float:
        """Smallest true ratio whose interval, this wide on a log scale, lies above the bar with power .8."""
        error = math.log(high / low) / 2 / float(scipy.special.ndtri(0.975))
        return self.ratio * math.exp(float(scipy.special.ndtri(0.975) + scipy.special.ndtri(POWER)) * error)

    def _word(self, low: float, high: float) -> tuple[Word, str]:
        """Say the word, and how the reason begins."""
        if low > self.ratio:
            return "supported", ""
        if SAME[0] < low and high < SAME[1]:
            return "refuted", "no difference, "
        return ("refuted", "reversed, ") if high < 1 else ("inconclusive", "")


@dataclass(frozen=True, kw_only=True)
class Everywhere:
    """R-COST over many cells timed side by side: supported if every cell is, refuted if any cell is.

    The reason says how many hold and which cell has the lowest ratio; the table has all of them.

    Attributes:
        each: the rule of a cell.
    """

    each: Cost

    def p_values(self, evidence: Mapping[str, Timings]) -> PValues | None:
        """Give nothing: outside the directional family."""
        return None

    def conclude(self, evidence: Mapping[str, Timings], decisions: Decisions) -> Verdict:
        """Give the verdict. Raises InvalidError for unequal or non-positive rounds."""
        found = {cell: self.each.conclude(timings, decisions) for cell, timings in evidence.items()}
        unread = next((verdict for verdict in found.values() if verdict.number is None), None)
        if unread is not None:
            return unread
        cells = {word: [cell for cell in found if found[cell].word == word] for word in ("refuted", "inconclusive")}
        word: Word = next((word for word in ("refuted", "inconclusive") if cells[word]), "supported")
        lowest = min(found.values(), key=lambda verdict: verdict.number.value if verdict.number else 0.0)
        bar = f"{self.each.ratio:g}"
        holding = sum(verdict.word == "supported" for verdict in found.values())
        parts = [
            f"{holding} of {len(found)} cells lie above {bar}" if len(found) > 1 else "",
            f"not slower: {_some(cells['refuted'])}" if cells["refuted"] and len(found) > 1 else "",
            f"undecided: {_some(cells['inconclusive'])}" if cells["inconclusive"] and len(found) > 1 else "",
            f"lowest: {lowest.reason}" if len(found) > 1 else lowest.reason,
        ]
        return Verdict(
            word=word,
            reason="; ".join(part for part in parts if part),
            sentence=self._plain(found, word, holding, next(iter(evidence.values())).names),
            number=lowest.number,
            n=lowest.n,
            tables=(timing_table(evidence),),
            evidence={
                "rule": "R-COST",
                "ratio": self.each.ratio,
                "cells": len(found),
                "above": holding,
                "refuted": cells["refuted"],
                "undecided": cells["inconclusive"],
                "device": next(iter(evidence.values())).device,
            },
        )

    def _plain(self, found: Mapping[str, Verdict], word: Word, holding: int, names: tuple[str, ...]) -> str:
        """What was found, for a teacher: of one cell its own sentence, of many how many hold and by how much."""
        lowest = min(found.values(), key=lambda verdict: verdict.number.value if verdict.number else 0.0)
        if len(found) == 1 or lowest.number is None:
            return lowest.sentence
        where = "all" if word == "supported" else f"{holding} of"
        least = next(cell for cell, one in found.items() if one is lowest)
        return sentence(
            f"{names[0]} takes longer than {names[1]} in {where} {len(found)} pairs that were timed, "
            f"{lowest.number.value:.2g} times as long where they are closest ({least})"
        )


def ratio(timings: Timings) -> tuple[float, float, float]:
    """Median seconds of the dear side over those of the cheap one, and the ends of its 95 % interval."""
    interval = ratio_of_medians(timings.dear, timings.cheap)
    return float(np.median(timings.dear) / np.median(timings.cheap)), interval.low, interval.high


def timing_table(cells: Mapping[str, Timings]) -> Table:
    """One row a cell: median milliseconds of either side, their ratio and what counting predicts, and what is beside.

    The last columns say how much of the counted ratio the clock shows.
    """
    first = next(iter(cells.values()))
    beside = tuple(dict.fromkeys(name for timings in cells.values() for name in timings.beside))
    predicted = any(timings.counted is not None for timings in cells.values())
    rows: list[tuple[Scalar, ...]] = []
    for cell, timings in cells.items():
        found = ratio(timings)
        others = (_milliseconds(timings.beside[name]) if name in timings.beside else None for name in beside)
        known = timings.counted
        counted = (None, None) if known is None else (_short(known), _short(found[0] / known))
        rows.append(
            (
                cell,
                _milliseconds(timings.dear),
                _milliseconds(timings.cheap),
                *map(_short, found),
                *(counted if predicted else ()),
                *others,
            )
        )
    columns = ("cell", *(f"{name}, ms" for name in first.names), "ratio", "95 % low", "95 % high")
    columns += ("counted ratio", "measured / counted") if predicted else ()
    title = f"Median of {len(first.dear)} rounds" + (f" on {first.device}" if first.device else "")
    return Table(title=title, columns=columns + tuple(f"{name}, ms" for name in beside), rows=tuple(rows))


def _some(cells: list[str]) -> str:
    more = f" and {len(cells) - NAMED_CELLS} more" if len(cells) > NAMED_CELLS else ""
    return f"{', '.join(cells[:NAMED_CELLS])}{more}"


def _milliseconds(seconds: tuple[float, ...]) -> float:
    return _short(1e3 * float(np.median(seconds)))


def _short(value: float) -> float:
    """Four significant digits: more would be noise."""
    return float(f"{value:.4g}")
