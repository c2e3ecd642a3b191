"""Train one arm or a whole sweep, and judge what it feeds: `python -m experiments.run +sweep=pool_position`."""

import sys

import hydra
from omegaconf import DictConfig
from rich.console import Console

from cnnlab.data import check
from cnnlab.records import Store
from experiments.analysis import served
from experiments.analysis.convergence import TIMES, longer_points
from experiments.analysis.results import view
from experiments.claims.registry import claims_fed_by
from experiments.cli import signals, version
from experiments.cli.command import ExitCode, command
from experiments.cli.console import terminal
from experiments.config import hydra_guard, keys, schema
from experiments.config.grid import Grid, check_question, free_keys, grid
from experiments.paths import CONF
from experiments.reports import added, dataset_card
from experiments.reports import sweep as sweep_report
from experiments.tracking.mirror import Mirror, show_records
from experiments.training import own_modules
from experiments.training.remote import JobEnds, RemoteTrainer
from experiments.training.session import Session, require_folders, require_machine, require_trainable


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def answer(cfg: DictConfig) -> None:
    """Let Hydra answer what a command line asks: `--cfg job`, `--info`."""


@command
def main() -> int:
    """The door. Returns the exit code: 0 only if every arm asked for has its record."""
    if version.FLAG in sys.argv[1:]:
        print(version.line())
        return ExitCode.DONE
    schema.register()
    line = hydra_guard.parse(sys.argv[1:])
    if line.question:
        words = [word for word in line.overrides if word != hydra_guard.AS_MULTIRUN]
        asked = check_question(words)
        if {"--help", "-h"} & set(line.question):
            print(keys.help_text(asked, CONF))
            return ExitCode.DONE
        sys.argv[1:] = [*line.question, *map(free_keys, words)]
        answer()
        if "job" in line.question:  # on standard error, since the config is read by machines
            tell_price(grid(list(line.overrides)), terminal(sys.stderr))
        return ExitCode.DONE
    plan = grid(list(line.overrides))
    console = terminal()
    if wanted := check_feasible(plan):
        console.print(wanted)
    return run(plan, console, verbose=line.verbose)


def tell_size(plan: Grid, console: Console) -> None:
    """Say what is asked, and how many arms there are."""
    points = (*plan.points, *plan.checks)
    console.print(sweep_report.headline(plan, len({point.arm.key for point in points})))


def tell_price(plan: Grid, console: Console) -> None:
    """Say what is asked, how many arms there are, and what training them here would take."""
    tell_size(plan, console)
    if plan.launcher is None and (wanted := require_machine(plan.settings, (*plan.points, *plan.checks))):
        console.print(wanted)


def check_feasible(plan: Grid) -> str:
    """Check what composing cannot see: memory, time, that data can be had, folders written, and records there used.

    Returns:
        A line about what training here will take; empty where all is done, or is trained elsewhere.
    """
    if plan.launcher is not None:
        plan.launcher.require()
    points = (*plan.points, *plan.checks)
    require_folders(plan.settings)
    line = require_machine(plan.settings, points) if plan.launcher is None else ""
    for task in dict.fromkeys(point.arm.task for point in points):
        check(task, plan.settings.source)
    added.check()
    served.check(claims_fed_by(plan.settings.sweep_name), plan.words, plan.settings.cache)
    require_trainable(plan.settings, points, None if plan.launcher is None else plan.launcher.gpus)
    return line


def run(plan: Grid, console: Console, *, verbose: bool = False) -> int:
    """Train every arm of the grid, judge, and print: what was found, and every table if it is to be verbose."""
    points = (*plan.points, *plan.checks)
    tell_size(plan, console)
    for line in own_modules.remarks(points, Store(plan.settings.runs)):
        console.print(line, markup=False)
    dataset_card.show((point.arm.task for point in points), console)
    with Mirror(plan.settings) as mirror, trainer(plan, mirror, console) as session:
        summary = session.train(points)
        longer = longer_points(view(plan))
        if longer:
            console.print(f"convergence: {len(longer)} arms of decided contrasts again, {TIMES} times as long")
            summary.add(session.train(longer))
        report = sweep_report.finish(plan, summary, console, verbose=verbose)
        if report is not None:
            mirror.show_report(report)
    for arm, reason in summary.failures:
        print(f"failed: {arm}: {reason}", file=sys.stderr)
    return ExitCode.FAILED if summary.failures else ExitCode.DONE


def trainer(plan: Grid, mirror: Mirror, console: Console) -> Session | RemoteTrainer:
    """What trains: the workers of this command, or jobs of its launcher."""
    if plan.launcher is None:
        return Session(plan.settings, console, mirror.show_record)
    ends = JobEnds(show_records=show_records, finish=sweep_report.finish)
    return RemoteTrainer(plan, plan.launcher, console, ends)


if __name__ == "__main__":
    signals.door(main)
