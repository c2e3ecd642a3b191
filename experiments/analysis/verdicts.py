"""From results to verdicts: each claim gets its evidence, and its rule and the Holm family decide."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnlab.inference.family import Case, Family, judge
from cnnlab.inference.rules.all_of import AllOf, Senses
from cnnlab.inference.rules.contract import Rule
from cnnlab.inference.rules.cost import Cost, Everywhere
from cnnlab.inference.rules.given import Given
from cnnlab.inference.rules.instances import Always, Exists
from cnnlab.inference.sentences import sentence
from cnnlab.spec.verdict import Effect, Verdict, Word
from experiments.analysis import kept
from experiments.analysis.contrasts import ArmPair, ContrastSite, measured_effect, places, plain_effect, setting
from experiments.analysis.convergence import primary
from experiments.analysis.evidence import evidence, instances, newer, scope
from experiments.analysis.results import ArmResults, SweepResults
from experiments.claims.base import Claim, Computed, Source, Timed, Trained, Untestable
from experiments.claims.registry import claims, entries, register
from experiments.timing import timings

SAID: dict[Word, str] = {"untested": "not tested yet", "untestable": "cannot be tested", "inconclusive": "not decided"}
"""How the sentence of a part begins that gets its verdict at once."""
MODERATOR_CONTRASTS = 40
"""Moderator contrasts registered over all claims (claims.md names their moderators; two levels a contrast)."""


def registered_family() -> Family:
    """The registered family: every claim with a trained half counts, whatever has run."""
    return Family(claims=sum(entry.trained for entry in register().values()), moderator_contrasts=MODERATOR_CONTRASTS)


def own_family(source: str) -> Family:
    """The family of the own claims of one source: all that are there, whatever has run; the 57 are none of them."""
    own = {name: entry for name, entry in entries().items() if entry.source == source}
    trained = [one for name in own for one in claims()[name].trained]
    return Family(
        claims=sum(entry.trained for entry in own.values()),
        moderator_contrasts=sum(len(one.moderators) * len(one.contrasts) for one in trained),
    )


def judge_claims(
    names: Iterable[str], views: Mapping[str, SweepResults], results: Path, cache: Path | None = None
) -> dict[str, Verdict]:
    """Judge claims by id, from computation, from views of the sweeps they need, and from timings in `results`.

    Args:
        cache: where what is computed is kept between commands; None computes it.
    """
    written = claims()
    return conclude({name: claim_case(name, written[name], views, results, cache) for name in names}, views)


def conclude(cases: Mapping[str, Case], views: Mapping[str, SweepResults]) -> dict[str, Verdict]:
    """Judge claims whose evidence was gathered from these views, by id: those of a register as parts of its family."""
    every, found = entries(), dict[str, Verdict]()
    for source in dict.fromkeys(every[name].source for name in cases):
        family = own_family(source) if source else registered_family()
        found |= judge({name: case for name, case in cases.items() if every[name].source == source}, family)
    return {name: _told(name, found[name], views) for name in cases}


def _told(name: str, verdict: Verdict, views: Mapping[str, SweepResults]) -> Verdict:
    """A verdict that says how far its trained evidence reaches and, of an own claim, whether it is newer than that."""
    reach = scope(claims()[name], views)
    if reach is None:
        return verdict
    reason = "; ".join(part for part in (verdict.reason, newer(name, views)) if part)
    return dataclasses.replace(verdict, reason=reason, evidence={**verdict.evidence, "scope": reach})


def claim_case(
    name: str, claim: Claim, views: Mapping[str, SweepResults], results: Path, cache: Path | None = None
) -> Case:
    """A claim's rule and evidence; of a claim of several parts, each part's. A computed part may be kept in a cache."""
    if name not in register():
        cache = None  # the key of what is kept knows the suite's code alone
    if not isinstance(claim.rule, (AllOf, Senses)):
        return _part(name, "", claim.sources[""], claim.rule, views, results, cache)
    parts = {
        part: _part(name, part, claim.sources[part], rule, views, results, cache) for part, rule in claim.rule.parts
    }
    rule = dataclasses.replace(claim.rule, parts=tuple((part, found.rule) for part, found in parts.items()))
    return Case(rule=rule, evidence={part: found.evidence for part, found in parts.items()})


def _part(
    name: str,
    part: str,
    source: Source,
    rule: Rule[Any],
    views: Mapping[str, SweepResults],
    results: Path,
    cache: Path | None,
) -> Case:
    """Rule and evidence of one part. A part without records or timings gets its verdict at once."""
    match source:
        case Computed():
            if cache is None:
                return Case(rule=rule, evidence=source.compute())
            return kept.case(name, part, source, rule, cache)
        case Timed():
            cells = timings.kept(name, results, part)
            if not cells:
                return _given("untested", timings.not_timed(name, source.needs))
            return Case(rule=Everywhere(each=rule) if isinstance(rule, Cost) else rule, evidence=cells)
        case Trained():
            return _trained(name, source, rule, views)
        case Untestable():
            return _given("untestable", source.why)


def _trained(name: str, trained: Trained, rule: Rule[Any], views: Mapping[str, SweepResults]) -> Case:
    """At smoke scale no trained claim is judged: too few members, and not every arm."""
    view = views[trained.sweep] if trained.sweep in views else None
    if view is not None and view.settings.scale == "smoke":
        members = max((cell.members for cell in view.cells), default=0)
        return _given("inconclusive", f"scale smoke only shows that everything runs ({members} members an arm)")
    if isinstance(rule, (Exists, Always)):
        return Case(rule=rule, evidence=instances(name, trained, view))
    match = primary(rule)
    cells = {contrast.name: evidence(name, trained, contrast, view, match) for contrast in trained.contrasts}
    if len(cells) == 1:
        return Case(rule=rule, evidence=cells[trained.contrasts[0].name])
    return Case(rule=AllOf(parts=tuple((cell, rule) for cell in cells)), evidence=cells)


def _given(word: Word, reason: str) -> Case:
    said = sentence(f"{SAID[word]}: {reason}")
    return Case(rule=Given(verdict=Verdict(word=word, reason=reason, sentence=said)), evidence=None)


def pairwise_effects(view: SweepResults) -> list[tuple[ArmResults, Effect]]:
    """Every arm against the unmatched reference of its task: for the table and the figure."""
    rows: list[tuple[ArmResults, Effect]] = []
    for cell in view.cells:
        task = cell.point.arm.task
        match: Any = cell.point.match
        reference = view.reference(task)
        if reference is None or reference.record is None or cell.record is None:
            continue
        if cell.point.arm != reference.point.arm:
            sides = ArmPair(task=task, match=match, better=(cell,), worse=(reference,))
            place = ContrastSite(label=view.label(task), sides=(sides,))
            rows.append((cell, plain_effect(place, setting(view, place))))
    return rows


def contrast_effects(view: SweepResults, names: Sequence[str]) -> list[tuple[str, str, Effect]]:
    """Every contrast that the named claims rest on: (claim, contrast, effect)."""
    written = claims()
    rows: list[tuple[str, str, Effect]] = []
    for name in names:
        for trained in written[name].trained:
            for contrast in trained.contrasts if trained.sweep == view.settings.sweep_name else ():
                found = places(view, trained, contrast)[0]
                rows += [(name, contrast.name, measured_effect(view, trained, contrast, place)) for place in found]
    return rows
