"""Every sweep, then the judge, then a summary: `python -m experiments.suite [scale=smoke|quick|full] [only=...]`."""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table

from cnnlab.data import MissingDataError, check
from cnnlab.files import disk_use
from cnnlab.spec.verdict import WORDS, Verdict
from experiments.analysis import kept, served
from experiments.claims.registry import claims_fed_by, register
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import each, terminal
from experiments.config.grid import Grid
from experiments.config.resolve import Point
from experiments.reports import added
from experiments.reports import suite as suite_report
from experiments.reports.sweep import build_report, write_report
from experiments.tracking.mirror import Mirror
from experiments.training import suite_train
from experiments.training.estimate import CLAIM, ENDING, SWEEP, Pace, machine_pace, spoken
from experiments.training.provenance import mixture
from experiments.training.session import (
    Session,
    expected_runs,
    require_folders,
    require_machine,
    require_trainable,
    usable,
)
from experiments.training.suite_plan import CONTROL, Plan, choose, compose, make, parse_choice, stages
from experiments.training.summary import Summary

DESCRIPTION = """\
Trains what every sweep of conf/sweep/ asks for, judges all 57 claims, and writes tables, figures, verdicts, a
summary, and a page that holds all of it (see experiments.report). An arm that several sweeps ask for is trained once.
What has its record is not trained again: stopped at any moment, the same command goes on. References and checks that
several sweeps share (the bank CONTROL) come first. An arm or a sweep that fails
stops no other. The plan and an estimate of the time are printed before anything is trained."""
EXAMPLES = """\
examples:
  python -m experiments.suite scale=smoke                    does everything run? two members an arm
  python -m experiments.suite                                scale quick: made for two CPU cores
  python -m experiments.suite only=CONTROL,PLACE,ACT         some banks (groups of sweeps, see conf/sweep/)
  python -m experiments.suite only=pool_position --dry-run   the plan and the estimate for one sweep
  python -m experiments.suite tracker=off                    without W&B

Other keys are those of experiments.run and hold for every sweep. Arms are trained by worker processes on this machine;
to use those of a cluster, run sweep by sweep (python -m experiments.run +sweep=... hydra/launcher=slurm or ray), then
this command, which finds their records. Exit code: 0; 1 if anything failed; 2 for a wrong argument."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """All that is known before anything is trained.

    Attributes:
        overrides: the command line without what chooses sweeps.
        todo: what has no record. pace: what is known of this machine's.
    """

    plan: Plan
    overrides: tuple[str, ...]
    todo: tuple[Point, ...]
    pace: Pace

    @property
    def seconds(self) -> float:
        """The estimate: training, judging, and drawing."""
        return self.pace.seconds(self.todo) + besides(self.plan)


@command
def main() -> int:
    """The door. Returns the exit code: 0 only if every arm has its record and everything was written."""
    asked = command_line().parse_intermixed_args()
    console, began = terminal(), time.perf_counter()
    only, overrides = parse_choice(asked.words)
    plan = planned(only, overrides, console)
    served.check(
        dict.fromkeys(name for sweep in plan.sweeps for name in claims_fed_by(sweep)), overrides, plan.settings.cache
    )
    require_machine(plan.settings, plan.points)
    with Mirror(plan.settings) as mirror, Session(plan.settings, console, mirror.show_record) as session:
        ready = prepared(plan, overrides, session)
        show(ready, console)
        if asked.dry_run:
            for folder in (plan.settings.results, plan.settings.cache):
                console.print(f"on disk: {disk_use(folder) / 2**20:,.1f} MiB in {folder}", soft_wrap=True)
            return ExitCode.DONE
        added.check()
        require_trainable(plan.settings, ready.todo)
        return run(ready, session, mirror, console, began)


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    made = parser("suite", DESCRIPTION, EXAMPLES)
    made.add_argument(
        "words", nargs="*", metavar="key=value", help="only=BANK,SWEEP,... chooses; others as for experiments.run"
    )
    made.add_argument("--dry-run", action="store_true", help="print plan, estimate and disk use, and train nothing")
    return made


def planned(only: Sequence[str], overrides: Sequence[str], console: Console) -> Plan:
    """Compose what was chosen, with whatever decides what CONTROL is."""
    chosen, with_control = choose(only)
    every = choose(())[0] if with_control else chosen
    return make(compose(each(every, "composing", "sweeps", console), overrides, require_folders), chosen, with_control)


def prepared(plan: Plan, overrides: Sequence[str], session: Session) -> Prepared:
    """Look at data, records and this machine's pace.

    Raises:
        RecordError: a record that is there cannot be used.
    """
    plan = replace(plan, missing=_missing(plan))
    done = set[str]() if plan.settings.force else _recorded(plan, session)
    workers, backend = session.pool.plan.workers, session.pool.plan.backend
    pace = machine_pace((plan.settings.runs,), plan.points, workers, backend)
    todo = tuple(point for point in plan.points if point.arm.key not in done)
    return Prepared(plan=plan, overrides=tuple(overrides), todo=todo, pace=pace)


def besides(plan: Plan) -> float:
    """Seconds that judging every claim and drawing every sweep take."""
    return ENDING + CLAIM * len(kept.to_compute(register(), plan.settings.cache)) + SWEEP * len(plan.sweeps)


def _missing(plan: Plan) -> dict[str, str]:
    """Why the data of tasks cannot be had, by the task's name."""
    found = {}
    for task in dict.fromkeys(point.arm.task for point in plan.points):
        try:
            check(task, plan.settings.source)
        except MissingDataError as reason:
            found[task.name] = str(reason)
    return found


