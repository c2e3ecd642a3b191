"""A sweep beside its replication with other seeds: every effect with both intervals, and two numbers that sum it up."""

import math
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from cnnlab.files import write_json
from cnnlab.inference.replication import APART, Replicated, Replication, paired
from cnnlab.inference.wording import CALLS, amount, interval
from cnnlab.report import canvas
from cnnlab.spec.verdict import Effect
from experiments.analysis.results import SweepResults
from experiments.analysis.verdicts import contrast_effects, pairwise_effects
from experiments.claims.registry import claims_fed_by
from experiments.reports.ratios import FEWEST_FOR_INTERVAL, errors_of_worse

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "replication"
"""Of the folder below the results that has the records, and of table, summary and figure below `sweeps`."""
UNBOUNDED = "too few members for a standard error"
"""Why an effect has no distance from its replication."""
LACKING = "-"
CALL_COLOURS = {"pos": canvas.GREEN, "neg": canvas.RED, "null": canvas.BLACK, "open": canvas.SKY}


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A sweep's effects and their replications, with a name for each."""

    sweep: str
    scale: str
    names: tuple[str, ...]
    found: Replication

    @property
    def line(self) -> str:
        """What came back, in a sentence; which effects cannot be compared, in another."""
        every, counted, share = len(self.found.effects), len(self.found.comparable), self.found.share_apart
        if share is None:
            return f"none of {every} effects can be compared: {UNBOUNDED}"
        span = f"95 % [{100 * share.low:.1f}, {100 * share.high:.1f}]"
        percent = 100 * len(self.found.apart) / counted
        sides = f"{len(self.found.changed)} call{'' if len(self.found.changed) == 1 else 's'} changed side"
        left = f". {every - counted} of {every} cannot be compared: {UNBOUNDED}" if counted < every else ""
        return (
            f"{len(self.found.apart)} of {counted} effects lie more than {APART:g} standard errors apart "
            f"({percent:.1f} %, {span}; 5 % are expected); {sides}{left}"
        )


def effects(now: SweepResults) -> list[tuple[str, Effect]]:
    """Every effect of a sweep by name: each arm against the reference, and each contrast that a claim rests on."""
    arms = [
        (" ".join(filter(None, (cell.point.level, matched(cell.point.match), at(cell.point.check)))), effect)
        for cell, effect in pairwise_effects(now)
    ]
    contrasts = []
    for name, contrast, effect in contrast_effects(now, claims_fed_by(now.settings.sweep_name)):
        named = f"{name}: {contrast} {matched(effect.setting.match)}".strip(), effect
        if named not in contrasts:  # parts of a claim share contrasts
            contrasts.append(named)
    return [*arms, *contrasts]


def matched(match: str) -> str:
    """A match as a name shows it."""
    return "" if match == "none" else f"at equal {match}"


def at(check: str) -> str:
    """A check as a name shows it."""
    return "" if check == "none" else f"check: {check}"


def compare(first: SweepResults, again: SweepResults) -> Compared:
    """Bring the effects of both together."""
    ours, theirs = effects(first), effects(again)
    return Compared(
        sweep=again.settings.sweep_name,
        scale=again.settings.scale,
        names=tuple(name for name, _ in ours),
        found=paired([effect for _, effect in ours], [effect for _, effect in theirs]),
    )


def rows(compared: Compared) -> list[dict[str, Any]]:
    """One row an effect, as plain values; estimates and ends of error ratios are ratios."""
    return [_row(name, one) for name, one in zip(compared.names, compared.found.effects, strict=True)]


def _row(name: str, one: Replicated) -> dict[str, Any]:
    found: dict[str, Any] = {"effect": name, "task": one.first.setting.task, "metric": one.first.setting.metric}
    for when, effect in (("first", one.first), ("again", one.again)):
        found |= dict(zip((when, f"{when}_low", f"{when}_high"), _shown(effect), strict=True))
        found |= {f"{when}_call": effect.call, f"{when}_n": effect.n}
    return found | {"z": one.z, "changed_side": one.changed_side}


def _shown(effect: Effect) -> tuple[float, float, float]:
    """Estimate and both ends of its interval as they are read: those of an error ratio as ratios."""
    if not effect.setting.ratio:
        return effect.estimate, effect.interval95.low, effect.interval95.high
    ratio = errors_of_worse(effect)
    return ratio.middle, ratio.low, ratio.high


