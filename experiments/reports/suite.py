"""How the suite ends: every claim judged, every sweep's tables and figure written, and a summary of the whole."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from cnnlab.files import write_json
from cnnlab.spec.verdict import WORDS, Verdict
from experiments.analysis.results import SweepResults, view
from experiments.analysis.selection import best_view
from experiments.analysis.verdicts import judge_claims
from experiments.claims.registry import claims, claims_fed_by, entries
from experiments.cli.console import each
from experiments.config.grid import merged
from experiments.reports import claim as claim_page
from experiments.reports.claim import verdict_data
from experiments.reports.sweep import SweepReport
from experiments.training.suite_plan import Plan
from experiments.training.suite_train import going_on
from experiments.training.summary import Summary

COLUMNS = (
    "id",
    "family",
    "kind",
    "verdict",
    "sentence",
    "number",
    "value",
    "low",
    "high",
    "unit",
    "n",
    "reason",
    "statement",
)


def views(plan: Plan, overrides: Sequence[str], total: Summary, folder: Path) -> dict[str, SweepResults]:
    """What each sweep has of records: those of the plan, others where they are complete.

    Other sweeps count at the suite's own scale, and from its own results: neither is ever mixed.
    """
    words, own = merged(overrides, [f"scale={plan.settings.scale}"]), (plan.settings.results,)
    found, cache = dict[str, SweepResults](), plan.settings.cache
    wanted = {source.sweep for name in entries() for source in claims()[name].trained}
    for name in sorted({*wanted, *plan.sweeps}):
        with going_on(name, total, folder):
            best = view(plan.sweeps[name]) if name in plan.sweeps else best_view(name, words, own, cache)
            if best is not None and any(cell.record is not None for cell in best.cells):
                found[name] = best
    return found


def verdicts(
    there: Mapping[str, SweepResults], results: Path, console: Console, cache: Path | None = None
) -> dict[str, Verdict]:
    """Judge every claim from these views, from computation (kept in a cache, if any) and from timings."""
    return judge_claims(each(entries(), "judging", "claims", console), there, results, cache)


def line(report: SweepReport, picture: str) -> str:
    """A sweep's end in a line, and one about its picture."""
    now, name = report.results, report.name
    fed = [report.verdicts[claim].word for claim in claims_fed_by(name)]
    words = ", ".join(f"{fed.count(word)} {word}" for word in WORDS if word in fed) or "feeds no claim"
    cells = (*now.cells, *now.checks)
    end = f"{name}: {sum(cell.record is not None for cell in cells)} of {len(cells)} arms, {words}; {report.folder}"
    return f"{end}\n{picture}" if picture else end


def write_verdicts(found: Mapping[str, Verdict], folder: Path) -> None:
    """Write every verdict: `verdicts.json` as `experiments.judge --json`, and `verdicts.csv`, a row a claim."""
    import pandas as pd

    folder.mkdir(parents=True, exist_ok=True)
    data = [verdict_data(entries()[name], verdict) for name, verdict in found.items()]
    write_json(folder / "verdicts.json", data, sort_keys=True)
    rows = [
        {**one, **({} if one["effect"] is None else one["effect"] | {"number": one["effect"]["name"]})} for one in data
    ]
    pd.DataFrame(rows, columns=COLUMNS).astype({"n": "Int64"}).to_csv(folder / "verdicts.csv", index=False)


def show(found: Mapping[str, Verdict], there: Mapping[str, SweepResults], scale: str, console: Console) -> None:
    """Print a line a claim, the counts, and why claims stay open."""
    claim_page.overview([(entries()[name], verdict) for name, verdict in found.items()], console)
    if scale == "smoke":
        members = max((cell.members for one in there.values() for cell in one.cells), default=0)
        console.print(
            f"Scale smoke trains {members} members an arm: too few for any verdict from training but inconclusive. "
            "It shows that every part works; scale=quick decides."
        )
    for word in ("untested", "untestable"):
        for name, verdict in found.items():
            if verdict.word == word:
                console.print(f"{word}: {name}: {verdict.reason}")


def write_summary(content: Mapping[str, Any], folder: Path) -> Path:
    """Write what the suite did and how long it took."""
    return write_json(folder / "summary.json", dict(content))
