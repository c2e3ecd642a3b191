"""What others have published beside what the records say, `python -m experiments.judge literature`.

The numbers of the literature, with their sources, are data: literature.json. A line there is a contrast of a sweep and
the region in which the literature has it, such as "above 1". What is compared by test accuracy is a ratio of errors,
the worse side's over the better side's: Springenberg's stride for a pool, 13.46 % over 12.47 %, is x1.08, whatever the
data set. A line agrees where the whole 95 % interval of the paired effect lies in that region, disagrees where all of
it lies outside, and else cannot be told. The order of several nets agrees if every step of it does, and disagrees if
one does.
"""

import csv
import dataclasses
import functools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from cnnlab.files import finite, json_text
from cnnlab.inference.effects import FEWEST
from cnnlab.records.coding import build
from cnnlab.spec.verdict import ERROR_RATIOS, Effect
from experiments.analysis import contrasts
from experiments.analysis.contrasts import places
from experiments.analysis.results import SweepResults
from experiments.claims.base import Contrast, Trained

DATA = Path(__file__).with_suffix(".json")
AGREE, DISAGREE, UNTOLD, NOT_RUN, NOTHING = "agree", "disagree", "cannot tell", "not run", "no number"
ORDER = "order"
"""What a question's name ends in if its lines are the steps of one order."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A contrast as the literature has it.

    Attributes:
        question: what it is part of. says: the literature's sentence, or ours where it has none.
        sweep, metric, better, worse: what is measured; without `worse` the metric of `better` itself.
        low, high: the region in which the literature has it, unbounded where None; both None: it has no number.
        errors: the literature's two errors in %, the worse side's and the better side's; empty for another metric.
        number: the literature's, in the unit of the metric; None where it is the ratio of `errors`, or there is none.
        source: its key in literature.json.
    """

    question: str
    says: str
    sweep: str
    metric: str
    better: str
    worse: str
    low: float | None
    high: float | None
    errors: tuple[float, ...]
    number: float | None
    source: str

    @property
    def region(self) -> tuple[float, float]:
        """The region's ends."""
        return -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high

    @property
    def ratio(self) -> bool:
        """Whether it is a ratio of errors."""
        return self.metric in ERROR_RATIOS

    @property
    def theirs(self) -> float | None:
        """The literature's number: a ratio of errors, or one in the unit of the metric; None where it has none."""
        if not self.errors:
            return self.number
        worse, better = self.errors
        return worse / better

    @property
    def evidence(self) -> Trained:
        """What the line reads of its sweep."""
        contrast = Contrast(name=self.says, better=(self.better,), worse=(self.worse,) if self.worse else ())
        return Trained(sweep=self.sweep, contrasts=(contrast,), metric=self.metric)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A line on one task: what the records say of it.

    Attributes:
        word: agree, disagree, cannot tell, not run, or no number. why: it cannot be told, or was not run.
        effect: the paired effect; None where it was not run.
    """

    line: Line
    task: str
    word: str
    why: str = ""
    effect: Effect | None = None


@functools.cache
def literature() -> tuple[tuple[Line, ...], dict[str, str]]:
    """The lines of literature.json, and its sources by key."""
    content = json.loads(DATA.read_text())
    lines: tuple[Line, ...] = build(tuple[Line, ...], content["lines"], "lines")
    return lines, content["sources"]


def sweeps() -> tuple[str, ...]:
    """The sweeps that the lines read."""
    return tuple(dict.fromkeys(line.sweep for line in literature()[0]))


def page(views: Mapping[str, SweepResults], folder: Path, console: Console, as_json: bool) -> int:
    """Print the table, and write it as CSV and Markdown; returns the exit code: 1 if nothing has been run."""
    found = findings(views)
    rows = [row(one) for one in found]
    said = orders(found)
    paths = write(rows, said, folder)
    if as_json:
        print(json_text({"lines": rows, "orders": said}))
    else:
        show(found, said, console)
        for path in paths:
            console.print(f"table: {path}")
    return 0 if any(one.effect is not None for one in found) else 1


def findings(views: Mapping[str, SweepResults]) -> tuple[Finding, ...]:
    """Every line on every task."""
    return tuple(one for line in literature()[0] for one in _found(line, views))


def _found(line: Line, views: Mapping[str, SweepResults]) -> Iterator[Finding]:
    if line.sweep not in views:
        why = f"python -m experiments.run +sweep={line.sweep}"
        yield Finding(line=line, task="", word=NOT_RUN, why=why)
        return
    view, trained = views[line.sweep], line.evidence
    there, missing = places(view, trained, trained.contrasts[0])
    for place in there:
        if place.match == "none":
            lacks = "; ".join(contrasts.lacking(trained, place))
            effect = contrasts.measured_effect(view, trained, trained.contrasts[0], place)
            word, why = says(line, effect, lacks)
            yield Finding(line=line, task=place.label, word=word, why=why, effect=effect)
    for lack in missing:
        task, _, _ = lack.partition(":")
        yield Finding(line=line, task=task, word=NOT_RUN, why=lack)


def says(line: Line, effect: Effect, lacks: str = "") -> tuple[str, str]:
    """Agree, disagree, or cannot tell and why."""
    low, high = line.region
    if line.theirs is None:
        return NOTHING, ""
    if effect.reason == "both at chance":
        return UNTOLD, effect.reason
    if lacks:
        return UNTOLD, lacks
    if len(effect.seeds) < FEWEST:
        return UNTOLD, f"{len(effect.seeds)} members, at least {FEWEST} needed"
    if not effect.setting.eligible:
        return UNTOLD, "a linear model does as well on this task"
    span = effect.interval95
    if line.ratio:
        span = dataclasses.replace(span, low=float(np.exp(span.low)), high=float(np.exp(span.high)))
    if span.inside(low, high):
        return AGREE, ""
    if span.outside(low, high):
        return DISAGREE, ""
    return UNTOLD, "the interval reaches over the edge of the region"


def orders(found: Sequence[Finding]) -> dict[str, str]:
    """Whether each order, as a whole, is the literature's: a word by question and task."""
    steps: dict[str, list[str]] = {}
    for one in found:
        if one.line.question.endswith(ORDER):
            where = f" on {one.task}" if one.task else ""
            steps.setdefault(f"{one.line.question}{where}", []).append(one.word)
    return {name: _together(words) for name, words in steps.items()}


