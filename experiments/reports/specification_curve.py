"""The specification curve of a claim, `python -m experiments.judge curve`: one question, asked in every way."""

import csv
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from cnnlab.files import finite, json_text
from cnnlab.records import Store
from cnnlab.report import canvas
from cnnlab.report.figures import ratio_axis
from cnnlab.spec.net import HEADS, NORMS, ConvNet
from cnnlab.spec.verdict import ERROR_RATIOS, Effect
from experiments.analysis import metrics
from experiments.analysis.contrasts import ArmPair, ContrastSite, measured_effect, places
from experiments.analysis.results import ArmResults, SweepResults
from experiments.claims.base import Trained
from experiments.claims.registry import claims
from experiments.cli.command import advised

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEADLINES = ("mp-after-two-convs", "mp-not-near-output", "st-info-loss", "k3-symmetry-finer", "sig-vanishes")
"""The five claims whose curve is drawn if none is named."""
OTHER_NETS: tuple[tuple[str, tuple[Any, ...]], ...] = (("head", HEADS), ("norm", NORMS), ("width", (8, 16, 32)))
"""What else the same contrast is looked for with, one change at a time; taken where records exist."""
OWN_NET = "the claim's own"
READ = "where each is read"
COLOURS = {"pos": canvas.BLUE, "neg": canvas.RED, "null": canvas.GREEN, "open": "0.45"}
MARKERS = {"pos": "^", "neg": "v", "null": "s", "open": "o"}
SAYS = {"pos": "for the claim (Pos)", "neg": "against it (Neg)", "null": "negligible (Null)", "open": "undecided"}


@dataclass(frozen=True, kw_only=True)
class Specification:
    """One way to ask the claim's question, and what it gives.

    Attributes:
        choices: (what is chosen, what was), such as ("learning rate", ".012 for all").
    """

    effect: Effect
    choices: tuple[tuple[str, str], ...]


def page(names: Sequence[str], views: Mapping[str, SweepResults], folder: Path, console: Console, as_json: bool) -> int:
    """Print a summary, and write table and figure, of each of these claims; returns the exit code."""
    found = {name: specifications(name, views) for name in names}
    there = {name: ordered for name, ordered in found.items() if ordered}
    for name, ordered in there.items():
        write(ordered, folder / f"{name}-curve.csv")
        canvas.save(figure(name, ordered), folder / f"{name}-curve.png")
    if as_json:
        print(json_text({name: [row(one) for one in ordered] for name, ordered in there.items()}))
    else:
        for name in names:
            console.print(f"{name}: {summary(found[name]) if found[name] else absent(name)}")
        for name in there:
            console.print(f"figure and table: {folder / name}-curve.png, .csv")
    return 0 if there else 1


def absent(name: str) -> str:
    """What makes the records that a claim's curve needs."""
    sweeps = dict.fromkeys(trained.sweep for trained in claims()[name].trained)
    makes = " and ".join(f"`{advised('run', f'+sweep={sweep}')}`" for sweep in sweeps)
    return f"no contrast has records yet; {makes} makes them" if sweeps else "no part of it rests on training"


def specifications(name: str, views: Mapping[str, SweepResults]) -> tuple[Specification, ...]:
    """Every specification with records, by ascending effect; of the metric that most of them share."""
    found = [
        one
        for trained in claims()[name].trained
        if trained.sweep in views
        for one in _of(trained, views[trained.sweep])
    ]
    metrics = [one.effect.setting.metric for one in found]
    chosen = [one for one in found if one.effect.setting.metric == max(metrics, key=metrics.count)]
    return tuple(sorted(chosen, key=lambda one: one.effect.estimate))


def _of(trained: Trained, view: SweepResults) -> Iterator[Specification]:
    """Every contrast of one part of the evidence, at every place, with the claim's own nets and with others."""
    for contrast in trained.contrasts:
        for place in places(view, trained, contrast)[0]:
            for net, variant in (("", place), *_with_other_nets(place, Store(view.settings.runs))):
                for rate, fixed in ((READ, variant), *_at_fixed_rates(trained, variant)):
                    effect = measured_effect(view, trained, contrast, fixed)
                    at = effect.setting
                    choices = (
                        ("contrast", contrast.name),
                        ("task", at.task),
                        ("matched", NICE[at.match]),
                        ("learning rate", rate),
                        ("net", net or OWN_NET),
                    )
                    yield Specification(effect=effect, choices=choices)


NICE = {"none": "nothing", "macs": "compute", "params": "parameters"}


