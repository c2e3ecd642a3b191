"""Judge claims from computation and from records: `python -m experiments.judge [claim, family or all]`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cnnlab.data import Missing
from cnnlab.records import BadRecord
from cnnlab.spec.arm import plain
from cnnlab.spec.invalid import Invalid
from cnnlab.spec.verdict import Verdict
from experiments import closing, judging
from experiments.claim import Trained
from experiments.config.grid import grid
from experiments.config.mistakes import UserMistake
from experiments.registry import Entry, claims, register
from experiments.terminal import terminal
from experiments.view import View, view

MISTAKE = 2
SCALES = ("full", "quick", "smoke")
"""The highest complete scale is judged; scales are never pooled."""


def main() -> int:
    """The door. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.judge",
        description="One line a claim: its verdict, and the reason. Trains nothing; reads results/ and computes.",
        epilog="Overrides as for experiments.run may follow, such as data=fashion_mnist or results=FOLDER.",
    )
    parser.add_argument("what", nargs="?", default="all", help="a claim's id, a family, or all (default)")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as for experiments.run")
    parser.add_argument("--json", action="store_true", help="print a list of verdicts for machines")
    asked = parser.parse_args()
    if "=" in asked.what:
        asked.what, asked.overrides = "all", [asked.what, *asked.overrides]
    try:
        chosen = choose(asked.what)
        found = judge(chosen, asked.overrides)
    except (UserMistake, Invalid, Missing, BadRecord) as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return MISTAKE
    if asked.json:
        print(json.dumps([as_data(entry, found[entry.id]) for entry in chosen], indent=1, sort_keys=True))
        return 0
    show(chosen, found, terminal())
    return 0


def choose(what: str) -> tuple[Entry, ...]:
    """Registered claims by id, by family, or all of them. Raises UserMistake with the choices."""
    entries = tuple(register().values())
    families = dict.fromkeys(entry.family for entry in entries)
    chosen = tuple(entry for entry in entries if what in ("all", entry.family, entry.id))
    if not chosen:
        raise UserMistake(
            f"{what} is no claim and no family: choose all, one of {', '.join(families)}, or a claim's id"
        )
    return chosen


def judge(chosen: Sequence[Entry], overrides: Sequence[str]) -> dict[str, Verdict]:
    """Verdicts by id; `untested` where the claim is not written yet or has no record."""
    written = [entry.id for entry in chosen if entry.id in claims()]
    sweeps = {
        trained.sweep for name in written if isinstance(trained := claims()[name].evidence, Trained)
    }  # fmt: skip
    views = {sweep: best for sweep in sweeps if (best := best_view(sweep, overrides)) is not None}
    found = judging.verdicts(written, views, Path("results"))
    missing = Verdict(word="untested", reason="its evidence is not written yet")
    return {entry.id: found[entry.id] if entry.id in found else missing for entry in chosen}


def best_view(sweep: str, overrides: Sequence[str]) -> View | None:
    """The view at the highest scale whose every arm has a record; None where no scale is complete."""
    asked = [word.removeprefix("scale=") for word in overrides if word.startswith("scale=")]
    others = [word for word in overrides if not word.startswith("scale=")]
    for scale in asked or SCALES:
        words = [f"+sweep={sweep}", *others, f"scale={scale}"]
        found = view(grid(words))
        if all(cell.records for cell in (*found.cells, *found.checks)):
            return found
    return None


def as_data(entry: Entry, verdict: Verdict) -> dict[str, Any]:
    """One verdict as plain data, all of the reasons beside the word."""
    claim = claims()[entry.id] if entry.id in claims() else None
    primary = [effect for effect in verdict.effects if effect.setting.condition == "own"]
    content = {
            "id": entry.id, "family": entry.family, "kind": entry.kind, "verdict": verdict.printed,
            "statement": None if claim is None else claim.says,
            "rule": None if claim is None else type(claim.rule).__name__,
            "reason": verdict.reason, "effect": plain(primary[0]) if primary else None,
            "n": primary[0].n if primary else None, "evidence": plain(verdict.evidence),
            "nearest_true": verdict.nearest_true,
    }  # fmt: skip
    return {key: closing.finite(value) for key, value in content.items()}


def show(chosen: Sequence[Entry], found: dict[str, Verdict], console: Console) -> None:
    """One line a claim; a single claim with its statement and its place in the notes."""
    if len(chosen) == 1 and chosen[0].id in claims():
        claim = claims()[chosen[0].id]
        console.print(
            f"[bold]{chosen[0].id}[/bold]: {claim.says}\nnotes: {claim.notes}\nrule: {type(claim.rule).__name__}"
        )
    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in ("claim", "kind", "verdict", "reason"):
        table.add_column(column, overflow="fold")
    for entry in chosen:
        verdict = found[entry.id]
        table.add_row(entry.id, entry.kind, verdict.printed, verdict.reason.replace("[", "\\["))
    console.print(table)
    for entry in chosen:
        if len(chosen) == 1 and found[entry.id].nearest_true:
            console.print(f"nearest true statement: {found[entry.id].nearest_true}")


if __name__ == "__main__":
    sys.exit(main())
