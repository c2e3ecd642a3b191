"""Look at what a record holds: `python -m experiments.show gradients ARM`."""

import argparse

from cnnlab.files import json_text
from cnnlab.records import require_writable
from experiments.analysis import lookup
from experiments.analysis.selection import trusted_folders
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import terminal
from experiments.cli.errors import UsageError
from experiments.config.grid import grid
from experiments.reports import gradients

PAGES = ("gradients",)
DESCRIPTION = """\
gradients: of one arm that has a record, by layer and training step: norms of the gradient at layer outputs and of the
weights' gradients, the size of a step over that of the weights, and the shares of dead and of saturated units. A table
of six steps on the terminal; all steps, with the lowest and highest member, and the figure go to results/gradients/.
An arm is named by any part of its name that no other has (the folders of results/runs/, then the published ones), or
by the words that train it. Trains nothing. Published records keep only the statistics that claims read."""
EXAMPLES = """\
examples:
  python -m experiments.show gradients 6bb14e7773                        by a part of its name
  python -m experiments.show gradients model.activation=sigmoid          by the words that train it
  python -m experiments.show gradients model.pools=[2,4] --json          for machines; writes nothing
Exit code: 0; 2 for a wrong argument, or an arm without a record or without statistics."""


@command
def main() -> int:
    """The door. Returns the exit code."""
    asked = command_line().parse_intermixed_args()
    places = [word for word in asked.words if word.startswith("results=")]
    settings = grid(["tracker=off", *places]).settings
    words = [word for word in asked.words if word not in places]
    if not words:
        raise UsageError("no arm is named: give a part of its name, or key=value as for experiments.run")
    record = lookup.by_any(words, trusted_folders(settings.results)).record
    found = gradients.gradients(record)
    if asked.json:
        print(json_text(gradients.data(found)))
        return ExitCode.DONE
    require_writable(settings.results, "results", "gradients")
    console = terminal()
    gradients.show(found, console)
    for what, path in gradients.write(found, settings.results / "gradients").items():
        console.print(f"{what}: {path}", soft_wrap=True)
    return ExitCode.DONE


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    made = parser("show", DESCRIPTION, EXAMPLES)
    made.add_argument("page", choices=PAGES, help="what to show")
    made.add_argument("words", nargs="+", metavar="ARM", help="a part of its name, or key=value as for experiments.run")
    made.add_argument("--json", action="store_true", help="print the numbers for machines, and write nothing")
    return made


if __name__ == "__main__":
    signals.door(main, signals.STOPPED)
