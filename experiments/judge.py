"""Judge claims from computation and from records: `python -m experiments.judge [claims, families or all]`."""

import argparse
import contextlib
import difflib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.progress import track

from cnnlab.data import Missing
from cnnlab.records import BadRecord, Store
from cnnlab.report.canvas import save
from cnnlab.spec.arm import plain
from cnnlab.spec.invalid import Invalid
from cnnlab.spec.verdict import WORDS, Verdict
from experiments import closing, curve, judging, literature, noise, page, published, stopping
from experiments.claim import KINDS
from experiments.config.grid import first_point, grid
from experiments.config.mistakes import UserMistake
from experiments.registry import Entry, claims, register
from experiments.terminal import terminal
from experiments.timings import NotTimed
from experiments.view import View, view

MISTAKE = 2
SCALES = ("full", "quick", "smoke")
"""The highest complete scale is judged; scales are never pooled."""
DESCRIPTION = """\
One line a claim: what it says, its verdict, the number that decides with its interval, and the reason.
Of a single claim the whole page: its place in the notes, its rule, the evidence, a counterexample, what is true
instead, and its figure. Trains nothing: it computes, and reads the records and timings in results/, and where those
hold no complete sweep, the ones that come with the suite, in results/published/.
Three pages beside: `noise`, the noise floor that every sweep's A/A check measured; `curve`, the specification curve of
claims (five headlines if none is named); `literature`, the same contrasts as published elsewhere. They write to
results/claims/; exit code 1 where there is no record."""
EXAMPLES = """\
examples:
  python -m experiments.judge                                all 57 claims
  python -m experiments.judge st2-coverage-counts            one claim's page, with its figure
  python -m experiments.judge strides --verdict refuted      what is refuted in a family
  python -m experiments.judge --kind survey --json           for machines
  python -m experiments.judge mp-after-two-convs scale=full  from the records of another scale
  python -m experiments.judge noise                          how far two copies of the same net lie apart
  python -m experiments.judge curve mp-after-two-convs       a claim's contrast under every choice with records
  python -m experiments.judge literature                     the same contrasts in the literature: do they agree?"""


def main() -> int:
    """The door. Returns the exit code."""
    asked = _parser().parse_args()
    names = [word for word in asked.words if "=" not in word]
    overrides = [word for word in asked.words if "=" in word]
    try:
        settings = grid(["tracker=off", *(word for word in overrides if word.startswith("results="))]).settings
        folder = settings.results / "claims"
        if names[:1] == ["noise"]:
            runs = noise.fullest([one / "runs" for one in published.folders(settings.results)])
            return noise.page(runs, folder, terminal(), asked.json)
        if names == ["literature"]:
            there = best_views(literature.sweeps(), overrides, settings.results)
            return literature.page(there, folder, terminal(), asked.json)
        if names[:1] == ["curve"]:
            wanted = [entry.id for entry in choose(names[1:] or curve.HEADLINES)]
            there = fullest_views(wanted, overrides, settings.results)
            return curve.page(wanted, there, folder, terminal(), asked.json)
        chosen = choose(names or ["all"], asked.family, asked.kind)
        views = best_views(fed_by(entry.id for entry in chosen), overrides, settings.results)
        found = judge(chosen, views, settings.results)
        chosen = tuple(entry for entry in chosen if asked.verdict in (None, found[entry.id].word))
        one = bool(names) and len(chosen) == 1 and not asked.json
        drawn = draw(chosen, settings.results) if asked.figures or one else {}
    except (UserMistake, Invalid, Missing, BadRecord) as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return MISTAKE
    if asked.json:
        print(json.dumps([as_data(entry, found[entry.id]) for entry in chosen], indent=1, sort_keys=True))
    elif one:
        entry = chosen[0]
        page.claim(entry, found[entry.id], drawn[entry.id] if entry.id in drawn else None, terminal())
    else:
        page.overview([(entry, found[entry.id]) for entry in chosen], terminal())
        for path in drawn.values():
            print(f"figure: {path}")
    for line in () if asked.json else sources(views):
        print(line)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.judge",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "words", nargs="*", metavar="claim", help="ids or families, or all (default); key=value as for experiments.run"
    )
    families = sorted({entry.family for entry in register().values()})
    parser.add_argument("--family", choices=families, help="only this family")
    parser.add_argument("--kind", choices=KINDS, help="only claims with a part of this kind")
    parser.add_argument("--verdict", choices=WORDS, help="only claims with this verdict")
    parser.add_argument("--json", action="store_true", help="print a list of verdicts for machines")
    parser.add_argument("--figures", action="store_true", help="draw every figure into results/claims/")
    return parser


def choose(names: Sequence[str], family: str | None = None, kind: str | None = None) -> tuple[Entry, ...]:
    """Registered claims by id, by family, or all of them. Raises UserMistake with the choices."""
    entries = tuple(register().values())
    families = dict.fromkeys(entry.family for entry in entries)
    for name in names:
        if name != "all" and name not in families and name not in register():
            close = difflib.get_close_matches(name, (*families, *register()), n=3)
            meant = f"did you mean {' or '.join(close)}? " if close else ""
            valid = f"choose all, one of {', '.join(families)}, or a claim's id"
            raise UserMistake(f"{name} is no claim and no family: {meant}{valid}")
    return tuple(
        entry
        for entry in entries
        if {"all", entry.family, entry.id} & set(names)
        and family in (None, entry.family)
        and (kind is None or kind in entry.kind.split("+"))
    )


