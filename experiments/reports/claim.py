"""How verdicts are shown on a terminal: one line a claim, or the whole page of one."""

import contextlib
import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from cnnlab.files import finite
from cnnlab.inference.rules.all_of import AllOf, Senses
from cnnlab.inference.rules.contract import Rule
from cnnlab.inference.wording import CALLS, amount
from cnnlab.report import figures
from cnnlab.report.canvas import save
from cnnlab.spec.arm import plain
from cnnlab.spec.verdict import Effect, Interval, Number, Scalar, Setting, Table, Verdict
from experiments.claims.registry import Entry, claims, source_file
from experiments.cli.command import advised
from experiments.cli.console import INDENT, hung
from experiments.reports.ratios import Ratio, errors_of_worse, points
from experiments.timing.timings import NotTimedError

COLOURS = {
    "supported": "blue",
    "refuted": "red",
    "qualified": "magenta",
    "inconclusive": "yellow",
    "untested": "dim",
    "untestable": "dim",
}
NAMES = {
    "Exact": "R-EXACT",
    "Survey": "R-SURVEY",
    "Cost": "R-COST",
    "Directional": "R-DIR",
    "Equivalence": "R-EQ",
    "Exists": "R-EXISTS",
    "Always": "R-ALWAYS",
    "Within": "R-WITHIN",
    "Slope": "R-SLOPE",
    "PowersOfTwo": "R-POW2",
}
MOST_ROWS = 40
MIN_WIDTH = 40
"""Of the column of findings, in letters."""
WIDE = 110
"""Columns from which claims stand in a table."""
MORE = " ..."


def overview(rows: Sequence[tuple[Entry, Verdict]], console: Console) -> None:
    """Of each claim what was found and the statistics, two lines at most, and how many there are of each verdict.

    Where the terminal is wide, a table of two lines a claim: the word and the sentence in the first, the number that
    decides and the reason in the second. Else a record a claim: its id and word, up to two lines of the sentence, and
    the number.
    """
    if console.width >= WIDE:
        console.print(_table(rows, console.width))
    else:
        for entry, verdict in rows:
            record(entry.id, verdict, console)
    words = [verdict.word for _, verdict in rows]
    console.print(
        f"{len(rows)} claims: " + ", ".join(f"{words.count(word)} {word}" for word in COLOURS if word in words)
    )
    console.print(f"Statistics, tables and the figure of a claim: {advised('judge', 'CLAIM')}")


def record(name: str, verdict: Verdict, console: Console) -> None:
    """A claim in a few lines of any width: id and word, the sentence, and the number that decides."""
    console.print(Text.assemble((name, "bold"), "  ", _coloured(verdict)))
    width = console.width - len(INDENT)
    said = verdict.sentence or verdict.reason
    for line in textwrap.wrap(said, width, max_lines=2, placeholder=MORE, break_on_hyphens=False):
        console.print(f"{INDENT}{line}")
    for line in hung(_decides(verdict), width, ""):
        console.print(f"{INDENT}{line}", style="dim")


