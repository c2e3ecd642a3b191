"""Tables of a sweep, as data and as they are printed: arms, curves, effects, what claims rest on, verdicts."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from cnnlab.inference import intervals
from cnnlab.inference.effects import CALIBRATION
from cnnlab.spec.arm import plain
from cnnlab.spec.curve import at_chance, capped, reading, usual_rate
from cnnlab.spec.verdict import Effect
from experiments.analysis.results import ArmResults, SweepResults
from experiments.reports.ratios import FEWEST_FOR_INTERVAL, errors_of_better, points, size

if TYPE_CHECKING:
    import pandas as pd

LEFT = ("claim", "contrast", "task", "arm", "level", "match", "call", "test accuracy, %")
BESIDE = {"pos": "fewer", "neg": "more", "null": "no difference", "open": "undecided"}
"""What an arm's call says of its errors beside the reference's."""


def arm_table(now: SweepResults) -> "pd.DataFrame":
    """One row an arm: level, members, accuracy where they are read, the learning rate there, and the net's sizes."""
    import pandas as pd

    return pd.DataFrame([_arm_row(cell, now.label(cell.point.arm.task)) for cell in (*now.cells, *now.checks)])


def _arm_row(cell: ArmResults, task: str) -> dict[str, Any]:
    point, record = cell.point, cell.record
    row = _named(cell, task) | {"n": cell.members}
    if record is not None:
        sample = cell.accuracies()
        interval = intervals.paired_t(np.asarray(sample.values), 0.95, CALIBRATION)
        row |= {
            "accuracy": statistics.fmean(sample.values),
            "low": interval.low,
            "high": interval.high,
            "diverged": sum(sample.diverged),
            "learning_rate": usual_rate(record.rates),
            "rates_tried": len(record.rates),
            "capped": capped(record.rates),
            "at_chance": at_chance(record.rates),
            **plain(record.geometry),
        }
    return row | {"matching": point.matching, "arm": point.arm.key}


def _named(cell: ArmResults, task: str) -> dict[str, Any]:
    point = cell.point
    return {"task": task, "level": point.level, "match": point.match, "check": point.check}


def curve_table(now: SweepResults) -> "pd.DataFrame":
    """One row an arm and learning rate: every member's test accuracy there, and how many members are read there."""
    import pandas as pd

    rows = []
    for cell in (*now.cells, *now.checks):
        if cell.record is None:
            continue
        read = reading(cell.record.rates)
        for place, at in enumerate(cell.record.rates):
            rows.append(
                _named(cell, now.label(cell.point.arm.task))
                | {
                    "learning_rate": at.learning_rate,
                    "read_here": read.count(place),
                    "n": len(at.test_accuracy),
                    "validation_accuracy": statistics.fmean(at.validation_accuracy),
                    "test_accuracy": statistics.fmean(at.test_accuracy),
                    "diverged": sum(at.diverged),
                    "members": [round(accuracy, 6) for accuracy in at.test_accuracy],
                }
            )
    return pd.DataFrame(rows)


def what_differs(cell: ArmResults, reference: ArmResults) -> dict[str, Any]:
    """What differs between two arms' nets besides the factor, computed: sizes as ratios, fields and maps."""
    if cell.record is None or reference.record is None:
        return {}
    ours, theirs = cell.record.geometry, reference.record.geometry
    return {
        "params_ratio": ours.params / theirs.params,
        "macs_ratio": math.nan if ours.macs is None or theirs.macs is None else ours.macs / theirs.macs,
        "receptive_field": _pair(ours.receptive_field),
        "receptive_field_reference": _pair(theirs.receptive_field),
        "output_size": _pair(ours.output_size),
        "output_size_reference": _pair(theirs.output_size),
    }


def effect_table(now: SweepResults, pairs: Sequence[tuple[ArmResults, Effect]]) -> "pd.DataFrame":
    """One row an arm: its errors as a multiple of the reference's, points beside, the call, and what else differs.

    `call` is of the arm against the reference: `pos` where the arm makes fewer errors. `log_sd` and
    `smallest_detectable` are of the log of the ratio, and a ratio.
    """
    import pandas as pd

    rows = []
    for cell, effect in pairs:
        reference = now.reference(cell.point.arm.task)
        differs = {} if reference is None else what_differs(cell, reference)
        at, beside = effect.setting, effect.points95
        rows.append(
            {
                "task": at.task,
                "level": cell.point.level,
                "match": at.match,
                **ratio_columns(effect),
                "points_low": None if beside is None else beside.low,
                "points_high": None if beside is None else beside.high,
                "interval": effect.interval95.kind,
                "n": effect.n,
                "log_sd": effect.sd,
                "call": effect.call,
                "reason": effect.reason,
                "note": effect.note,
                "diverged": effect.diverged_better,
                "diverged_reference": effect.diverged_worse,
                "diverged_p": effect.diverged_p,
                "smallest_detectable": float(np.exp(effect.smallest_detectable)),
                "headroom": at.headroom,
                "margin": float(np.exp(at.margin)),
                **differs,
            }
        )
    return pd.DataFrame(rows)