def judge(chosen: Sequence[Entry], views: Mapping[str, View], results: Path) -> dict[str, Verdict]:
    """Verdicts by id; `untested` where a claim has no record yet."""
    names = [entry.id for entry in chosen]
    shown = sys.stderr.isatty() and len(names) > 1
    return judging.verdicts(track(names, "judging", console=terminal(sys.stderr), disable=not shown), views, results)


def fed_by(names: Iterable[str]) -> tuple[str, ...]:
    """The sweeps that claims rest on, in alphabetical order."""
    return tuple(sorted({trained.sweep for name in names for trained in claims()[name].trained}))


def best_views(sweeps: Iterable[str], overrides: Sequence[str], results: Path) -> dict[str, View]:
    """The best view of every sweep that has one, from a user's own results or as published."""
    found = {sweep: best_view(sweep, overrides, published.folders(results)) for sweep in sweeps}
    return {sweep: best for sweep, best in found.items() if best is not None}


def best_view(sweep: str, overrides: Sequence[str], folders: Sequence[Path]) -> View | None:
    """The view at the highest scale whose every arm has a record in one of the folders, the first such folder.

    None where no scale is complete. Records of two folders are never mixed.
    """
    asked, others = split(overrides)
    for scale in asked or SCALES:
        for folder in folders:
            found = complete_view(published.words(folder, sweep, scale, others), folder)
            if found is not None:
                return found
    return None


def complete_view(words: list[str] | None, folder: Path) -> View | None:
    """The view that a command line composes, of the records in a results folder; None unless every arm has one."""
    first = None if words is None else first_point(words)
    if words is None or (first is not None and not Store(folder / "runs").has(first.arm.key, 0)):
        return None
    found = view(published.lying_in(grid(words), folder))
    return found if all(cell.records for cell in (*found.cells, *found.checks)) else None


def split(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """The scales that a command line asks for, and everything else that bears on arms."""
    scales = [word.removeprefix("scale=") for word in overrides if word.startswith("scale=")]
    return scales, [word for word in overrides if not word.startswith(("scale=", "results="))]


def fullest_view(sweep: str, overrides: Sequence[str], folders: Sequence[Path]) -> View | None:
    """The view at the scale, and from the folder, with most records of its arms; None where no arm has one."""
    asked, others = split(overrides)
    found: list[tuple[float, View]] = []
    for scale in asked or SCALES:
        for folder in folders:
            words = published.words(folder, sweep, scale, others)
            if words is not None:
                now = view(published.lying_in(grid(words), folder))
                found.append((sum(bool(cell.records) for cell in now.cells) / len(now.cells), now))
                if found[-1][0] == 1:
                    return now
    share, fullest = max(found, key=lambda pair: pair[0], default=(0.0, None))
    return fullest if share else None


def fullest_views(names: Sequence[str], overrides: Sequence[str], results: Path) -> dict[str, View]:
    """The fullest view of every sweep that these claims rest on, where there is one."""
    found = {sweep: fullest_view(sweep, overrides, published.folders(results)) for sweep in fed_by(names)}
    return {sweep: fullest for sweep, fullest in found.items() if fullest is not None}


def sources(views: Mapping[str, View]) -> list[str]:
    """Where the records that were judged lie, a line for each folder and scale."""
    places: dict[tuple[Path, str], list[str]] = {}
    for sweep, one in views.items():
        places.setdefault((one.settings.runs, one.settings.scale), []).append(sweep)
    return [f"records: {runs}, scale {scale}: {', '.join(sweeps)}" for (runs, scale), sweeps in places.items()]


def draw(chosen: Sequence[Entry], results: Path) -> dict[str, Path]:
    """Draw the figures of these claims; returns their paths by id. What was never timed cannot be drawn."""
    paths = {}
    for entry in chosen:
        figure = claims()[entry.id].figure
        if figure is not None:
            with contextlib.suppress(NotTimed):
                paths[entry.id] = save(figure(), results / "claims" / f"{entry.id}.png")
    return paths


def as_data(entry: Entry, verdict: Verdict) -> dict[str, Any]:
    """One verdict as plain data, all of the reasons beside the word."""
    number = page.deciding(verdict)
    beside = {
        "condition": verdict.condition,
        "counterexample": verdict.counterexample,
        "tables": plain(verdict.tables),
        "effects": plain(verdict.effects),
    }
    content = {
        "id": entry.id,
        "family": entry.family,
        "kind": entry.kind,
        "verdict": verdict.printed,
        "statement": claims()[entry.id].says,
        "rule": page.rule_name(claims()[entry.id].rule),
        "reason": verdict.reason,
        "effect": None if number is None else plain(number),
        "n": page.count(verdict),
        "evidence": {**plain(verdict.evidence), **{key: value for key, value in beside.items() if value}},
        "nearest_true": verdict.nearest_true,
    }
    return {key: closing.finite(value) for key, value in content.items()}


if __name__ == "__main__":
    stopping.door(main, stopping.STOPPED)