def _together(words: Sequence[str]) -> str:
    return next((word for word in (NOT_RUN, DISAGREE, UNTOLD) if word in words), AGREE)


def row(one: Finding) -> dict[str, Any]:
    """A finding as plain data: a ratio of errors, or the difference of another metric in its unit."""
    line, effect = one.line, one.effect
    span = None if effect is None else effect.interval95

    def shown(value: float) -> Any:
        return finite(float(np.exp(value)) if line.ratio else value)

    return {
        "question": line.question,
        "says": line.says,
        "task": one.task,
        "metric": line.metric,
        "better": line.better,
        "worse": line.worse,
        "literature": line.theirs,
        "errors_literature": " / ".join(f"{one:g}" for one in line.errors),
        "low_literature": line.low,
        "high_literature": line.high,
        "here": None if effect is None else shown(effect.estimate),
        "low": None if span is None else shown(span.low),
        "high": None if span is None else shown(span.high),
        "points": None if effect is None or effect.points is None else finite(effect.points),
        "interval": "" if span is None else f"{100 * span.level:g} % {span.kind}",
        "n": 0 if effect is None else len(effect.seeds),
        "verdict": one.word,
        "why": one.why,
        "source": line.source,
    }


def write(rows: Sequence[Mapping[str, Any]], said: Mapping[str, str], folder: Path) -> tuple[Path, Path]:
    """Write the rows as CSV, and as a Markdown table with the orders and the sources below."""
    folder.mkdir(parents=True, exist_ok=True)
    table, text = folder / "literature.csv", folder / "literature.md"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    heads = ("question", "says", "task", "literature", "here, 95 % interval", "points", "n", "verdict")
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
    lines += ["", *(f"- {name}: **{word}**" for name, word in said.items())]
    lines += ["", *(f"- {key}: {source}" for key, source in literature()[1].items())]
    text.write_text("\n".join(lines) + "\n")
    return table, text


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A row as a person reads it: ratios of errors, decays in decades a layer."""
    ratio = row["metric"] in ERROR_RATIOS

    def said(value: float) -> str:
        return f"{value:.2f}" if ratio else f"{value:+.3f}"

    times = "x" if ratio else ""
    theirs = "" if row["literature"] is None else f"{times}{said(row['literature'])}"
    theirs = f"{row['errors_literature']} = {theirs}" if row["errors_literature"] else theirs
    here = "" if row["here"] is None else f"{times}{said(row['here'])}"
    if row["low"] is not None and row["high"] is not None:
        here += f" [{said(row['low'])}, {said(row['high'])}]"
    theirs += f" ({row['source']})" if row["source"] else ""
    beside = "" if row["points"] is None else f"{100 * row['points']:+.1f} pp"
    word = row["verdict"] + (f": {row['why']}" if row["why"] else "")
    return (row["question"], row["says"], row["task"], theirs, here, beside, str(row["n"] or ""), word)


def show(found: Sequence[Finding], said: Mapping[str, str], console: Console) -> None:
    """Print the table, the orders and the sources."""
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    heads = ("the literature says", "task", "literature", "here, 95 % interval", "points", "n", "verdict")
    for head in heads:
        table.add_column(head, overflow="fold", no_wrap=head in ("task", "n"))
    question = ""
    for one in found:
        if one.line.question != question:
            question = one.line.question
            table.add_row(question, style="bold")
        _, *cells = _cells(row(one))
        table.add_row(*cells)
    console.print(table)
    for name, word in said.items():
        console.print(f"{name}: {word}")
    console.print(
        "x1.16: the side that should be worse makes 1.16 times as many errors. agree: the whole interval of the paired "
        "effect lies where the literature has it (a ratio: on its side of 1; decades a layer: within .8 to 1.25 times, "
        "or below); disagree: all of it outside."
    )
    for name, source in literature()[1].items():
        console.print(f"{name}: {source}")
