"""What others have published beside what the records say, `python -m experiments.judge literature`.

The numbers of the literature, with their sources, are data: literature.json. A line there is a contrast of a sweep and
the region in which the literature has it, such as "above 0". A line agrees where the whole 95 % interval of the paired
difference lies in that region, disagrees where all of it lies outside, and else cannot be told. The order of several
nets agrees if every step of it does, and disagrees if one does.
"""

import csv
import functools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cnnlab.files import finite, json_text
from cnnlab.inference.effects import FEWEST
from cnnlab.records.coding import build
from cnnlab.spec.record import OWN
from cnnlab.spec.verdict import Effect
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
        number: the literature's, in the unit of the metric. source: its key in literature.json.
    """

    question: str
    says: str
    sweep: str
    metric: str
    better: str
    worse: str
    low: float | None
    high: float | None
    number: float | None
    source: str

    @property
    def region(self) -> tuple[float, float]:
        """The region's ends."""
        return -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high

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
        effect: the paired difference; None where it was not run.
    """

    line: Line
    task: str
    condition: str
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
    """Every line on every task, at every learning rate that its metric has."""
    return tuple(one for line in literature()[0] for one in _found(line, views))


def _found(line: Line, views: Mapping[str, SweepResults]) -> Iterator[Finding]:
    if line.sweep not in views:
        why = f"python -m experiments.run +sweep={line.sweep}"
        yield Finding(line=line, task="", condition=OWN, word=NOT_RUN, why=why)
        return
    view, trained = views[line.sweep], line.evidence
    there, missing = places(view, trained, trained.contrasts[0])
    for place in there:
        if place.match == "none":
            lacks = "; ".join(contrasts.lacking(trained, place))
            for effect in contrasts.effects(view, trained, place):
                word, why = says(line, effect, lacks)
                condition = effect.setting.condition
                yield Finding(line=line, task=place.label, condition=condition, word=word, why=why, effect=effect)
    for lack in missing:
        task, _, _ = lack.partition(":")
        yield Finding(line=line, task=task, condition=OWN, word=NOT_RUN, why=lack)


def says(line: Line, effect: Effect, lacks: str = "") -> tuple[str, str]:
    """Agree, disagree, or cannot tell and why."""
    low, high = line.region
    if line.number is None:
        return NOTHING, ""
    if lacks:
        return UNTOLD, lacks
    if len(effect.seeds) < FEWEST:
        return UNTOLD, f"{len(effect.seeds)} members, at least {FEWEST} needed"
    if not effect.setting.eligible:
        return UNTOLD, "a linear model does as well on this task"
    if effect.interval95.inside(low, high):
        return AGREE, ""
    if effect.interval95.outside(low, high):
        return DISAGREE, ""
    return UNTOLD, "the interval reaches over the edge of the region"


def orders(found: Sequence[Finding]) -> dict[str, str]:
    """Whether each order, as a whole, is the literature's: a word by question and task, at own-best learning rates."""
    steps: dict[str, list[str]] = {}
    for one in found:
        if one.line.question.endswith(ORDER) and one.condition == OWN:
            where = f" on {one.task}" if one.task else ""
            steps.setdefault(f"{one.line.question}{where}", []).append(one.word)
    return {name: _together(words) for name, words in steps.items()}


def _together(words: Sequence[str]) -> str:
    return next((word for word in (NOT_RUN, DISAGREE, UNTOLD) if word in words), AGREE)


def row(one: Finding) -> dict[str, Any]:
    """A finding as plain data, in the unit of the metric: accuracies are fractions."""
    line, effect = one.line, one.effect
    span = None if effect is None else effect.interval95
    return {
        "question": line.question,
        "says": line.says,
        "task": one.task,
        "learning_rate": one.condition,
        "metric": line.metric,
        "better": line.better,
        "worse": line.worse,
        "literature": line.number,
        "low_literature": line.low,
        "high_literature": line.high,
        "here": None if effect is None else finite(effect.estimate),
        "low": None if span is None else finite(span.low),
        "high": None if span is None else finite(span.high),
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
    heads = ("question", "says", "task", "learning rate", "literature", "here, 95 % interval", "n", "verdict")
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
    lines += ["", *(f"- {name}: **{word}**" for name, word in said.items())]
    lines += ["", *(f"- {key}: {source}" for key, source in literature()[1].items())]
    text.write_text("\n".join(lines) + "\n")
    return table, text


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A row as a person reads it: accuracies in points, decays in decades a layer."""
    scale, unit = (100, " pp") if row["metric"].endswith(contrasts.ACCURACY) else (1, "")
    digits = 1 if scale == 100 else 3
    theirs = "" if row["literature"] is None else f"{scale * row['literature']:+.{digits}f}{unit}"
    here = "" if row["here"] is None else f"{scale * row['here']:+.{digits}f}{unit}"
    if row["low"] is not None and row["high"] is not None:
        here += f" [{scale * row['low']:+.{digits}f}, {scale * row['high']:+.{digits}f}]"
    theirs += f" ({row['source']})" if row["source"] else ""
    word = row["verdict"] + (f": {row['why']}" if row["why"] else "")
    return (row["question"], row["says"], row["task"], row["learning_rate"], theirs, here, str(row["n"] or ""), word)


def show(found: Sequence[Finding], said: Mapping[str, str], console: Console) -> None:
    """Print the table at own-best learning rates, with the word at the common one beside."""
    common = {(one.line, one.task): one.word for one in found if one.condition != OWN}
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    heads = (
        "the literature says",
        "task",
        "literature",
        "here, 95 % interval",
        "n",
        "at own-best rate",
        "at common rate",
    )
    for head in heads:
        table.add_column(head, overflow="fold", no_wrap=head in ("task", "n"))
    question = ""
    for one in found:
        if one.condition != OWN:
            continue
        if one.line.question != question:
            question = one.line.question
            table.add_row(question, style="bold")
        _, says, task, _, theirs, here, n, word = _cells(row(one))
        key = (one.line, one.task)
        table.add_row(says, task, theirs, here, n, word, common[key] if key in common else "")
    console.print(table)
    for name, word in said.items():
        console.print(f"{name}: {word}")
    console.print(
        "agree: the whole interval of the paired difference lies where the literature has it (a difference: on its "
        "side of 0; decades a layer: within .8 to 1.25 times, or below); disagree: all of it outside."
    )
    for name, source in literature()[1].items():
        console.print(f"{name}: {source}")
