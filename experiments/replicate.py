"""Train a published sweep anew with other seeds: `python -m experiments.replicate +sweep=pool_position`."""

import argparse
import sys

from rich.console import Console

from experiments.analysis.results import SweepResults, view
from experiments.analysis.selection import best_view, composing_words, relocated, split, trusted_folders
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import terminal
from experiments.cli.errors import UsageError
from experiments.config.grid import Grid, grid, merged
from experiments.paths import sweep_folder
from experiments.reports import added, replication
from experiments.training.session import Session, require_folders, require_machine, require_trainable

FIRST_SEED = "scale.first_seed=3000"
DESCRIPTION = """\
Does a sweep's result come back? Its arms are trained again with other seeds, exactly as the finished sweep was run (the
user's own in results/, else the published one). Then every effect stands beside its replication: both 95 % intervals,
the distance z in standard errors, and both calls. If intervals are honest, some 5 % of effects have |z| > 2, and no
call changes side (Pos against Neg, or Null against either).
Records go to results/replication/runs/, table and figure to results/replication/sweeps/<sweep>/<scale>/. It takes as
long as the sweep; killed, it goes on where it was."""
EXAMPLES = """\
examples:
  python -m experiments.replicate +sweep=pool_position                          with seeds from 3000 on
  python -m experiments.replicate +sweep=pool_position scale.first_seed=4000    with others"""


@command
def main() -> int:
    """The door. Returns the exit code: 0 only if every arm has its record."""
    words = command_line().parse_intermixed_args().words
    console = terminal()
    first, plan = planned(words)
    added.check()
    points = (*plan.points, *plan.checks)
    line = require_machine(plan.settings, points, first.settings.runs)
    require_trainable(plan.settings, points)
    console.print(f"{plan.settings.sweep_name} at scale {plan.settings.scale}, as in {first.settings.results}")
    console.print(f"{len({point.arm.key for point in points})} arms again, seeds from {points[0].seeds[0]} on")
    if line:
        console.print(line)
    with Session(plan.settings, console) as session:
        summary = session.train(points)
    for arm, reason in summary.failures:
        print(f"failed: {arm}: {reason}", file=sys.stderr)
    if not summary.failures:
        show(first, view(plan), console)
    return ExitCode.FAILED if summary.failures else ExitCode.DONE


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    made = parser("replicate", DESCRIPTION, EXAMPLES)
    made.add_argument(
        "words", nargs="+", metavar="key=value", help="+sweep=NAME, and what else it was run with; results=FOLDER"
    )
    return made


def planned(words: list[str]) -> tuple[SweepResults, Grid]:
    """The sweep as it was run, and the grid that runs it again.

    Raises:
        UsageError: no sweep is named, it has no complete records, or the seeds are those of its members.
        InvalidError: as `experiments.config.grid.grid`.
    """
    sweeps = [word.removeprefix("+sweep=") for word in words if word.startswith("+sweep=")]
    if len(sweeps) != 1:
        raise UsageError("name one sweep, such as +sweep=pool_position")
    fixed = ("results=", "scale.first_seed=", "+sweep=")
    asked = [word for word in words if not word.startswith(fixed)]
    seeds = [word for word in words if word.startswith("scale.first_seed=")]
    meant = grid([*words, "tracker=off"])
    if meant.launcher is not None:
        raise UsageError("hydra/launcher is not valid here: a replication trains in the workers of this command")
    settings = meant.settings
    require_folders(settings)
    first = best_view(sweeps[0], asked, trusted_folders(settings.results))
    if first is None:
        raise UsageError(f"+sweep={sweeps[0]} has no complete records: run it first, or name its folder (results=DIR)")
    ran = composing_words(first.settings.results, sweeps[0], first.settings.scale, split(asked)[1])
    plan = grid(merged(ran or [], [*(seeds or [FIRST_SEED]), "tracker=off"]))
    before = {seed for cell in first.cells for seed in cell.point.seeds}
    if before & {seed for point in plan.points for seed in point.seeds}:
        raise UsageError(f"{(seeds or [FIRST_SEED])[0]} repeats members of the sweep: a replication has other seeds")
    return first, relocated(plan, settings.results / replication.NAME)


def show(first: SweepResults, again: SweepResults, console: Console) -> None:
    """Print and write the comparison."""
    compared = replication.compare(first, again)
    replication.show(compared, console)
    folder = sweep_folder(compared.sweep, compared.scale, again.settings.results)
    for path in replication.write(compared, folder):
        console.print(f"written: {path}")


if __name__ == "__main__":
    signals.door(main)