def _at_fixed_rates(trained: Trained, place: ContrastSite) -> Iterator[tuple[str, ContrastSite]]:
    """The same place with all members at one rate, for every rate at which all its arms have trained.

    Only for what a record has at every rate: histories and probes are of the rate where a member is read.
    """
    if trained.metric not in (*ERROR_RATIOS, *metrics.FIELDS):
        return
    tried = [{at.learning_rate for at in cell.record.rates} for cell in place.cells if cell.record is not None]
    for rate in sorted(set.intersection(*tried)) if tried else ():
        yield f"{rate:g} for all", place.of(functools.partial(at_rate, rate=rate))


def at_rate(cell: ArmResults, rate: float) -> ArmResults:
    """An arm with all of its members at one of its learning rates, wherever they are read."""
    if cell.record is None:
        return cell
    rates = tuple(at for at in cell.record.rates if at.learning_rate == rate)
    return dataclasses.replace(cell, record=dataclasses.replace(cell.record, rates=rates))


def _with_other_nets(place: ContrastSite, store: Store) -> Iterator[tuple[str, ContrastSite]]:
    """The same place with all its nets changed in one property, where every arm then has a record."""
    nets = [cell.point.arm.net for cell in place.cells]
    convnets = [net for net in nets if isinstance(net, ConvNet)]
    for field, values in OTHER_NETS if len(convnets) == len(nets) else ():
        own = {getattr(net, field) for net in convnets}
        for value in values if len(own) == 1 else ():
            if value not in own and (changed := _changed(place, field, value, store)) is not None:
                yield f"{field} {str(value).replace('_', ' ')}", changed


def _changed(place: ContrastSite, field: str, value: Any, store: Store) -> ContrastSite | None:
    """A place with one property of all its nets changed; None unless every arm has a record."""
    sides: list[ArmPair] = []
    for one in place.sides:
        better, worse = ([_other(cell, field, value, store) for cell in side] for side in (one.better, one.worse))
        if any(cell.record is None for cell in (*better, *worse)):
            return None
        sides.append(dataclasses.replace(one, better=tuple(better), worse=tuple(worse)))
    return dataclasses.replace(place, sides=tuple(sides))


def _other(cell: ArmResults, field: str, value: Any, store: Store) -> ArmResults:
    """A cell with one property of its net changed, and the record of that arm, where there is one."""
    net: Any = cell.point.arm.net
    arm = dataclasses.replace(cell.point.arm, net=dataclasses.replace(net, **{field: value}))
    record = store.read(arm.key) if store.has(arm.key) else None
    return ArmResults(point=dataclasses.replace(cell.point, arm=arm), record=record)


def row(one: Specification) -> dict[str, Any]:
    """One specification as plain data: a ratio of errors (above 1 for the claim), or a difference of the metric."""
    effect, span = one.effect, one.effect.interval95
    ratio = effect.setting.ratio
    return {
        **dict(one.choices),
        "metric": effect.setting.metric,
        "ratio" if ratio else "difference": _shown(effect.estimate, ratio),
        "low": finite(_shown(span.low, ratio)),
        "high": finite(_shown(span.high, ratio)),
        "margin": _shown(effect.setting.margin, ratio),
        "n": effect.n,
        "call": effect.call,
        "counts": effect.setting.eligible,
        "diverged": effect.diverged_better + effect.diverged_worse,
    }


def _shown(value: float, ratio: bool) -> float:
    """A value as it is shown: of the log of a ratio the ratio."""
    return float(np.exp(value)) if ratio else value