def ratio_columns(effect: Effect) -> dict[str, Any]:
    """Errors of the arm as a multiple of the reference's, with the interval, and the difference of accuracies."""
    ratio = errors_of_better(effect)
    return {"ratio": ratio.middle, "ratio_low": ratio.low, "ratio_high": ratio.high, "points": effect.points}


def printed_arms(table: "pd.DataFrame") -> "pd.DataFrame":
    """The arms as a person reads them."""
    import pandas as pd

    shown = pd.DataFrame({"task": table["task"]})
    shown["arm"] = [_arm_name({str(key): value for key, value in row.items()}) for row in table.to_dict("records")]
    shown["n"] = table["n"]
    if "accuracy" not in table:
        return shown
    spans = zip(table["n"], table["accuracy"], table["low"], table["high"], strict=True)
    shown["accuracy"] = [_share(mean, low, high, n) for n, mean, low, high in spans]
    pairs = zip(table["diverged"], table["n"], strict=True)
    shown["lost"] = ["" if lost != lost else f"{int(lost)}/{members}" for lost, members in pairs]
    rates = zip(table["learning_rate"], table["rates_tried"], strict=True)
    shown["read at rate"] = [f"{rate:g} of {int(tried)} tried" if rate == rate else "" for rate, tried in rates]
    shown["params"] = [_whole(value) for value in table["params"]]
    shown["MACs"] = [_whole(value) for value in table["macs"]]
    shown["field"] = [_pair(value) for value in table["receptive_field"]]
    shown["map"] = [_pair(value) for value in table["output_size"]]
    return shown


def printed_curves(table: "pd.DataFrame") -> "pd.DataFrame":
    """Every arm's mean test accuracy at every learning rate, in one line; a star where most members are read."""
    import pandas as pd

    lines: dict[tuple[str, str], list[str]] = {}
    for _, arm in table.groupby(["task", "level", "match", "check"], sort=False):
        rows = [{str(key): value for key, value in row.items()} for row in arm.to_dict("records")]
        read = max(rows, key=lambda row: row["read_here"])
        said = [f"{row['learning_rate']:g}: {_at_rate(row)}{'*' if row is read else ''}" for row in rows]
        lines[rows[0]["task"], _arm_name(rows[0])] = said
    shown = [(task, arm, "   ".join(said)) for (task, arm), said in lines.items()]
    return pd.DataFrame(shown, columns=["task", "arm", "test accuracy, %"])


def _at_rate(row: Mapping[str, Any]) -> str:
    lost = f" ({row['diverged']} lost)" if row["diverged"] else ""
    return f"{100 * row['test_accuracy']:.1f}{lost}"


def printed_effects(table: "pd.DataFrame", pairs: Sequence[tuple[ArmResults, Effect]]) -> "pd.DataFrame":
    """The effects as a person reads them: errors as a multiple of the reference's, points beside."""
    if table.empty:
        return table
    import pandas as pd

    shown = pd.DataFrame({name: table[name] for name in ("task", "level", "match")})
    shown["errors"] = [errors_of_better(effect).printed for _, effect in pairs]
    shown["points"] = [points(effect) for _, effect in pairs]
    shown["call"] = [_call(effect) for _, effect in pairs]
    shown["n"] = table["n"]
    shown["params"] = [_times(value) for value in table["params_ratio"]]
    shown["MACs"] = [_times(value) for value in table["macs_ratio"]]
    shown["field"], shown["map"] = _changes(table, "receptive_field"), _changes(table, "output_size")
    return shown


def _call(effect: Effect) -> str:
    """Whether an arm makes more or fewer errors, and where a side at chance says how much to believe of it."""
    beside = " (both at chance)" if effect.reason == "both at chance" else ""
    return BESIDE[effect.call] + (" (one at chance: capped)" if "capped" in effect.note else beside)


def _changes(table: "pd.DataFrame", column: str) -> list[str]:
    """What a column is, and what it is for the reference where that differs."""
    pairs = zip(table[column], table[f"{column}_reference"], strict=True)
    return [ours if ours == theirs else f"{ours}, not {theirs}" for ours, theirs in pairs]


def printed_contrasts(rows: Sequence[tuple[str, str, Effect]]) -> "pd.DataFrame":
    """The contrasts that claims rest on, as a person reads them."""
    import pandas as pd

    return pd.DataFrame(
        {
            "claim": claim,
            "contrast": contrast,
            "task": effect.setting.task,
            "match": effect.setting.match,
            "n": effect.n,
            "effect": size(effect),
            "points": points(effect),
            "call": effect.call.capitalize() if effect.call != "open" else effect.call,
        }
        for claim, contrast, effect in rows
    )


def _arm_name(row: dict[str, Any]) -> str:
    if row["check"] != "none":
        return f"check: {row['check']}"
    return str(row["level"]) + ("" if row["match"] == "none" else f" same {row['match']}")


def _share(mean: float, low: float, high: float, n: int) -> str:
    """An accuracy in %, with its interval where there are members enough."""
    if mean != mean:
        return ""
    return f"{100 * mean:.1f}" + (f" [{100 * low:.1f}, {100 * high:.1f}]" if n >= FEWEST_FOR_INTERVAL else "")


def _whole(value: float | None) -> str:
    return f"{int(value):,}" if value is not None and value == value else ""


def _times(value: float) -> str:
    return f"x{value:.2f}" if value == value else ""


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
