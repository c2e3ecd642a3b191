"""Tables of a sweep, as data and as they are printed: arms, effects, the contrasts that claims rest on, verdicts."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from cnnlab.inference import intervals
from cnnlab.spec.arm import plain
from cnnlab.spec.record import OWN
from cnnlab.spec.verdict import Effect, Verdict
from experiments.analysis.results import ArmResults, SweepResults

if TYPE_CHECKING:
    import pandas as pd

FEWEST_FOR_INTERVAL = 3
"""Members below which no interval is printed: that of two is wider than the scale."""
LEFT = ("claim", "contrast", "task", "arm", "level", "match")


def arm_table(now: SweepResults) -> "pd.DataFrame":
    """One row an arm: factor level, members, accuracy with its interval, learning rates, and the net's exact sizes."""
    import pandas as pd

    return pd.DataFrame([_arm_row(cell, now.label(cell.point.arm.task)) for cell in (*now.cells, *now.checks)])


def _arm_row(cell: ArmResults, task: str) -> dict[str, Any]:
    point = cell.point
    row: dict[str, Any] = {
        "task": task,
        "level": point.level,
        "match": point.match,
        "check": point.check,
        "n": cell.members,
    }
    if cell.records:
        record, sample = cell.records[0], cell.sample(OWN)
        interval = intervals.paired_t(np.asarray(sample.values), 0.95)
        row |= {
            "accuracy": sum(sample.values) / len(sample.values),
            "low": interval.low,
            "high": interval.high,
            "diverged": sum(sample.diverged),
            "learning_rate": record.finals[OWN].learning_rate,
            "capped": record.tuning.capped,
            **plain(record.geometry),
        }
    return row | {"matching": point.matching, "arm": point.arm.key}


def what_differs(cell: ArmResults, reference: ArmResults) -> dict[str, Any]:
    """What differs between two arms' nets besides the factor, computed: sizes as ratios, fields and maps."""
    ours, theirs = cell.records[0].geometry, reference.records[0].geometry
    return {
        "params_ratio": ours.params / theirs.params,
        "macs_ratio": ours.macs / theirs.macs,
        "receptive_field": _pair(ours.receptive_field),
        "receptive_field_reference": _pair(theirs.receptive_field),
        "output_size": _pair(ours.output_size),
        "output_size_reference": _pair(theirs.output_size),
    }


def effect_table(now: SweepResults, pairs: Sequence[tuple[ArmResults, Effect]]) -> "pd.DataFrame":
    """One row an arm and learning-rate condition: its paired difference from the reference, and what else differs."""
    import pandas as pd

    rows = []
    for cell, effect in pairs:
        reference = now.reference(cell.point.arm.task)
        differs = {} if reference is None else what_differs(cell, reference)
        at = effect.setting
        rows.append(
            {
                "task": at.task,
                "level": cell.point.level,
                "match": at.match,
                "condition": at.condition,
                "difference": effect.estimate,
                "low": effect.interval95.low,
                "high": effect.interval95.high,
                "interval": effect.interval95.kind,
                "n": effect.n,
                "sd": effect.sd,
                "call": effect.call,
                "reason": effect.reason,
                "diverged": effect.diverged_better,
                "diverged_reference": effect.diverged_worse,
                "diverged_p": effect.diverged_p,
                "smallest_detectable": effect.smallest_detectable,
                "headroom": at.headroom,
                "margin": at.margin,
                **differs,
            }
        )
    return pd.DataFrame(rows)


def printed_arms(table: "pd.DataFrame") -> "pd.DataFrame":
    """The arms as a person reads them."""
    import pandas as pd

    shown = pd.DataFrame({"task": table["task"]})
    shown["arm"] = [_arm_name({str(key): value for key, value in row.items()}) for row in table.to_dict("records")]
    shown["n"] = table["n"]
    if "accuracy" not in table:
        return shown
    spans = zip(table["n"], table["accuracy"], table["low"], table["high"], strict=True)
    shown["accuracy"] = [
        _span(mean, *((low, high) if n >= FEWEST_FOR_INTERVAL else (-math.inf, math.inf)), signed=False)
        for n, mean, low, high in spans
    ]
    pairs = zip(table["diverged"], table["n"], strict=True)
    shown["diverged"] = ["" if lost != lost else f"{int(lost)}/{members}" for lost, members in pairs]
    shown["lr"] = [f"{value:g}" if value == value else "" for value in table["learning_rate"]]
    shown["params"] = [_whole(value) for value in table["params"]]
    shown["MACs"] = [_whole(value) for value in table["macs"]]
    shown["field"] = [_pair(value) for value in table["receptive_field"]]
    shown["map"] = [_pair(value) for value in table["output_size"]]
    return shown


