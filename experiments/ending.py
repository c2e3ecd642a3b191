"""How the suite ends: every claim judged, every sweep's tables and figure written, and a summary of the whole."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import track

from cnnlab.spec.verdict import WORDS, Verdict
from experiments import closing, judge, judging, page
from experiments.closing import Written
from experiments.config.grid import Grid
from experiments.plan import Plan, merged
from experiments.registry import claims, claims_fed_by, register
from experiments.session import Summary
from experiments.staged import going_on
from experiments.view import View, view

COLUMNS = ("id", "family", "kind", "verdict", "number", "value", "low", "high", "unit", "n", "reason", "statement")


def views(plan: Plan, overrides: Sequence[str], total: Summary, folder: Path) -> dict[str, View]:
    """What each sweep has of records: those of the plan as far as they were not cut, others where they are complete.

    Other sweeps count at the suite's own scale, and from its own results: neither is ever mixed.
    """
    words, own = merged(overrides, [f"scale={plan.settings.scale}"]), (plan.settings.results,)
    found: dict[str, View] = {}
    wanted = {source.sweep for name in register() for source in claims()[name].trained}
    for name in sorted({*wanted, *plan.sweeps}):
        with going_on(name, total, folder):
            best = view(plan.sweeps[name]) if name in plan.sweeps else judge.best_view(name, words, own)
            if best is not None and any(cell.records for cell in best.cells):
                found[name] = best
    return found


def verdicts(there: Mapping[str, View], results: Path, console: Console) -> dict[str, Verdict]:
    """Judge every registered claim from these views, from computation and from timings."""
    names = track(list(register()), "judging", console=console, disable=not console.is_terminal, transient=True)
    return judging.verdicts(names, there, results)


def write_sweep(plan: Grid, now: View, found: Mapping[str, Verdict]) -> Written:
    """Write what `experiments.run` writes of a sweep, in the same place."""
    name = plan.settings.sweep_name
    arms, pairs = closing.arm_table(now), judging.pairwise(now)
    own = {claim: found[claim] for claim in (*closing.related(name), *claims_fed_by(name))}
    return closing.write(plan, now, arms, closing.effect_table(now, pairs), own, pairs)


def line(written: Written) -> str:
    """A sweep's end in a line, and one about its picture."""
    now, name = written.view, written.view.settings.sweep_name
    fed = [written.verdicts[claim].word for claim in claims_fed_by(name)]
    words = ", ".join(f"{fed.count(word)} {word}" for word in WORDS if word in fed) or "feeds no claim"
    cells = (*now.cells, *now.checks)
    end = f"{name}: {sum(bool(cell.records) for cell in cells)} of {len(cells)} arms, {words}; {written.folder}"
    return f"{end}\n{written.picture}" if written.picture else end


def write_verdicts(found: Mapping[str, Verdict], folder: Path) -> None:
    """Write every verdict: `verdicts.json` as `experiments.judge --json`, and `verdicts.csv`, a row a claim."""
    folder.mkdir(parents=True, exist_ok=True)
    data = [judge.as_data(register()[name], verdict) for name, verdict in found.items()]
    (folder / "verdicts.json").write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")
    rows = [
        {**one, **({} if one["effect"] is None else one["effect"] | {"number": one["effect"]["name"]})} for one in data
    ]
    pd.DataFrame(rows, columns=COLUMNS).astype({"n": "Int64"}).to_csv(folder / "verdicts.csv", index=False)


def show(found: Mapping[str, Verdict], there: Mapping[str, View], scale: str, console: Console) -> None:
    """Print a line a claim, the counts, and why claims stay open."""
    page.overview([(register()[name], verdict) for name, verdict in found.items()], console)
    if scale == "smoke":
        members = max((cell.members for one in there.values() for cell in one.cells), default=0)
        console.print(
            f"Scale smoke trains {members} members an arm: too few for any verdict from training but inconclusive. "
            "It shows that every part works; scale=quick decides."
        )
    for word in ("untested", "untestable"):
        for name, verdict in found.items():
            if verdict.word == word:
                console.print(f"{word}: {name}: {verdict.reason}", markup=False)


def write_summary(content: Mapping[str, Any], folder: Path) -> Path:
    """Write what the suite did and how long it took."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "summary.json"
    path.write_text(json.dumps(closing.finite(dict(content)), indent=1) + "\n")
    return path
