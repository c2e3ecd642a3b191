"""All claims with their verdicts, and the evidence of each: every contrast with its interval, beside its own margin."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from cnnlab.spec.verdict import WORDS, Effect, Interval, Number, Setting, Table, Verdict, Word
from experiments.page.statement import Statement
from experiments.page.trials import Trial, trial
from experiments.page.view import Content, Context, Json, View

SIGNS: Mapping[Word, str] = {
    "supported": "●",
    "refuted": "✕",
    "qualified": "◐",
    "inconclusive": "○",
    "untested": "–",
    "untestable": "–",
}
CALLS = {"pos": "better wins", "neg": "worse wins", "null": "no difference that matters", "open": "open"}
FARTHEST = 20.0
"""Margins at the ends of a strip; what lies farther ends in an arrow."""
TICKS = (-10, -3, -1, 0, 1, 3, 10)
WIDTH, HIGH, MOST = 220, 9, 10
"""Of a strip: pixels wide, pixels a contrast, contrasts drawn."""
MOST_ROWS = 40
CLAUSE = 150
"""Characters of a reason on the board; the claim's page has all of it."""


def place(margins: float) -> float:
    """Where a difference stands on a strip, 0 to 1: even near 0, by its logarithm farther out."""
    held = max(-FARTHEST, min(FARTHEST, margins))
    return round(0.5 + 0.5 * math.asinh(held) / math.asinh(FARTHEST), 4)


def mark(effect: Effect) -> dict[str, Json]:
    """One contrast on a strip, in multiples of its margin; without a margin, of the larger end of its interval."""
    at, span = effect.setting, effect.interval95
    ends = [abs(end) for end in (span.low, span.high) if math.isfinite(end)]
    unit = at.margin or max([*ends, abs(effect.estimate)]) or 1.0
    return {
        "low": place(span.low / unit),
        "high": place(span.high / unit),
        "middle": place(effect.estimate / unit),
        "beyond": (span.low / unit < -FARTHEST, span.high / unit > FARTHEST),
        "call": effect.call,
        "margin": bool(at.margin),
        "told": f"{where(at)}: {difference(effect)}, {CALLS[effect.call]}, n = {effect.n}",
    }


def where(at: Setting) -> str:
    """Which contrast, on which task."""
    matched = "" if at.match == "none" else f", equal {'multiply-adds' if at.match == 'macs' else 'parameters'}"
    return f"{at.contrast or 'contrast'} on {at.task}{matched}"


def difference(effect: Effect) -> str:
    """The estimate with its 95 % interval: a ratio of errors in words, with accuracy beside; else the plain number."""
    at, span = effect.setting, effect.interval95
    if not at.ratio:
        return f"{_plain(effect.estimate)} [{_plain(span.low)}, {_plain(span.high)}] {at.quantity}"
    told = f"the other side makes {_times(effect.estimate)} [{_times(span.low)}, {_times(span.high)}] times the errors"
    return told if effect.points is None else f"{told}, {points(effect.points, effect.points95)}"


def points(value: float, span: Interval | None) -> str:
    """A difference of accuracy in percentage points."""
    beside = "" if span is None else f" [{_signed(100 * span.low)}, {_signed(100 * span.high)}]"
    return f"{_signed(100 * value)}{beside} points"


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−") if math.isfinite(value) else _endless(value)


def _plain(value: float) -> str:
    return f"{value:.3g}".replace("-", "−") if math.isfinite(value) else _endless(value)


def _times(log: float) -> str:
    """A log ratio as the ratio."""
    return _endless(log) if log == math.inf or math.isnan(log) else f"{math.exp(log):.2f}"


def _endless(value: float) -> str:
    return "unknown" if math.isnan(value) else "∞" if value > 0 else "−∞"


def clause(verdict: Verdict) -> str:
    """What a reader of the board sees of the reason: the sentence, or the first clause, at a word's end."""
    text = verdict.sentence or verdict.reason.split("; ")[0]
    return text if len(text) <= CLAUSE else text[: CLAUSE - 2].rsplit(" ", 1)[0] + " …"


def board(
    verdicts: Mapping[str, Verdict], statements: Mapping[str, Statement], trials: Mapping[str, tuple[Trial, ...]]
) -> list[dict[str, Json]]:
    """One row a claim, in the order of the statements; a claim that was not judged counts as untested."""
    missing = Verdict(word="untested", reason="not judged for this page")
    rows = []
    for order, (name, statement) in enumerate(statements.items()):
        verdict = verdicts[name] if name in verdicts else missing
        rows.append(
            {
                "id": name,
                "order": order,
                "family": statement.family.replace("_", " "),
                "says": statement.says,
                "source": statement.source,
                "word": verdict.word,
                "printed": verdict.printed,
                "sign": SIGNS[verdict.word],
                "rank": WORDS.index(verdict.word),
                "clause": clause(verdict),
                "marks": [mark(effect) for effect in verdict.effects[:MOST]],
                "more": max(0, len(verdict.effects) - MOST),
                "number": None if verdict.number is None else number(verdict.number),
                "n": count(verdict),
                "size": max((abs(mark(effect)["middle"] - 0.5) for effect in verdict.effects), default=0.0),
                "page": page(statement, verdict, trials[name] if name in trials else ()),
            }
        )
    return rows


