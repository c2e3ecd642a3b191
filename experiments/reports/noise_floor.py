"""The noise-floor page, `python -m experiments.judge noise`: how far two copies of the same net lie apart."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from cnnlab.files import json_text
from cnnlab.inference.effects import CALIBRATION, FEWEST, Sample, accuracy_margin, pair
from cnnlab.inference.multiplicity import ONE_SIDED
from cnnlab.inference.noise import Floor, seeds_needed
from cnnlab.records import Store
from cnnlab.report import canvas
from cnnlab.spec.arm import HASH_DIGITS, digest
from cnnlab.spec.record import Record
from cnnlab.spec.task import Task
from experiments.analysis.metrics import test_accuracy
from experiments.analysis.results import label
from experiments.analysis.verdicts import registered_family
from experiments.cli.command import advised
from experiments.reports.comparison import differs, flat

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NONE = (
    "no A/A check in {runs}: `python -m experiments.run +sweep=pool_position` makes some (scale=smoke too few members)"
)
MCNEMAR = (
    "At least: records keep accuracies, not predictions. The test knows the test images as its only noise: it says "
    "whether two trained NETS differ, never whether two DESIGNS do. Only what exceeds the disagreement of a design "
    "with itself is evidence."
)
HEADS = ("the same net twice", "test images", "pairs called different", "images they differ on")
ORIGINAL = b'"init_stream":0,'
CURVES = 5.0
"""Inches of the panel of curves."""


@dataclass(frozen=True, kw_only=True)
class Copies:
    """One arm and its copy with other initial weights.

    Attributes:
        task: with its dials. net: label of the net, training images and epochs.
        real: whether the task is. floor: accuracies of the pairs in which both members trained.
        ratios: log of the original's errors over the copy's, of the same pairs.
        diverged: pairs in which one did not train.
    """

    task: str
    net: str
    real: bool
    floor: Floor
    ratios: tuple[float, ...]
    diverged: int

    @property
    def name(self) -> str:
        """Task and net."""
        return f"{self.task}, {self.net}"

    @property
    def ratio_sd(self) -> float:
        """Standard deviation of the log of a pair's ratio of errors."""
        return statistics.stdev(self.ratios)

    @property
    def margin(self) -> float:
        """Ratio of errors that matters on such a task at scale quick."""
        return math.exp(accuracy_margin(scale="quick", real=self.real))

    def count_apart(self) -> int:
        """How many pairs' errors lie further apart than what matters."""
        return sum(abs(ratio) > math.log(self.margin) for ratio in self.ratios)

    @property
    def wrong_way(self) -> float:
        """Share of single pairs that would put an arm behind which truly makes fewer errors by what matters."""
        return self.count_apart() / (2 * len(self.ratios))


def page(runs: Path, folder: Path, console: Console, as_json: bool, *, verbose: bool = False) -> int:
    """Print the page and draw its figure; returns the exit code. Raises RecordError.

    Args:
        verbose: print every net, too, and McNemar's test; else a row a task.
    """
    found, few = measured(runs)
    if not found:
        console.print("; ".join(few) or NONE.format(runs=runs))
        return 1
    path = canvas.save(figure(found), folder / "noise.png")
    if as_json:
        print(json_text([as_data(one) for one in found]))
        return 0
    show(found, console, verbose=verbose)
    for line in few:
        console.print(f"left out: {line}")
    console.print(f"records: {runs}\nfigure: {path}")
    if not verbose:
        console.print(f"every net, and McNemar's test: {advised('judge', 'noise', '--verbose')}")
    return 0


def fullest(places: Sequence[Path]) -> Path:
    """The first of these stores with copies of which enough pairs trained; the first of all if none has. Never two."""
    return next((runs for runs in places if measured(runs)[0]), places[0])


