"""What was judged, as the page shows it: verdicts, what claims say, and the nets behind every contrast."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from cnnlab.inference.family import Case
from cnnlab.spec.record import Record
from cnnlab.spec.verdict import Verdict
from experiments.analysis.contrasts import ArmPair, places, setting
from experiments.analysis.results import ArmResults, SweepResults
from experiments.analysis.selection import best_views, fed_by
from experiments.analysis.verdicts import claim_case, conclude
from experiments.claims.base import Computed, Contrast, Trained
from experiments.claims.registry import claims, entries
from experiments.page.statement import Statement
from experiments.page.trials import Arm, Trial
from experiments.page.views.board import where
from experiments.reports.claim import rule_lines

MOST_TRIALS = 8
"""Contrasts of a claim of which every member is drawn; all of them stand in its table."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Claims with their verdicts, and the records that they rest on.

    Attributes:
        verdicts: by claim. views: by sweep, those that have records.
    """

    verdicts: Mapping[str, Verdict]
    views: Mapping[str, SweepResults] = field(default_factory=dict)


def found_views(results: Path, overrides: Sequence[str] = ()) -> dict[str, SweepResults]:
    """What a page shows of a results folder, and where that holds no complete sweep, of what is published.

    Args:
        overrides: as for `experiments.judge`.

    Raises RecordError for a record, or published evidence, that cannot be used.
    """
    return best_views(fed_by(entries()), overrides, results)


def shown_views(views: Mapping[str, SweepResults]) -> dict[str, SweepResults]:
    """What a page shows of views that are there already: as of a results folder, the sweeps that claims rest on.

    Another sweep may be complete beside them, such as `relu_at_zero`: no number on the page comes from it.
    """
    return {sweep: views[sweep] for sweep in fed_by(entries()) if sweep in views}


def begin(
    views: Mapping[str, SweepResults], results: Path, fast: bool, pool: Executor, cache: Path | None = None
) -> "Begun":
    """Begin to judge from these views, and from the timings of a results folder.

    Args:
        fast: leave out claims with a part that is computed, which takes a minute. pool: of processes that gather.
        cache: as for `experiments.analysis.verdicts.judge_claims`.
    """
    names = [name for name in entries() if not (fast and computed(name))]
    return Begun(views=views, cases=gathering(names, views, results, pool, cache))


@dataclass(frozen=True, kw_only=True)
class Begun:
    """Claims whose evidence is being gathered. Verdicts are given to all of them at once, as by the judge.

    Attributes:
        views: by sweep, those that have records. cases: the rule and evidence of each claim, when it is there.
    """

    views: Mapping[str, SweepResults]
    cases: Mapping[str, Future[Case]]

    def result(self) -> Judged:
        """Wait for all of it, and judge. Raises what a process raised, and BrokenProcessPool where one died."""
        cases = {name: case.result() for name, case in self.cases.items()}
        return Judged(verdicts=conclude(cases, self.views), views=self.views)


def computed(name: str) -> bool:
    """Whether a part of a claim's evidence is computed."""
    return any(isinstance(source, Computed) for source in claims()[name].sources.values())


def gathering(
    names: Sequence[str], views: Mapping[str, SweepResults], results: Path, pool: Executor, cache: Path | None
) -> dict[str, Future[Case]]:
    """The rule and evidence of claims, gathered in other processes."""
    needed = {name: {sweep: views[sweep] for sweep in fed_by([name]) if sweep in views} for name in names}
    return {name: pool.submit(_case, name, needed[name], results, cache) for name in names}


def _case(name: str, views: Mapping[str, SweepResults], results: Path, cache: Path | None) -> Case:
    return claim_case(name, claims()[name], views, results, cache)


def statements(names: Sequence[str]) -> dict[str, Statement]:
    """What these claims say, in the order of the register."""
    return {
        name: Statement(
            family=entry.family,
            kind=entry.kind,
            source=entry.source,
            says=claims()[name].says,
            notes=claims()[name].notes,
            rule=tuple(rule_lines(claims()[name].rule)),
        )
        for name, entry in entries().items()
        if name in names
    }


def trials(name: str, views: Mapping[str, SweepResults]) -> tuple[Trial, ...]:
    """The nets behind a claim's first contrasts: every arm's members at every learning rate, as its record has them."""
    found = (
        made
        for trained in claims()[name].trained
        if trained.sweep in views
        for contrast in trained.contrasts
        for made in _trials(views[trained.sweep], trained, contrast)
    )
    return tuple(islice(found, MOST_TRIALS))


def _trials(view: SweepResults, trained: Trained, contrast: Contrast) -> list[Trial]:
    """Of one contrast, one for each task and match; where it is followed along a dial, one for each of its ends."""
    made = []
    for place in places(view, trained, contrast)[0]:
        told = where(setting(view, place, trained, contrast))
        for sides in place.sides:
            end = f", {view.label(sides.task)}" if len(place.sides) > 1 else ""
            made.append(Trial(where=told + end, arms=_arms(contrast, sides)))
    return made


def _arms(contrast: Contrast, sides: ArmPair) -> tuple[Arm, ...]:
    both = ((True, contrast.better_is, sides.better), (False, contrast.worse_is, sides.worse))
    return tuple(
        Arm(
            title=words if words and len(cells) == 1 else f"{words} ({level})" if words else level,
            better=better,
            seeds=record.members,
            curve=record.rates,
        )
        for better, words, cells in both
        for level, record in ((cell.point.level, _record(cell)) for cell in cells)
    )


def _record(cell: ArmResults) -> Record:
    assert cell.record is not None, "a place has the records of all its arms"
    return cell.record