def number(found: Number) -> str:
    """The number that decides, with its name."""
    return f"{found.printed} {found.name}"


def count(verdict: Verdict) -> int | None:
    """How many cases or pairs the deciding number rests on."""
    if verdict.n is not None:
        return verdict.n
    return verdict.effects[0].n if verdict.effects else None


def page(statement: Statement, verdict: Verdict, trials: Sequence[Trial]) -> dict[str, Json]:
    """Everything about one claim."""
    facts = [
        ("In the notes", statement.notes),
        ("Kind of evidence", statement.kind.replace("+", " and ")),
        ("Rule", "\n".join(statement.rule)),
        ("Number", "" if verdict.number is None else number(verdict.number)),
        ("Holds if", verdict.condition or ""),
        ("Counterexample", verdict.counterexample or ""),
        ("True instead", verdict.nearest_true or ""),
        ("Could not say more because", "; ".join(verdict.capped)),
    ]
    return {
        "sentence": verdict.sentence,
        "reason": verdict.reason,
        "facts": [(name, text) for name, text in facts if text],
        "marks": [mark(effect) for effect in verdict.effects],
        "effects": [contrast(effect) for effect in verdict.effects],
        "trials": [trial(one) for one in trials],
        "tables": [table(one) for one in verdict.tables],
    }


def contrast(effect: Effect) -> dict[str, Json]:
    """One contrast as a row of the claim's table."""
    at = effect.setting
    lost = effect.diverged_better or effect.diverged_worse
    sides = f"{at.better} against {at.worse}" if at.better and at.worse else ""
    detectable = effect.smallest_detectable
    found = f"{_times(detectable)} times" if at.ratio else _plain(detectable)
    return {
        "where": where(at),
        "sides": sides,
        "real": "real images" if at.real else "generated images",
        "n": effect.n,
        "difference": difference(effect),
        "kind": effect.interval95.kind,
        "call": CALLS[effect.call],
        "reason": effect.reason,
        "margin": f"{_times(at.margin)} times" if at.ratio else _plain(at.margin),
        "found": found if math.isfinite(detectable) else "nothing",
        "lost": f"{effect.diverged_better} against {effect.diverged_worse}" if lost else "none",
        "note": effect.note,
    }


def table(found: Table) -> dict[str, Json]:
    """A table of evidence, its first rows."""
    rows = [[_cell(value) for value in row] for row in found.rows[:MOST_ROWS]]
    numbers = [all(not isinstance(row[column], str) for row in found.rows) for column in range(len(found.columns))]
    left_out = max(0, len(found.rows) - MOST_ROWS)
    return {"title": found.title, "columns": found.columns, "rows": rows, "numbers": numbers, "left_out": left_out}


def _cell(value: str | int | float | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _plain(value) if abs(value) < 1000 else f"{value:,.0f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else value


def make(context: Context) -> Content | None:
    """The board; None without verdicts, as where a sweep feeds no claim."""
    if not context.verdicts:
        return None
    rows = board(context.verdicts, context.statements, context.trials)
    words = Counter(row["word"] for row in rows)
    static = {
        "rows": rows,
        "registers": registers(rows),
        "words": [(word, SIGNS[word], words[word]) for word in WORDS if words[word]],
        "families": list(dict.fromkeys(row["family"] for row in rows)),
        "ticks": [(tick, place(tick)) for tick in TICKS],
        "band": (place(-1), place(1)),
        "width": WIDTH,
        "high": HIGH,
    }
    finding = " ".join(_found(source, some) for source, some in registers(rows))
    if context.not_judged:
        why = ", since their evidence is computed and --fast was given" if context.fast else ""
        finding += f" {context.not_judged} more are left out{why}."
    return Content(finding=finding, static=static, script={})


def registers(rows: Sequence[dict[str, Json]]) -> list[tuple[str, list[dict[str, Json]]]]:
    """The rows of each register: first those of the 57, whose source is empty, then own ones by their source."""
    sources = sorted({row["source"] for row in rows})
    return [(source, [row for row in rows if row["source"] == source]) for source in sources]


def _found(source: str, rows: Sequence[dict[str, Json]]) -> str:
    """How many claims of a register have which verdict."""
    words = Counter(row["word"] for row in rows)
    told = _listed([f"{words[word]} {word}" for word in WORDS if words[word]])
    claims = f"claim{'s' * (len(rows) > 1)}"
    if source:
        return f"{len(rows)} own {claims} of {source}, apart from these: {told}."
    return f"{len(rows)} {claims} about convolutional networks: {told}."


def _listed(parts: Sequence[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


VIEW = View(
    order=10,
    title="Claims",
    question="What do people say about convolutional networks, and is it so?",
    caveat="A verdict is about these tasks, sizes and training recipes. Intervals are over seeds; they do not include "
    "differences between machines or between tasks that were not tried.",
    make=make,
    reads_records=True,
    lacks="No verdicts were handed in: this page shows what needs no records.",
)