def measured(runs: Path) -> tuple[list[Copies], list[str]]:
    """The copies in a store, and a line for each of which too few pairs trained. Raises RecordError."""
    found, few = [], []
    there = list(copies(Store(runs)))
    said = told_apart([(name, flat(copy.config)) for name, _, copy in there])
    for ((task, _), first, again), net in zip(there, said, strict=True):
        real = first.config["task"]["real"]
        pairs = paired(first, again)
        trained = [(one, other) for one, other, bad in pairs if not bad]
        if len(trained) < FEWEST:
            few.append(f"{task}, {net}: {len(trained)} pairs, at least {FEWEST} needed")
            continue
        floor = Floor(first=tuple(one for one, _ in trained), again=tuple(other for _, other in trained))
        ratios = pair(errors(again), errors(first)).values
        lost = len(pairs) - len(trained)
        found.append(Copies(task=task, net=net, real=real, floor=floor, ratios=ratios, diverged=lost))
    return found, few


def told_apart(named: Sequence[tuple[tuple[str, str], Mapping[str, Any]]]) -> list[str]:
    """Labels of nets; of those that share task and label with others, with the keys in which their configs differ."""
    labels = []
    for name, config in named:
        others = [differs(config, other) for alike, other in named if alike == name]
        keys = sorted({key for pairs in others for key in pairs})
        told = (f"{key.rpartition('.')[2]} {config[key]}" for key in keys if key in config)
        labels.append(", ".join((name[1], *told)))
    return labels


def copies(store: Store) -> Iterator[tuple[tuple[str, str], Record, Record]]:
    """Name, records of the original and of the copy: of every arm that stands beside one with other initial weights."""
    for arm in store.arms():
        if ORIGINAL in store.content(arm):
            continue
        copy = store.read(arm)
        first = next((store.read(key) for key in originals(copy) if store.has(key)), None)
        if first is not None:
            yield named(copy), first, copy


def originals(copy: Record) -> Iterator[str]:
    """Keys that the arm has without its other stream of initial weights: watched like the copy, or not."""
    for watched in (True, False):
        recipe = {**copy.config["recipe"], "init_stream": 0, "watched": watched}
        yield copy.arm[:-HASH_DIGITS] + digest({**copy.config, "recipe": recipe})[:HASH_DIGITS]


def errors(record: Record) -> Sample:
    """Minus log of the errors of every member that trained, where it is read."""
    rows = [place for place, lost in enumerate(record.finals.diverged) if not lost]
    values = test_accuracy.values(record)
    return Sample(
        seeds=tuple(record.members[place] for place in rows),
        values=tuple(values[place] for place in rows),
        diverged=(False,) * len(rows),
    )


def named(record: Record) -> tuple[str, str]:
    """The task; the net and how much it was trained."""
    config = record.config["task"]
    task = Task(**{**config, "dials": tuple((str(key), float(value)) for key, value in config["dials"])})
    net = record.arm.removeprefix(f"{task.name}-")[: -HASH_DIGITS - 1]
    return label(task), f"{net}, {task.train_images} images x {record.config['recipe']['epochs']} epochs"


def paired(first: Record, again: Record) -> list[tuple[float, float, bool]]:
    """Both accuracies where members are read, and whether either diverged, for every seed that both have."""
    ours, theirs = by_seed(first), by_seed(again)
    return [
        (ours[seed][0], theirs[seed][0], ours[seed][1] or theirs[seed][1])
        for seed in sorted(ours.keys() & theirs.keys())
    ]


def by_seed(record: Record) -> dict[int, tuple[float, bool]]:
    """Test accuracy and whether it diverged, of every member where it is read."""
    finals = record.finals
    return {
        seed: (accuracy, bad)
        for seed, accuracy, bad in zip(record.members, finals.test_accuracy, finals.diverged, strict=True)
    }


