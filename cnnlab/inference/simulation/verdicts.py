"""R-DIR v2 on arrays: the verdict of every replication of a simulation at once.

Not a second judge: tests, and every run of `experiments.simulate`, hold it against the rule code verdict by verdict.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnnlab.inference.intervals import Floats
from cnnlab.inference.multiplicity import ONE_SIDED, TWO_SIDED
from cnnlab.inference.simulation import batch
from cnnlab.inference.simulation.batch import NEG, NULL, POS, Calls
from cnnlab.inference.simulation.planting import Bools, Drawn, PlantedContrast, Scenario
from cnnlab.spec.verdict import Condition, Look, Match

Words = NDArray[np.str_]


def outcomes(scenario: Scenario, drawn: Drawn) -> Words:
    """The outcome of every replication, second blocks included where the first look leaves things open."""
    looks = [_looks(contrast) for contrast in drawn.contrasts]
    differ = moderated(scenario, drawn)
    repeats = len(drawn.contrasts[0].arms.better)
    second = {contrast.place: np.zeros(repeats, bool) for contrast in drawn.contrasts}
    while True:
        now = [
            last.where(first, second[contrast.place])
            for contrast, (first, last) in zip(drawn.contrasts, looks, strict=True)
        ]
        words = _words(scenario, drawn.contrasts, now, differ)
        more = False
        for place, asked in _undecided(drawn.contrasts, now, words).items():
            more = more or bool((asked & ~second[place]).any())
            second[place] |= asked
        if not more:
            return words


def _looks(contrast: PlantedContrast) -> tuple[Calls, Calls]:
    """What a contrast says at its first and at its last look."""
    task, blocks = contrast.task, contrast.task.blocks
    if len(blocks) == 1:
        only = batch.calls(contrast.arms, blocks[0], task.margin, "only")
        return only, only
    return (
        batch.calls(contrast.arms, blocks[0], task.margin, "first"),
        batch.calls(contrast.arms, blocks[-1], task.margin, "second"),
    )


def _words(
    scenario: Scenario, contrasts: Sequence[PlantedContrast], now: Sequence[Calls], by_moderator: Bools
) -> Words:
    """R-DIR v2 in its order, on arrays."""
    rule, own = scenario.rule, [place for place, c in enumerate(contrasts) if c.condition == "own"]
    primary = [place for place in own if contrasts[place].match == rule.match]
    call = np.stack([now[place].call for place in primary])
    real = np.array([contrasts[place].task.real for place in primary])
    pos, neg, null = call == POS, call == NEG, call == NULL
    level = ONE_SIDED / scenario.family.claims
    greater = _partial_conjunction(np.stack([now[place].greater for place in primary])) <= level
    less = _partial_conjunction(np.stack([now[place].less for place in primary])) <= level
    supported = _carries(pos, real, rule.mechanism) & ~neg.any(axis=0) & greater
    reversed_ = _carries(neg, real, rule.mechanism) & ~pos.any(axis=0) & less
    bearing = real if real.any() else np.full(len(real), rule.mechanism and len(real) >= 2)
    negligible = null[bearing].all(axis=0) & ~pos.any(axis=0) & bearing.any()
    overturns = [now[p].call == NEG for p in own if contrasts[p].match != rule.match and contrasts[p].task.real]
    nowhere = np.zeros(len(supported), bool)
    by_match = supported & np.any([nowhere, *overturns], axis=0)
    disagree = [_disagree(*pair) for _, pair in _pairs(contrasts, now, rule.match)]
    by_rate = np.any([nowhere, *disagree], axis=0)
    return np.select(
        [by_moderator, by_rate, by_match, supported, reversed_, negligible],
        [
            "qualified by moderator",
            "qualified by learning rate",
            "qualified by match",
            "supported",
            "reversed",
            "negligible",
        ],
        "inconclusive",
    )


def _carries(winners: Bools, real: Bools, mechanism: bool) -> Bools:
    """Two tasks of which one is real, or any two (each a construction of its own) where the claim is a mechanism."""
    carried: Bools = (winners.sum(axis=0) >= 2) & (winners[real].any(axis=0) | mechanism)
    return carried


def _partial_conjunction(p: Floats) -> Floats:
    """`multiplicity.partial_conjunction` of each column of p-values [tasks, replications]."""
    tasks = len(p)
    return np.ones(p.shape[1]) if tasks < 2 else np.minimum(1, (tasks - 1) * np.sort(p, axis=0)[1])


def _pairs(
    contrasts: Sequence[PlantedContrast], now: Sequence[Calls], match: Match | None = None
) -> list[tuple[tuple[str, Match], tuple[Calls, Calls]]]:
    """The same contrast at own-best and at the common learning rate; of one match, or of all."""
    common = {c.place: calls for c, calls in zip(contrasts, now, strict=True) if c.condition == "common"}
    own = [(c.place, calls) for c, calls in zip(contrasts, now, strict=True) if c.condition == "own"]
    return [(at, (calls, common[at])) for at, calls in own if at in common and match in (None, at[1])]


def _disagree(own: Calls, common: Calls) -> Bools:
    """One is Pos, the other Null or Neg."""
    no = (NULL, NEG)
    found: Bools = ((own.call == POS) & np.isin(common.call, no)) | ((common.call == POS) & np.isin(own.call, no))
    return found


def _undecided(
    contrasts: Sequence[PlantedContrast], now: Sequence[Calls], words: Words
) -> dict[tuple[str, Match], Bools]:
    """Where each task, at each match, wants its second block (`family.undecided`)."""
    wanted = {contrast.place: np.zeros(len(words), bool) for contrast in contrasts}
    for contrast, calls in zip(contrasts, now, strict=True):
        wanted[contrast.place] |= (words == "inconclusive") & (calls.call != NULL) & ~calls.final
    qualified = np.char.startswith(words, "qualified")
    for place, (own, common) in _pairs(contrasts, now):
        wanted[place] |= qualified & _disagree(own, common) & ~own.final
    return wanted


def moderated(scenario: Scenario, drawn: Drawn, conditions: Sequence[Condition] = ("own",)) -> Bools:
    """Where a moderator qualifies: one level Pos, the other Null or Neg, their difference past Holm over the suite.

    At every one of `conditions`; the rule reads each arm's own learning rate.
    """
    if not drawn.moderators:
        return np.zeros(len(drawn.contrasts[0].arms.better), bool)
    p = np.max([difference_ps(scenario, drawn, condition) for condition in conditions], axis=0)
    passed = p <= _holm_thresholds(p, scenario.family.moderator_contrasts)
    task, (look, members) = scenario.tasks[0], _last_look(scenario)
    for condition in conditions:
        passed &= np.stack(
            [
                _disagree(*(batch.calls(level[condition], members, task.margin, look) for level in levels))
                for levels in drawn.moderators
            ]
        )
    found: Bools = passed.any(axis=0)
    return found


def difference_ps(scenario: Scenario, drawn: Drawn, condition: Condition = "own") -> Floats:
    """Two-sided p that two levels of a moderator differ [moderators, replications]."""
    look, members = _last_look(scenario)
    pairs = ((one[condition], other[condition]) for one, other in drawn.moderators)
    return np.stack([batch.difference_p(one, other, members, look) for one, other in pairs])


def _last_look(scenario: Scenario) -> tuple[Look, int]:
    """Moderators are read at the last look of the first task."""
    blocks = scenario.tasks[0].blocks
    return ("only" if len(blocks) == 1 else "second"), blocks[-1]


def _holm_thresholds(p: Floats, registered: int) -> Floats:
    """`multiplicity.holm_threshold` at .05 of each column of p-values [contrasts, replications]."""
    steps = TWO_SIDED / (registered - np.arange(len(p)))
    rejected = np.cumprod(np.sort(p, axis=0) <= steps[:, None], axis=0).sum(axis=0)
    thresholds: Floats = TWO_SIDED / np.maximum(1, registered - rejected)
    return thresholds