def printed_effects(table: "pd.DataFrame") -> "pd.DataFrame":
    """The effects as a person reads them: own-best and common learning rate side by side."""
    if table.empty:
        return table
    texts = [f"{_span(row['difference'], row['low'], row['high'])} {row['call']}" for row in table.to_dict("records")]
    table = table.assign(
        text=texts,
        params=[f"x{value:.2f}" for value in table["params_ratio"]],
        MACs=[f"x{value:.2f}" for value in table["macs_ratio"]],
        field=_changes(table, "receptive_field"),
        map=_changes(table, "output_size"),
    )
    return _by_condition(table, ["task", "level", "match", "params", "MACs", "field", "map"])


def _changes(table: "pd.DataFrame", column: str) -> list[str]:
    """What a column is, and what it is for the reference where that differs."""
    pairs = zip(table[column], table[f"{column}_reference"], strict=True)
    return [ours if ours == theirs else f"{ours}, not {theirs}" for ours, theirs in pairs]


def printed_contrasts(rows: Sequence[tuple[str, str, Effect]]) -> "pd.DataFrame":
    """The contrasts that claims rest on, as a person reads them."""
    import pandas as pd

    table = pd.DataFrame(
        {
            "claim": claim,
            "contrast": contrast,
            "task": effect.setting.task,
            "match": effect.setting.match,
            "condition": effect.setting.condition,
            "n": effect.n,
            "text": f"{_estimate(effect)} {effect.call}",
        }
        for claim, contrast, effect in rows
    )
    return _by_condition(table, ["claim", "contrast", "task", "match", "n"])


def _by_condition(table: "pd.DataFrame", keys: list[str]) -> "pd.DataFrame":
    """Texts at own-best and at the common learning rate side by side."""
    shown = table.pivot_table(index=keys, columns="condition", values="text", aggfunc="first", sort=False)
    names = {"own": "at own-best learning rate", "common": "at common learning rate"}
    return shown.rename(columns=names).reindex(columns=list(names.values())).astype(object).fillna("").reset_index()


def _estimate(effect: Effect) -> str:
    """An effect with its interval: accuracies in points, any other metric by its name, as it is."""
    middle, span, metric = effect.estimate, effect.interval95, effect.setting.metric
    if metric.endswith("accuracy"):
        return _span(middle, span.low, span.high)
    return f"{metric} {middle:+.3g} [{span.low:+.3g}, {span.high:+.3g}]"


def _arm_name(row: dict[str, Any]) -> str:
    if row["check"] != "none":
        return f"check: {row['check']}"
    return str(row["level"]) + ("" if row["match"] == "none" else f" same {row['match']}")


def _span(middle: float, low: float, high: float, *, signed: bool = True) -> str:
    sign = "+" if signed else ""
    if middle != middle:
        return ""
    if abs(low) == float("inf") or low != low:
        return f"{100 * middle:{sign}.1f}"
    return f"{100 * middle:{sign}.1f} [{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"


def _whole(value: float) -> str:
    return f"{int(value):,}" if value == value else ""


def _pair(value: Any) -> str:
    return "x".join(str(item) for item in value) if isinstance(value, (list, tuple)) else ""


def rich_table(table: "pd.DataFrame", title: str) -> Table:
    """A table as it is printed."""
    shown = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in table.columns:
        shown.add_column(str(column), justify="left" if column in LEFT else "right")
    for row in table.itertuples(index=False):
        shown.add_row(*(str(value) for value in row))
    return shown


def verdict_table(found: Mapping[str, Verdict]) -> Table:
    """Verdicts as they are printed: claim, word, reason."""
    shown = Table(title="Verdicts", title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in ("claim", "verdict", "reason"):
        shown.add_column(column, overflow="fold")
    for name, verdict in found.items():
        shown.add_row(name, verdict.printed, verdict.reason)
    return shown