def as_data(one: Copies) -> dict[str, Any]:
    """One arm's noise floor as plain data; accuracies are fractions."""
    floor = one.floor
    return {
        "name": one.name,
        "pairs": floor.n,
        "diverged": one.diverged,
        "member_sd": floor.member_sd,
        "pair_sd": floor.pair_sd,
        "pair_sd_low": floor.pair_sd95.low,
        "pair_sd_high": floor.pair_sd95.high,
        "ratio_sd": one.ratio_sd,
        "margin": one.margin,
        "correlation": floor.correlation if floor.correlation == floor.correlation else None,
        "seeds_alone": seeds(one, one.margin, 1),
        "seeds_family": seeds(one, one.margin, registered_family().claims),
        "apart": one.count_apart(),
        "wrong_way": one.wrong_way,
        "least_disagreement": floor.least_disagreement,
        "test_images": floor.test_images,
        "mcnemar_at_least": floor.significant,
    }


def seeds(one: Copies, ratio: float, claims: int) -> int:
    """Pairs that find a ratio of errors with power .8, as one claim among so many; calibrated as effects are."""
    return seeds_needed(max(CALIBRATION * one.ratio_sd, 1e-9), math.log(ratio), alpha=ONE_SIDED / claims)


def show(found: Sequence[Copies], console: Console, *, verbose: bool) -> None:
    """Print a row a task, or one a net, and what it means for someone who compares two runs."""
    console.print(by_net(found) if verbose else by_task(found))
    for line in lines(found):
        console.print(line)
    tested = [one for one in found if one.floor.significant is not None] if verbose else []
    if tested:
        console.print("\nWhat McNemar's test at .05 says of the same pairs, on the test images that both nets saw:")
        console.print(_mcnemar(tested))
        console.print(MCNEMAR)


def by_task(found: Sequence[Copies]) -> Table:
    """A row a task, whatever its dials: what its nets have in common, from the least to the most."""
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    claims = registered_family().claims
    heads = ("the same net twice, on", "nets", "SD of log\nerror ratio", "pairs apart by\nwhat matters")
    for place, head in enumerate((*heads, "seeds to\nsee it", f"as one of\n{claims} claims")):
        table.add_column(head, justify="right" if place else "left", no_wrap=place > 0, overflow="fold")
    tasks: dict[str, list[Copies]] = {}
    for one in found:
        tasks.setdefault(one.task.partition(" (")[0], []).append(one)
    for task, nets in tasks.items():
        apart = f"{sum(one.count_apart() for one in nets)} of {sum(one.floor.n for one in nets)}"
        spread = _span([one.ratio_sd for one in nets], ".2f")
        alone, family = (_span([seeds(one, one.margin, count) for one in nets], "d") for count in (1, claims))
        table.add_row(task, str(len(nets)), spread, apart, alone, family)
    return table


def _span(values: Sequence[float], written: str) -> str:
    """The least and the most of some values; one alone where they are the same."""
    least, most = (format(value, written) for value in (min(values), max(values)))
    return least if least == most else f"{least} to {most}"


def by_net(found: Sequence[Copies]) -> Table:
    """A row a net, with everything that is known of its pairs."""
    registered = registered_family().claims
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    heads = (
        "the same net twice",
        "pairs",
        "SD of log\nerror ratio",
        "SD of a pair's\ndifference, 95 %",
        "correlation",
        "pairs apart by\nwhat matters",
        "wrong way\nround",
        f"seeds to see it: alone /\nas one of {registered} claims",
    )
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left", no_wrap=place > 0, overflow="fold")
    for one in found:
        table.add_row(*_cells(one))
    return table


def _mcnemar(tested: Sequence[Copies]) -> Table:
    """A row an arm: how many pairs the test calls different, and on how many images copies disagree."""
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, head in enumerate(
        ("the same net twice", "test images", "pairs called different", "images they differ on")
    ):
        table.add_column(head, justify="right" if place else "left", no_wrap=place > 0, overflow="fold")
    for one in tested:
        floor, share = one.floor, f"at least {100 * one.floor.least_disagreement:.1f} %"
        table.add_row(one.name, f"{floor.test_images:,}", f"at least {floor.significant} of {floor.n}", share)
    return table