def has_interval(effect: Effect) -> bool:
    """Whether there are members enough for an interval that says something."""
    return effect.n >= FEWEST_FOR_INTERVAL and math.isfinite(effect.interval95.low)


def _written(effect: Effect) -> str:
    """An estimate, with its interval where there is one; a dash where nothing was measured."""
    if math.isnan(effect.estimate):
        return LACKING
    span = f" {interval(effect.interval95, effect.setting)}" if has_interval(effect) else ""
    return f"{amount(effect.estimate, effect.setting)}{span}"


def _distance(z: float) -> str:
    """A distance in standard errors; a dash where there is no standard error, and words where nothing varies."""
    return LACKING if math.isnan(z) else f"{z:+.1f}" if math.isfinite(z) else "no spread"


def show(compared: Compared, console: Console) -> None:
    """Print every effect, and the sentence that sums it up."""
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("effect", "task", "first", "again", "z", "calls"):
        table.add_column(column, justify="right" if column == "z" else "left")
    for name, one in zip(compared.names, compared.found.effects, strict=True):
        calls = f"{CALLS[one.first.call]}, {CALLS[one.again.call]}{' CHANGED' if one.changed_side else ''}"
        table.add_row(name, one.first.setting.task, _written(one.first), _written(one.again), _distance(one.z), calls)
    console.print(table)
    console.print(compared.line)


def write(compared: Compared, folder: Path) -> tuple[Path, ...]:
    """Write table, summary and figure into a folder. Returns their paths."""
    import pandas as pd

    folder.mkdir(parents=True, exist_ok=True)
    table, summary, drawn = (folder / f"{NAME}.{end}" for end in ("csv", "json", "png"))
    pd.DataFrame(rows(compared)).to_csv(table, index=False, float_format="%.6g")
    share = compared.found.share_apart
    facts = {
        "sweep": compared.sweep,
        "scale": compared.scale,
        "first_seed": min(seed for one in compared.found.effects for seed in one.again.seeds),
        "effects": len(compared.found.effects),
        "apart": len(compared.found.apart),
        "share_apart_95": None if share is None else [share.low, share.high],
        "changed_side": len(compared.found.changed),
        "sentence": compared.line,
    }
    write_json(summary, facts)
    canvas.save(figure(compared), drawn)
    return table, summary, drawn


def figure(compared: Compared) -> "Figure":
    """Both intervals of every effect on accuracies, one above the other, on a log axis of error ratios."""
    shown = [(n, one) for n, one in zip(compared.names, compared.found.effects, strict=True) if one.first.setting.ratio]
    shown.reverse()  # upwards
    labels = [_label(name, one.first.setting.task) for name, one in shown]
    heights = np.array([max(1.0, 0.43 * (label.count("\n") + 1)) for label in labels])
    places = np.cumsum(heights) - heights / 2
    height = 1.4 + 0.34 * heights.sum()
    title = textwrap.fill(f"{compared.sweep} again, with other seeds: {compared.line}", 90)
    drawn, axes = canvas.canvas(title, width=9.5, height=height)
    panel = axes[0][0]
    for place, (_, one) in zip(places, shown, strict=True):
        for effect, aside, marker in ((one.first, 0.14, "o"), (one.again, -0.14, "D")):
            centre, low, high = _shown(effect)
            colour = CALL_COLOURS[effect.call]
            if has_interval(effect):
                panel.plot([low, high], [place + aside] * 2, color=colour, linewidth=1.4)
            panel.plot(centre, place + aside, marker, color=colour, markersize=4.5)
    panel.set_xscale("log")
    panel.axvline(1, color=canvas.BLACK, linewidth=0.8)
    panel.set_yticks(places, labels, fontsize=8)
    panel.set_ylim(-0.3, heights.sum() + 0.3)
    canvas.ratio_ticks(panel)
    panel.set_xlabel("ratio of errors, 95 %; dot: first, diamond: again")
    for call, colour in CALL_COLOURS.items():
        panel.plot([], [], "s", color=colour, label=CALLS[call])
    panel.legend(frameon=False, fontsize=8)
    return drawn


def _label(name: str, task: str) -> str:
    """An effect and its task without dials, on as many lines as it needs."""
    return textwrap.fill(f"{name}, {task.partition(' (')[0]}", 52)
