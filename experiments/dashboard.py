"""The W&B workspace, from code: `python -m experiments.dashboard [+sweep=NAME] [tracker=online]`."""

import argparse
import contextlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from cnnlab.records import BadRecord
from cnnlab.spec.invalid import Invalid
from cnnlab.tracking import service
from experiments import closing, ending, judging, stopping
from experiments.arm_run import of_arm
from experiments.config.grid import Grid, grid
from experiments.config.mistakes import UserMistake
from experiments.config.resolve import Settings
from experiments.registry import claims_fed_by
from experiments.session import Session
from experiments.sweep_run import of_sweep
from experiments.terminal import terminal
from experiments.view import view
from experiments.workspace import spec, workspace

MISTAKE, FAILED = 2, 1
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


def main() -> int:
    """The door. Returns the exit code."""
    asked, console = _parser().parse_intermixed_args(), terminal()
    try:
        if not installed():
            raise UserMistake("wandb-workspaces is not installed: pip install -e '.[dashboard]'")
        plan = grid(list(asked.words))
        if asked.runs and plan.settings.sweep is None:
            raise UserMistake("--runs shows the runs of one sweep: name it, +sweep=NAME")
        if asked.runs:
            console.print(show_again(plan), markup=False)
    except (UserMistake, Invalid, BadRecord) as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return MISTAKE
    if plan.settings.tracker != "online":
        console.print(f"workspace: {write(plan.settings)}", markup=False)
        return 0
    try:
        console.print(f"workspace: {save(plan.settings)}", markup=False)
    except PermissionError as mistake:
        print(f"error: {mistake}; tracker=offline writes the spec without one", file=sys.stderr)
        return MISTAKE
    except Exception as problem:  # whatever W&B, its server or the network raises is one line
        print(f"error: W&B: {' '.join(str(problem).split())}", file=sys.stderr)
        return FAILED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.dashboard",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", metavar="key=value", help="+sweep=NAME, and keys as for experiments.run")
    parser.add_argument("--runs", action="store_true", help="show every record of the sweep again, and its summary")
    return parser


def installed() -> bool:
    """Whether there is what builds workspaces: an extra."""
    return importlib.util.find_spec("wandb_workspaces") is not None


def show_again(plan: Grid) -> str:
    """Mirror every record of a sweep and its summary, as if it had just run; returns a line about it."""
    now, name = view(plan), plan.settings.sweep_name
    found = judging.verdicts((*closing.related(name), *claims_fed_by(name)), {name: now}, plan.settings.results)
    cells = (*now.cells, *now.checks)
    with Session(plan.settings) as session:
        for cell in cells:
            for record in cell.records:
                session.show(*of_arm(cell.point, record, plan.settings))
        session.show(of_sweep(ending.write_sweep(plan, now, found)))
    return f"{name}: {sum(len(cell.records) for cell in cells)} records of {len(cells)} arms"


def write(settings: Settings) -> Path:
    """Write the spec as the server would be sent it; returns its file."""
    name = settings.sweep_name or "all"
    path = settings.results / "dashboard" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    made = workspace(entity="", project=settings.project, group=settings.sweep_name)
    path.write_text(json.dumps(spec(made), indent=1) + "\n")
    return path


def save(settings: Settings) -> str:
    """Save the workspace on the server, in place of an earlier one; returns its address. Raises whatever W&B does."""
    service.start("online")
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
    stopping.door(main, stopping.STOPPED)