def _recorded(plan: Plan, session: Session) -> set[str]:
    """Which of the plan's points have a record that can be used."""
    return {point.arm.key for point in plan.points if usable(session.store, point)}


def show(ready: Prepared, console: Console) -> None:
    """Print the plan: stages, what is shared, and the estimate."""
    plan, todo = ready.plan, {point.arm.key for point in ready.todo}
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("stage", "bank", "arms", "shared with stages above", "to train", "members", "estimate"):
        table.add_column(column, justify="left" if column in ("stage", "bank") else "right")
    for stage in stages(plan):
        sweep = plan.sweeps[stage.name] if stage.name in plan.sweeps else None
        own = [point for point in stage.points if point.arm.key in todo]
        wanted = len(stage.points) if sweep is None else len(plan.asked(sweep))
        bank = CONTROL if sweep is None else _bank(sweep)
        cells = (wanted, wanted - len(stage.points), len(own), expected_runs(own))
        table.add_row(stage.name, bank, *map(str, cells), ready.pace.spoken(ready.pace.seconds(own)) if own else "")
    console.print(table)
    for task, reason in plan.missing.items():
        console.print(f"left out: every arm on {task}: {reason}")
    console.print("\n".join(estimate(ready)))


def estimate(ready: Prepared) -> list[str]:
    """How much there is to train, how long it will take, and how that is known."""
    plan, pace = ready.plan, ready.pace
    lines = [
        f"{len(plan.points)} arm{'s' * (len(plan.points) != 1)} at scale {plan.settings.scale}, "
        f"{plan.shared} of them shared by several sweeps; "
        f"{len(ready.todo)} to train, some {expected_runs(ready.todo)} members over all learning rates",
        f"estimate: {pace.spoken(ready.seconds)} on {pace.workers} worker{'s' if pace.workers > 1 else ''} "
        f"({pace.known}); "
        "from layers, multiply-accumulates, images, epochs and members of every arm",
    ]
    return lines


def _bank(sweep: Grid) -> str:
    return sweep.settings.sweep.bank if sweep.settings.sweep is not None else ""


def run(ready: Prepared, session: Session, mirror: Mirror, console: Console, began: float) -> int:
    """Train, judge, write. Returns the exit code."""
    plan = ready.plan
    folder = plan.settings.results / "suite" / plan.settings.scale
    clock = suite_train.Clock(pace=ready.pace, left=list(ready.todo))
    total = suite_train.train(plan, session, clock, folder, console)
    total.failures.extend(plan.missing.items())
    trained = time.perf_counter()
    there = suite_report.views(plan, ready.overrides, total, folder)
    found = suite_report.verdicts(there, plan.settings.results, console, plan.settings.cache)
    suite_report.write_verdicts(found, folder)
    for name, one in plan.sweeps.items():
        with suite_train.going_on(name, total, folder):
            if name in there:
                report = build_report(one, there[name], found)
                console.print(suite_report.line(report, write_report(report)))
                mirror.show_report(report)
    suite_report.show(found, there, plan.settings.scale, console)
    if line := mixture(session.store, (point.arm.key for point in plan.points)):
        console.print(line, markup=False)
    with suite_train.going_on("report", total, folder):
        from experiments.page.building import NAME, Asked, write_page  # here, since it brings JAX
        from experiments.page.evidence import Judged

        asked = Asked(results=plan.settings.results, fast=plan.settings.scale == "smoke")
        write_page(folder / NAME, asked, console, Judged(verdicts=found, views=there))
    ended = time.perf_counter()
    took = {"training": clock.seconds, "judging and drawing": ended - trained, "in all": ended - began}
    path = suite_report.write_summary(summary(ready, total, found, took), folder)
    console.print(
        f"trained {total.trained} arms, found {total.skipped} done, {len(total.failures)} failures; "
        f"{spoken(ended - began)}, {ready.pace.spoken(ready.seconds)} were estimated"
    )
    console.print(f"verdicts and summary: {path.parent}")
    for what, reason in total.failures:
        print(f"failed: {what}: {reason}", file=sys.stderr)
    return ExitCode.FAILED if total.failures else ExitCode.DONE


def summary(
    ready: Prepared, total: Summary, found: Mapping[str, Verdict], seconds: Mapping[str, float]
) -> dict[str, object]:
    """What the suite did, as plain data."""
    words = [verdict.word for verdict in found.values()]
    return {
        "scale": ready.plan.settings.scale,
        "overrides": list(ready.overrides),
        "sweeps": list(ready.plan.sweeps),
        "arms": {
            "planned": len(ready.plan.points),
            "shared": ready.plan.shared,
            "trained": total.trained,
            "found done": total.skipped,
        },
        "failures": [{"what": what, "reason": reason} for what, reason in total.failures],
        "seconds": {"estimated": round(ready.seconds), **{name: round(value) for name, value in seconds.items()}},
        "verdicts": {word: words.count(word) for word in WORDS if word in words},
    }


if __name__ == "__main__":
    signals.door(main)
