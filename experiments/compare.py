"""Two arms, or two results folders, side by side: `python -m experiments.compare RUN RUN`."""

import argparse
import functools
import shlex
from pathlib import Path

from cnnlab.files import is_folder, json_text
from experiments.analysis import lookup
from experiments.analysis.selection import trusted_folders
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import terminal
from experiments.cli.errors import UsageError
from experiments.cli.words import check_once
from experiments.config.grid import grid
from experiments.reports import comparison

DESCRIPTION = """\
Two arms: what differs in their config, in the nets' sizes and in what they were made with; test accuracy at every
learning rate; and, of members with the same seeds on the same task, the ratio of errors with its interval.
Two results folders: which arms either has, and of those that both have, accuracies, whether every member has the same
results, and how many standard errors their means lie apart. A comparison decides no claim: claims have rules, and
experiments.judge reads them."""
EXAMPLES = """\
examples:
  python -m experiments.compare 6bb14e7773 bcbbb755ef                              parts of the arms' names
  python -m experiments.compare model.activation=sigmoid model.activation=relu     the words that train them
  python -m experiments.compare "model.width=8 data=vernier" data=vernier          several words in quotes
  python -m experiments.compare results results/replication                        two results folders
  ... results=FOLDER                                                               where arms are looked for first
  ... --json                                                                       for machines
Exit code: 0; 1 if a record cannot be read; 2 for a wrong argument, or where there is nothing to compare."""


@functools.partial(command, once=False)
def main() -> int:
    """The door. Returns the exit code."""
    asked = command_line().parse_intermixed_args()
    places = [word for word in asked.words if word.startswith("results=")]
    runs = [word for word in asked.words if word not in places]
    if len(runs) != 2:
        raise UsageError(f"{len(runs)} RUNs are given, and 2 are compared: put several words of one arm in quotes")
    settings = grid(["tracker=off", *places]).settings
    folders = [results_folder(one) for one in runs]
    if all(folders):
        found = comparison.of_folders(*(folder for folder in folders if folder is not None))
        print(json_text(found.data())) if asked.json else comparison.show_folders(found, terminal())
        return ExitCode.FAILED if found.unread else ExitCode.DONE
    if any(folders):
        one, other = sorted(runs, key=lambda run: results_folder(run) is None)
        why = "has no runs/" if is_folder(Path(other)) else "is no folder"
        raise UsageError(f"{one} is a results folder, and {other} {why}: give two results folders, or two arms")
    there = trusted_folders(settings.results)
    first, second = (lookup.by_any(words(one), there) for one in runs)
    if first.record.arm == second.record.arm:
        raise UsageError(f"{runs[0]} and {runs[1]} are the same arm, {first.record.arm}: give two")
    pair = comparison.of_arms(first, second)
    print(json_text(pair.data())) if asked.json else comparison.show_arms(pair, terminal())
    return ExitCode.DONE


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    made = parser("compare", DESCRIPTION, EXAMPLES)
    made.add_argument(
        "words", nargs="+", metavar="RUN", help="a part of an arm's name, key=value words, or a results folder"
    )
    made.add_argument("--json", action="store_true", help="print the comparison for machines")
    return made


def words(run: str) -> list[str]:
    """The words of one RUN. Raises UsageError for a quote that does not close, and for a key that names no arm."""
    try:
        found = shlex.split(run)
    except ValueError as problem:
        raise UsageError(f"{run} cannot be read: {problem}") from None
    check_once(found)
    if not found:
        raise UsageError("a RUN is empty: give a part of an arm's name, key=value words, or a results folder")
    return found


def results_folder(run: str) -> Path | None:
    """The results folder that a RUN names: one with runs/ in it; None where it names none."""
    return Path(run).expanduser() if is_folder(Path(run) / "runs") else None


if __name__ == "__main__":
    signals.door(main, signals.STOPPED)
