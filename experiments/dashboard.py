"""The W&B workspace, from code: `python -m experiments.dashboard [+sweep=NAME] [tracker=online]`."""

import argparse
import contextlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from cnnlab.files import write_json
from cnnlab.records import require_writable
from cnnlab.tracking import service
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import terminal
from experiments.cli.errors import UsageError
from experiments.config.grid import Grid, grid
from experiments.config.resolve import Settings
from experiments.reports.sweep import build_report, write_report
from experiments.tracking.mirror import Mirror
from experiments.tracking.workspace import spec, workspace

SECONDS = 20
DESCRIPTION = """\
Saves the W&B workspace of the project, or of one sweep's runs: sections for accuracy by factor level with bands,
gradients by layer and step, cost against accuracy, verdicts, and pictures. With tracker=online it goes to the server
(the same workspace, however often); otherwise its spec is written to results/dashboard/. Bands are drawn over the
members of an arm where these are runs of their own (tracker.unit=seed)."""
EXAMPLES = """\
examples:
  python -m experiments.dashboard                                        the spec of the whole project's workspace
  python -m experiments.dashboard +sweep=pool_position tracker=online    one sweep's, on the server
  python -m experiments.dashboard +sweep=pool_position --runs            first show the sweep's runs again, from
                                                                         its records: after W&B, disk or network failed
Needs wandb-workspaces (pip install -e '.[dashboard]').
Exit code: 0; 1 if the server refused or could not be reached; 2 for a wrong argument, or no API key."""


@command
def main() -> int:
    """The door. Returns the exit code."""
    asked, console = command_line().parse_intermixed_args(), terminal()
    if not installed():
        raise UsageError("wandb-workspaces is not installed: pip install -e '.[dashboard]'")
    plan = grid(list(asked.words))
    if asked.runs and plan.settings.sweep is None:
        raise UsageError("--runs shows the runs of one sweep: name it, +sweep=NAME")
    require_writable(plan.settings.results, "results", "dashboard")
    if asked.runs:
        console.print(show_again(plan))
    if plan.settings.tracker != "online":
        console.print(f"workspace: {write(plan.settings)}")
        return ExitCode.DONE
    try:
        console.print(f"workspace: {save(plan.settings)}")
    except PermissionError as error:
        raise UsageError(f"{error}; tracker=offline writes the spec without one") from error
    except Exception as error:  # whatever W&B, its server or the network raises is one line
        print(f"error: W&B: {' '.join(str(error).split())}", file=sys.stderr)
        return ExitCode.FAILED
    return ExitCode.DONE


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    made = parser("dashboard", DESCRIPTION, EXAMPLES)
    made.add_argument("words", nargs="*", metavar="key=value", help="+sweep=NAME, and keys as for experiments.run")
    made.add_argument("--runs", action="store_true", help="show every record of the sweep again, and its summary")
    return made


def installed() -> bool:
    """Whether there is what builds workspaces: an extra."""
    return importlib.util.find_spec("wandb_workspaces") is not None


def show_again(plan: Grid) -> str:
    """Mirror every record of a sweep and its summary, as if it had just run; returns a line about it."""
    report = build_report(plan)
    write_report(report)
    cells = (*report.results.cells, *report.results.checks)
    with Mirror(plan.settings) as mirror:
        for cell in cells:
            if cell.record is not None:
                mirror.show_record(cell.point, cell.record, plan.settings)
        mirror.show_report(report)
    return f"{report.name}: {sum(cell.record is not None for cell in cells)} records of {len(cells)} arms"


def write(settings: Settings) -> Path:
    """Write the spec as the server would be sent it; returns its file."""
    name = settings.sweep_name or "all"
    made = workspace(entity="", project=settings.project, group=settings.sweep_name)
    return write_json(settings.results / "dashboard" / f"{name}.json", spec(made))


def save(settings: Settings) -> str:
    """Save the workspace on the server, in place of an earlier one; returns its address. Raises whatever W&B does."""
    service.start("online", settings.runs / "wandb")
    import wandb
    from wandb_workspaces.workspaces import internal

    entity = str(wandb.Api(timeout=SECONDS).default_entity)
    made: Any = workspace(entity=entity, project=settings.project, group=settings.sweep_name)
    place = internal._internal_name_to_url_query_str(made._internal_name)
    with contextlib.suppress(ValueError):  # there is none yet
        made._internal_id = internal.get_view_dict(made.entity, made.project, place)["id"]
    made.save()
    return str(made.url)


if __name__ == "__main__":
    signals.door(main, signals.STOPPED)
