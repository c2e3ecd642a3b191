"""From results to verdicts: each claim gets its evidence, and its rule and the Holm family decide."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnlab.inference.effects import effect
from cnnlab.inference.family import Case, Family, judge
from cnnlab.inference.family import undecided as undecided_settings
from cnnlab.inference.rules.all_of import AllOf, Senses
from cnnlab.inference.rules.contract import Rule
from cnnlab.inference.rules.cost import Cost, Everywhere
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.equivalence import Equivalence
from cnnlab.inference.rules.given import Given
from cnnlab.inference.rules.instances import Always, Exists
from cnnlab.inference.rules.within import Within
from cnnlab.spec.verdict import Condition, Effect, Match, Setting, Verdict, Word
from experiments.analysis.contrasts import ArmPair, ContrastSite, places, setting
from experiments.analysis.evidence import evidence, instances, scope, sweep_checks
from experiments.analysis.results import ArmResults, SweepResults
from experiments.claims.base import Awaited, Claim, Computed, Contrast, Source, Timed, Trained, Untestable
from experiments.claims.registry import claims, claims_fed_by, register
from experiments.config.resolve import Point
from experiments.timing.timings import kept, not_timed

CONDITIONS: tuple[Condition, ...] = ("own", "common")
MODERATOR_CONTRASTS = 40
"""Moderator contrasts registered over all claims (claims.md names their moderators; two levels a contrast)."""


def registered_family() -> Family:
    """The registered family: every claim with a trained half counts, whatever has run."""
    return Family(claims=sum(entry.trained for entry in register().values()), moderator_contrasts=MODERATOR_CONTRASTS)


def judge_claims(names: Iterable[str], views: Mapping[str, SweepResults], results: Path) -> dict[str, Verdict]:
    """Judge claims by id, from computation, from views of the sweeps they need, and from timings in `results`."""
    written = claims()
    found = judge({name: claim_case(name, written[name], views, results) for name in names}, registered_family())
    return {name: _scoped(verdict, scope(written[name], views)) for name, verdict in found.items()}


def _scoped(verdict: Verdict, reach: str | None) -> Verdict:
    """A verdict that says how far its trained evidence reaches."""
    return verdict if reach is None else dataclasses.replace(verdict, evidence={**verdict.evidence, "scope": reach})


def claim_case(name: str, claim: Claim, views: Mapping[str, SweepResults], results: Path) -> Case:
    """A claim's rule and evidence; of a claim of several parts, each part's."""
    if not isinstance(claim.rule, (AllOf, Senses)):
        return _part(name, "", claim.sources[""], claim.rule, views, results)
    parts = {part: _part(name, part, claim.sources[part], rule, views, results) for part, rule in claim.rule.parts}
    rule = dataclasses.replace(claim.rule, parts=tuple((part, found.rule) for part, found in parts.items()))
    return Case(rule=rule, evidence={part: found.evidence for part, found in parts.items()})


def _part(
    name: str, part: str, source: Source, rule: Rule[Any], views: Mapping[str, SweepResults], results: Path
) -> Case:
    """Rule and evidence of one part. A part without records or timings gets its verdict at once."""
    match source:
        case Computed():
            return Case(rule=rule, evidence=source.compute())
        case Timed():
            cells = kept(name, results, part)
            if not cells:
                return _given("untested", not_timed(name, source.needs))
            return Case(rule=Everywhere(each=rule) if isinstance(rule, Cost) else rule, evidence=cells)
        case Trained():
            return _trained(name, source, rule, views)
        case Awaited():
            return _given("untested", source.what)
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


def primary(rule: Rule[Any]) -> Match:
    """The match whose effects a rule reads."""
    return rule.match if isinstance(rule, (Directional, Equivalence, Within)) else "none"


def _given(word: Word, reason: str) -> Case:
    return Case(rule=Given(verdict=Verdict(word=word, reason=reason)), evidence=None)


def pairwise_effects(view: SweepResults) -> list[tuple[ArmResults, Effect]]:
    """Every arm against the unmatched reference of its task, at both learning rates: for the table and the figure."""
    rows: list[tuple[ArmResults, Effect]] = []
    for cell in view.cells:
        reference = view.reference(cell.point.arm.task)
        if reference is None or not reference.records or not cell.records or cell.point.arm == reference.point.arm:
            continue
        match: Any = cell.point.match
        task = cell.point.arm.task
        sides = ArmPair(task=task, match=match, better=(cell,), worse=(reference,))
        place = ContrastSite(label=view.label(task), sides=(sides,))
        for condition in CONDITIONS:
            ours, theirs = place.samples(condition, "test_accuracy")
            rows.append((cell, effect(ours, theirs, setting(view, place, condition))))
    return rows


def contrast_effects(view: SweepResults, names: Sequence[str]) -> list[tuple[str, str, Effect]]:
    """Every contrast that the named claims rest on: (claim, contrast, effect)."""
    written = claims()
    rows: list[tuple[str, str, Effect]] = []
    for name in names:
        for trained in written[name].trained:
            for contrast in trained.contrasts if trained.sweep == view.settings.sweep_name else ():
                found = evidence(name, trained, contrast, view)
                rows.extend((name, contrast.name, effect) for effect in found.effects)
    return rows


def undecided_points(view: SweepResults) -> tuple[Point, ...]:
    """The second blocks that should run: of arms whose contrast the first look left open, and of an open A/A.

    A claim that is held back for another reason than noise asks for nothing.
    """
    sweep = view.settings.sweep_name
    names = claims_fed_by(sweep)
    written, found = claims(), judge_claims(names, {sweep: view}, view.settings.results)
    wanted: list[ArmResults] = []
    for name in names:
        settings = undecided_settings(found[name])
        rests = [(trained, one) for trained in written[name].trained for one in trained.contrasts]
        for trained, contrast in rests if settings else ():
            if trained.sweep == sweep:
                wanted.extend(cell for place in _open(view, trained, contrast, settings) for cell in place.cells)
    for task in view.tasks():
        if any(
            check.task == view.label(task) and check.name == "A/A" and not check.passed for check in sweep_checks(view)
        ):
            wanted.extend(cell for cell in (view.reference(task), view.check(task, "a_a")) if cell is not None)
    once = {cell.point.arm.key: cell for cell in wanted if len(cell.records) == 1 and len(cell.point.blocks) > 1}
    return tuple(dataclasses.replace(cell.point, block=1) for cell in once.values())


def _open(view: SweepResults, trained: Trained, contrast: Contrast, settings: Sequence[Setting]) -> list[ContrastSite]:
    """The places of a contrast that are still open."""
    still = {(at.task, at.match) for at in settings}
    return [place for place in places(view, trained, contrast)[0] if (place.label, place.match) in still]