def write(ordered: Sequence[Specification], path: Path) -> None:
    """Write a row a specification."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [row(one) for one in ordered]
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def summary(ordered: Sequence[Specification]) -> str:
    """How far the specifications agree, in one sentence."""
    count, found = len(ordered), [one.effect for one in ordered]
    above, below = (sum(sign * effect.estimate > 0 for effect in found) for sign in (1, -1))
    beyond, against = (sum(sign * e.estimate >= e.setting.margin for e in found) for sign in (1, -1))
    calls = ", ".join(
        f"{sum(effect.call == call for effect in found)} {said}"
        for call, said in SAYS.items()
        if any(effect.call == call for effect in found)
    )
    return (
        f"{count} specifications: {_share(above, count)} have the claim's sign, {_share(below, count)} the other; "
        f"{_share(beyond, count)} lie beyond the margin, {_share(against, count)} beyond it the other way; {calls}. "
        "They share arms and seeds: no test is made of their number."
    )


def _share(part: int, whole: int) -> str:
    return f"{part} ({100 * part / whole:.0f} %)"


def figure(name: str, ordered: Sequence[Specification]) -> "Figure":
    """Effects in ascending order with their intervals, and below each the choices it stands for."""
    named = _dimensions(ordered)
    lines = sum(len(values) for values in named.values())
    width = min(16.0, max(8.0, 4.0 + 0.2 * len(ordered)))
    title = f"{name}: the same question asked in {len(ordered)} ways"
    drawn, axes = canvas.canvas(title, width=width, height=4.6 + 0.24 * lines, rows=2)
    upper, lower = axes[0][0], axes[1][0]
    upper.get_gridspec().set_height_ratios([3.4, 0.24 * lines + 0.3])
    _draw_effects(upper, ordered)
    _draw_choices(lower, ordered, named)
    handles, labels = upper.get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return drawn


def _dimensions(ordered: Sequence[Specification]) -> dict[str, list[str]]:
    """What is chosen and the values it takes here; only what differs between specifications."""
    named: dict[str, list[str]] = {}
    for one in ordered:
        for what, value in one.choices:
            named.setdefault(what, [])
            if value not in named[what]:
                named[what].append(value)
    several = {
        what: sorted(values, key=lambda value: (value != OWN_NET, value))
        for what, values in named.items()
        if len(values) > 1
    }
    return several or {"task": named["task"]}


def _draw_effects(axes: "Axes", ordered: Sequence[Specification]) -> None:
    at = ordered[0].effect.setting
    places, zero = np.arange(len(ordered)), _shown(0.0, at.ratio)
    margins = np.array([one.effect.setting.margin for one in ordered])
    if np.isfinite(margins).all():
        tops, bottoms = (np.array([_shown(sign * margin, at.ratio) for margin in margins]) for sign in (1, -1))
        said = "within the margin: does not matter"
        axes.bar(places, tops - bottoms, 1.0, bottom=bottoms, color="0.9", zorder=0, label=said)
    axes.axhline(zero, color="0.4", linewidth=0.8, zorder=1)
    seen: set[str] = set()
    for place, one in enumerate(ordered):
        effect, span = one.effect, one.effect.interval95
        colour = COLOURS[effect.call]
        if np.isfinite(span.low) and np.isfinite(span.high):
            ends = [_shown(span.low, at.ratio), _shown(span.high, at.ratio)]
            axes.plot([place, place], ends, color=colour, linewidth=1.6, zorder=2)
        filled = colour if effect.setting.eligible else "white"
        axes.plot(
            place,
            _shown(effect.estimate, at.ratio),
            MARKERS[effect.call],
            markeredgecolor=colour,
            markerfacecolor=filled,
            linestyle="none",
            markersize=6,
            zorder=3,
            label=None if effect.call in seen else SAYS[effect.call],
        )
        seen.add(effect.call)
    if at.ratio:
        ratio_axis(axes, None)
    axes.set_ylabel(
        "errors of the side that should be worse,\nas a multiple of the other's" if at.ratio else at.quantity
    )
    axes.set_title(_legend_line(ordered), fontsize=9, loc="left", color="0.3")
    axes.set_xlim(-0.7, len(ordered) - 0.3)
    axes.set_xticks([])


def _legend_line(ordered: Sequence[Specification]) -> str:
    hollow = any(not one.effect.setting.eligible for one in ordered)
    above = sum(one.effect.estimate > 0 for one in ordered)
    line = f"{above} of {len(ordered)} have the claim's sign; bars: 95 % interval"
    return line + ("; hollow: a task that does not count, linear models do as well" if hollow else "")


def _draw_choices(axes: "Axes", ordered: Sequence[Specification], named: Mapping[str, Sequence[str]]) -> None:
    heights = {pair: -place for place, pair in enumerate((what, value) for what in named for value in named[what])}
    for place, one in enumerate(ordered):
        for pair in one.choices:
            if pair in heights:
                axes.plot(place, heights[pair], "s", color=COLOURS[one.effect.call], markersize=4)
    edge = 0
    for values in list(named.values())[:-1]:
        edge -= len(values)
        axes.axhline(edge + 0.5, color="0.7", linewidth=0.8)
    axes.set_yticks(list(heights.values()), [f"{what}: {value}" for what, value in heights], fontsize=8)
    axes.set_ylim(-len(heights) + 0.4, 0.6)
    axes.set_xlim(-0.7, len(ordered) - 0.3)
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.set_xlabel("specifications, by effect")