def _table(rows: Sequence[tuple[Entry, Verdict]], width: int) -> RichTable:
    """Two lines a claim."""
    table = RichTable(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("claim", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("what was found", ratio=1)
    beside = sum(max((len(name) + 2 for name in names), default=0) for names in _names(rows))
    for entry, verdict in rows:
        first, second = two_lines(verdict, max(MIN_WIDTH, width - beside))
        table.add_row(entry.id, _coloured(verdict), Text.assemble(first, ("\n" + second if second else "", "dim")))
    return table


def claim(entry: Entry, verdict: Verdict, figure: Path | None, console: Console) -> None:
    """Everything about one claim."""
    written = claims()[entry.id]
    console.print(entry.id, style="bold", end="")
    console.print(f"  ({entry.family}, {entry.kind}{_register(entry)})\n{written.says}\n")
    _line(console, "notes", written.notes)
    for line in rule_lines(written.rule):
        _line(console, "rule", line)
    number, n = deciding(verdict), count(verdict)
    said = verdict.sentence or verdict.reason
    console.print(Text.assemble("\n", ("verdict", "bold"), "  ", _coloured(verdict), f": {said}"))
    if verdict.reason not in said:
        _line(console, "statistics", verdict.reason)
    if number is not None:
        _line(console, number.name, printed(number) + ("" if n is None else f" (n = {n})"))
    for line in family_lines(verdict.evidence):
        _line(console, "Holm", line)
    _line(console, "scope", verdict.evidence["scope"] if "scope" in verdict.evidence else None)
    _line(console, "condition", verdict.condition)
    _line(console, "counterexample", verdict.counterexample)
    _line(console, "nearest true statement", verdict.nearest_true)
    if verdict.effects:
        console.print()
        console.print(_evidence(effect_table(verdict.effects)))
    for table in verdict.tables:
        console.print()
        console.print(_evidence(table))
    console.print()
    _line(console, "figure", None if figure is None else str(figure))
    _line(console, "stated in", str(source_file(entry)))


def _register(entry: Entry) -> str:
    """Whose register an own claim stands in; empty for the 57."""
    return f"; own, registered by {entry.source}" if entry.source else ""


def family_lines(evidence: Mapping[str, Any], part: str = "") -> list[str]:
    """What a directional verdict, or each directional part of one, brought to the family and how large that is."""
    if "holm_registered" in evidence:
        p, m = evidence["p_greater"], evidence["holm_registered"]
        before = f"{part}: " if part else ""
        return [
            f"{before}p {p:.2g} for it, {evidence['p_less']:.2g} against it; at .025 over m = {m} registered claims"
        ]
    inner = ((name, value) for name, value in evidence.items() if isinstance(value, Mapping))
    return [line for name, value in inner for line in family_lines(value, name)]


def effect_table(effects: Sequence[Effect]) -> Table:
    """Every contrast a verdict rests on: what calls it, what is printed beside, and what its n could have found."""
    rows = []
    for effect in effects:
        at, checks = effect.setting, (effect.sign_flip_p, effect.bca95)
        lost = f"{effect.diverged_better} against {effect.diverged_worse}, p {effect.diverged_p:.2g}"
        beside = None if checks[1] is None else span_of(checks[1], at)
        diverged = effect.diverged_better or effect.diverged_worse
        rows.append(
            (
                at.contrast,
                at.task,
                at.match,
                effect.n,
                amount(effect.estimate, at),
                span_of(effect.interval95, at),
                points(effect),
                effect.interval95.kind,
                CALLS[effect.call],
                lost if diverged else "",
                None if checks[0] is None else float(f"{checks[0]:.2g}"),
                beside,
                amount(effect.smallest_detectable, at, signed=False),
            )
        )
    columns = (
        "contrast",
        "task",
        "match",
        "n",
        "effect",
        "95 % interval",
        "points",
        "kind",
        "call",
        "diverged, Fisher",
        "sign-flip p",
        "BCa 95 %",
        "found with power .8",
    )
    return Table(
        title="Contrasts: times the errors on the worse side (sign-flip and BCa decide nothing)",
        columns=columns,
        rows=tuple(rows),
    )


def span_of(interval: Interval, at: Setting) -> str:
    """An interval in the unit of its metric."""
    return f"{amount(interval.low, at).removesuffix(' pp')} to {amount(interval.high, at).removeprefix('x')}"


def deciding(verdict: Verdict) -> Number | None:
    """The number that decides: the verdict's own, or its first effect."""
    if verdict.number is not None or not verdict.effects:
        return verdict.number
    effect = verdict.effects[0]
    at, span = effect.setting, effect.interval95
    if at.ratio:
        ratio = errors_of_worse(effect)
        name = f"times the errors on {at.task}"
        return Number(name=name, value=ratio.middle, low=ratio.low, high=ratio.high, unit="x")
    scale, unit = (100, "pp") if at.metric.endswith("accuracy") else (1, "")
    return Number(
        name=f"{at.quantity}, difference on {at.task}",
        value=scale * effect.estimate,
        low=scale * span.low,
        high=scale * span.high,
        unit=unit,
    )


def count(verdict: Verdict) -> int | None:
    """How many cases, entries, rounds or pairs the deciding number rests on."""
    return verdict.n if verdict.n is not None or not verdict.effects else verdict.effects[0].n


def rule_name(rule: Rule[Any]) -> str:
    """A rule as the protocol names it: `R-EXACT`, `all of (exact: R-EXACT, trained: R-DIR)`."""
    if isinstance(rule, (AllOf, Senses)):
        inner = ", ".join(f"{part}: {rule_name(one)}" for part, one in rule.parts)
        return f"{'all of' if isinstance(rule, AllOf) else 'senses'} ({inner})"
    name = type(rule).__name__
    return NAMES[name] if name in NAMES else name


def rule_lines(rule: Rule[Any]) -> list[str]:
    """A rule in a sentence or two, those of its parts indented."""
    summary = (type(rule).__doc__ or "").strip().splitlines()[0]
    if isinstance(rule, (AllOf, Senses)):
        return [summary, *(f"  {part}: {line}" for part, one in rule.parts for line in rule_lines(one))]
    shown = ", ".join(setting for key, value in vars(rule).items() if (setting := _setting(key, value)))
    return [f"{summary}{f' Here: {shown}.' if shown else ''}"]


def _setting(key: str, value: object) -> str:
    """What a rule is told, in words; empty where it is told nothing."""
    if value is None or value is False or (isinstance(value, float) and math.isinf(value)):
        return ""
    if key == "match":
        return figures.NAMES[str(value)]
    words = key.replace("_", " ")
    return words if value is True else f"{words} {value:g}" if isinstance(value, float) else f"{words} {value}"


def _names(rows: Sequence[tuple[Entry, Verdict]]) -> tuple[list[str], list[str]]:
    """What stands in the columns beside the findings."""
    return [entry.id for entry, _ in rows], [verdict.printed for _, verdict in rows]


def two_lines(verdict: Verdict, width: int) -> tuple[str, str]:
    """What was found in a sentence, and the statistics: a line each, cut where it is longer."""
    first = verdict.sentence or verdict.reason
    second = "; ".join(part for part in (_decides(verdict), verdict.reason if verdict.sentence else "") if part)
    return _cut(first, width), _cut(second, width)


def _decides(verdict: Verdict) -> str:
    """The number that decides, and what it rests on."""
    number, n = deciding(verdict), count(verdict)
    counted = "" if n is None else f"n={n}"
    return "; ".join(part for part in (counted, "" if number is None else f"{printed(number)} {number.name}") if part)


def printed(number: Number) -> str:
    """A number with its interval; of a ratio as everywhere: `x1.40 [1.22, 1.61]`."""
    if number.unit != "x" or number.low is None or number.high is None:
        return number.printed
    return Ratio(middle=number.value, low=number.low, high=number.high).printed


def _cut(text: str, width: int) -> str:
    """A text on one line: what comes after is on the claim's page."""
    return text if len(text) <= width else text[: width - len(MORE)].rsplit(" ", 1)[0] + MORE


def _coloured(verdict: Verdict) -> Text:
    return Text(verdict.printed, style=COLOURS[verdict.word])


def _line(console: Console, name: str, text: str | None) -> None:
    if text:
        console.print(Text.assemble((name, "bold"), f"  {text}"))


def _evidence(table: Table) -> RichTable:
    shown = RichTable(title=table.title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column, first in zip(table.columns, table.rows[0] if table.rows else table.columns, strict=True):
        shown.add_column(column, justify="left" if isinstance(first, str) else "right")
    for row in table.rows[:MOST_ROWS]:
        shown.add_row(*(_scalar(value) for value in row))
    if len(table.rows) > MOST_ROWS:
        shown.caption = f"{len(table.rows) - MOST_ROWS} more rows: --json has them all"
    return shown


def _scalar(value: Scalar) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else str(value)
    return "" if value is None else f"{value:,}" if isinstance(value, int) else value


def draw_figures(chosen: Sequence[Entry], results: Path) -> dict[str, Path]:
    """Draw the figures of these claims; returns their paths by id. What was never timed cannot be drawn."""
    paths = {}
    for entry in chosen:
        figure = claims()[entry.id].figure
        if figure is not None:
            with contextlib.suppress(NotTimedError):
                paths[entry.id] = save(figure(), results / "claims" / f"{entry.id}.png")
    return paths


def verdict_data(entry: Entry, verdict: Verdict) -> dict[str, Any]:
    """One verdict as plain data, all of the reasons beside the word."""
    number = deciding(verdict)
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
        "rule": rule_name(claims()[entry.id].rule),
        "sentence": verdict.sentence,
        "reason": verdict.reason,
        "effect": None if number is None else plain(number),
        "n": count(verdict),
        "evidence": {**plain(verdict.evidence), **{key: value for key, value in beside.items() if value}},
        "nearest_true": verdict.nearest_true,
        **({"register": entry.source} if entry.source else {}),
    }
    return {key: finite(value) for key, value in content.items()}
