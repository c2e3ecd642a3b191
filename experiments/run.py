"""Train one arm or a whole sweep, and judge what it feeds: `python -m experiments.run +sweep=pool_position`."""

import sys

import hydra
from omegaconf import DictConfig
from rich.console import Console

from cnnlab.data import Missing, check
from cnnlab.records import BadRecord, Store
from cnnlab.spec.invalid import Invalid
from experiments import closing, convolutions, job, stopping
from experiments.config import schema, untrusted
from experiments.config.grid import CONF, Grid, check_question, grid, is_question, words
from experiments.config.mistakes import UserMistake, told
from experiments.config.resolve import Point
from experiments.launched import Jobs
from experiments.session import Session, Summary, require_folders, usable
from experiments.sweep_run import of_sweep
from experiments.terminal import terminal

MISTAKE, FAILED = 2, 1


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def app(cfg: DictConfig) -> None:
    """One Hydra job."""
    job.job(cfg)


def main() -> int:
    """The door. Returns the exit code: 0 only if every arm asked for has its record."""
    schema.register()
    arguments = sys.argv[1:]
    console = terminal()
    try:
        untrusted.check_flags(arguments)
        if is_question(arguments):
            check_question(arguments)
            app()
            return 0
        plan = grid(words(arguments))
        _pre_flight(plan)
    except (UserMistake, Invalid, Missing, BadRecord) as mistake:
        print(told(mistake), file=sys.stderr)
        return MISTAKE
    try:
        return _run(plan, arguments, console)
    except Invalid as refused:
        print(told(refused), file=sys.stderr)
        return MISTAKE
    except OSError as problem:
        print(f"error: {stopping.of_the_disk(problem)}", file=sys.stderr)
        return FAILED


def _pre_flight(plan: Grid) -> None:
    """What composing cannot see: that data can be had, folders written, and records already there used."""
    if plan.launcher is not None:
        plan.launcher.require()
    points = (*plan.points, *plan.checks)
    for task in dict.fromkeys(point.arm.task for point in points):
        check(task, plan.settings.source)
    require_folders(plan.settings)
    convolutions.check(plan.settings)
    store, force = Store(plan.settings.runs), plan.settings.force
    todo = points if force else [point for point in points if not usable(store, (point.arm.key, point.block))]
    if todo:
        convolutions.require_here(plan.settings, None if plan.launcher is None else plan.launcher.gpus)


def _run(plan: Grid, arguments: list[str], console: Console) -> int:
    """Train what the jobs of the grid are, look, and print."""
    points = _points(plan, arguments)
    console.print(closing.headline(plan, len({point.arm.key for point in points})))
    with _trainer(plan, console) as session:
        summary = session.train(points)
        second = closing.undecided(plan) if plan.settings.looks == 2 else ()
        if second:
            console.print(f"second look: another block of members for {len(second)} arms that are still undecided")
            _add(summary, session.train(second))
        written = closing.report(plan, summary, console)
        if written is not None:
            session.show(of_sweep(written))
    for arm, reason in summary.failures:
        print(f"failed: {arm}: {reason}", file=sys.stderr)
    return FAILED if summary.failures else 0


def _points(plan: Grid, arguments: list[str]) -> list[Point]:
    """The points of every job, from Hydra where it runs the jobs in this process; checks last."""
    if plan.launcher is not None:
        return [*plan.points, *plan.checks]
    points = _collect(arguments)
    return points + _collect([*_flags(arguments), *plan.check_overrides]) if plan.checks else points


def _trainer(plan: Grid, console: Console) -> Session | Jobs:
    """What trains: the workers of this command, or jobs of its launcher."""
    return Session(plan.settings, console) if plan.launcher is None else Jobs(plan, plan.launcher, console)


def _collect(arguments: list[str]) -> list[Point]:
    """Run Hydra on a command line; the points of its jobs."""
    job.collected.clear()
    sys.argv[1:] = arguments
    app()
    return list(job.collected)


def _flags(arguments: list[str]) -> list[str]:
    return [argument for argument in arguments if argument.startswith("-")]


def _add(summary: Summary, more: Summary) -> None:
    summary.trained += more.trained
    summary.skipped += more.skipped
    summary.failures.extend(more.failures)


if __name__ == "__main__":
    stopping.door(main)