def _cells(one: Copies) -> tuple[str, ...]:
    floor, span = one.floor, one.floor.pair_sd95
    lost = f" ({one.diverged} diverged)" if one.diverged else ""
    return (
        one.name,
        f"{floor.n}{lost}",
        f"{one.ratio_sd:.2f}",
        f"{100 * floor.pair_sd:.2f} pp [{100 * span.low:.2f}, {100 * span.high:.2f}]",
        "-" if math.isnan(floor.correlation) else f"{floor.correlation:+.2f}",
        f"{one.count_apart()} of {floor.n} (x{one.margin:.2f})",
        f"{100 * one.wrong_way:.0f} %",
        f"{seeds(one, one.margin, 1)} / {seeds(one, one.margin, registered_family().claims)}",
    )


def lines(found: Sequence[Copies]) -> list[str]:
    """What to take home, a line each."""
    worst = max(found, key=lambda one: one.ratio_sd / math.log(one.margin))
    floor = worst.floor
    apart = f"{worst.count_apart()} of {floor.n} pairs make errors that differ by more than x{worst.margin:.2f}"
    said = [
        "",
        "Both nets of a pair are one design: all of this is noise of initial weights, data order and split.",
        f"On {worst.name}, {apart}. Did one design truly make that many fewer, a single pair of runs would put it "
        f"behind in {100 * worst.wrong_way:.0f} % of cases.",
        "Seeds: pairs with which a one-sided t test finds a true ratio that just matters with power .8, at .025 and at "
        "Holm's first step. The rule also asks for an estimate of a margin or more: an effect of just one margin is "
        "called half the time.",
    ]
    return said


def figure(found: Sequence[Copies]) -> "Figure":
    """Every pair's ratio of errors, and how many seeds an effect takes."""
    from matplotlib.ticker import NullLocator

    rows = 1 + 0.32 * len(found)
    drawn, axes = canvas.canvas(
        "How far two copies of the same net lie apart", width=10, height=rows + CURVES + 1, rows=2
    )
    axes[0][0].get_gridspec().set_height_ratios([rows, CURVES])
    above, below = axes[0][0], axes[1][0]
    registered = registered_family().claims
    effects = [1 + 0.05 * 2 ** (step / 2) for step in range(10)]
    for place, one in enumerate(found):
        colour, marker = canvas.style(place)
        above.barh(place, one.margin - 1 / one.margin, 0.9, left=1 / one.margin, color="0.9", zorder=0)
        shown = sorted(math.exp(ratio) for ratio in one.ratios)
        heights = [place + 0.1 * ((rank % 3) - 1) for rank in range(len(shown))]
        above.plot(shown, heights, marker, color=colour, markersize=6, markeredgecolor="white", linestyle="none")
        below.plot(
            effects, [seeds(one, effect, registered) for effect in effects], color=colour, marker=marker, markersize=5
        )
    above.axvline(1, color="0.4", linewidth=0.8)
    above.set_xscale("log")
    canvas.ratio_ticks(above)
    above.set_yticks(range(len(found)), [f"{one.task}\n{one.net}" for one in found], fontsize=8)
    above.set_ylim(len(found) - 0.5, -0.5)
    above.set_xlabel("errors of the original, as a multiple of the copy's; one mark a seed")
    above.set_title(
        "grey: what does not matter; colours and marks also of the lines below", fontsize=9.5, loc="left", color="0.3"
    )
    below.set_xscale("log")
    below.set_yscale("log")
    canvas.ratio_ticks(below)
    below.set_xlabel("true ratio of errors of two designs")
    counts = [3, 10, 30, 100, 300, 1000, 3000]
    below.set_yticks(counts, [f"{count:,}" for count in counts])
    below.yaxis.set_minor_locator(NullLocator())
    below.set_ylabel("pairs of runs needed (power .8)")
    for margin in {one.margin for one in found}:
        below.axvline(margin, color="0.6", linewidth=0.8, linestyle="--")
    note = f"with the correction for {registered} claims; dashed: ratios that just matter"
    below.set_title(note, fontsize=9.5, loc="left", color="0.3")
    return drawn
