"""The noise-floor page, `python -m experiments.judge noise`: how far two copies of the same net lie apart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from cnnlab.files import json_text
from cnnlab.inference.effects import FEWEST, SYNTHETIC_MARGIN
from cnnlab.inference.multiplicity import ONE_SIDED
from cnnlab.inference.noise import Floor, seeds_needed
from cnnlab.records import Store
from cnnlab.report import canvas
from cnnlab.spec.arm import HASH_DIGITS, digest
from cnnlab.spec.recipe import TUNING
from cnnlab.spec.record import COMMON, Record
from cnnlab.spec.task import Task
from experiments.analysis.results import label
from experiments.analysis.verdicts import registered_family

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINT = 0.01
"""One point of accuracy: the difference the page asks about."""
NONE = (
    "no A/A check in {runs}: `python -m experiments.run +sweep=pool_position` makes some (scale=smoke too few members)"
)
ORIGINAL = b'"init_stream":0,'


@dataclass(frozen=True, kw_only=True)
class Copies:
    """One arm and its copy with other initial weights.

    Attributes:
        task: with its dials. net: label of the net, training images and epochs.
        floor: of the pairs in which both members trained. diverged: pairs in which one did not.
    """

    task: str
    net: str
    floor: Floor
    diverged: int

    @property
    def name(self) -> str:
        """Task and net."""
        return f"{self.task}, {self.net}"


def page(runs: Path, folder: Path, console: Console, as_json: bool) -> int:
    """Print the page and draw its figure; returns the exit code. Raises RecordError."""
    found, few = measured(runs)
    if not found:
        console.print("; ".join(few) or NONE.format(runs=runs))
        return 1
    path = canvas.save(figure(found), folder / "noise.png")
    if as_json:
        print(json_text([as_data(one) for one in found]))
        return 0
    show(found, console)
    for line in few:
        console.print(f"left out: {line}")
    console.print(f"records: {runs}\nfigure: {path}")
    return 0


def fullest(places: Sequence[Path]) -> Path:
    """The first of these stores with copies of which enough pairs trained; the first of all if none has. Never two."""
    return next((runs for runs in places if measured(runs)[0]), places[0])


def measured(runs: Path) -> tuple[list[Copies], list[str]]:
    """The copies in a store, and a line for each of which too few pairs trained. Raises RecordError."""
    found, few = [], []
    for (task, net), first, again in copies(Store(runs)):
        pairs = paired(first, again)
        trained = [(one, other) for one, other, bad in pairs if not bad]
        if len(trained) < FEWEST:
            few.append(f"{task}, {net}: {len(trained)} pairs, at least {FEWEST} needed")
            continue
        floor = Floor(first=tuple(one for one, _ in trained), again=tuple(other for _, other in trained))
        found.append(Copies(task=task, net=net, floor=floor, diverged=len(pairs) - len(trained)))
    return found, few


def copies(store: Store) -> Iterator[tuple[tuple[str, str], list[Record], list[Record]]]:
    """Name, records of the original and of the copy: of every arm that stands beside one with other initial weights."""
    for arm in [arm for arm, block in store.names() if block == 0]:
        if ORIGINAL in store.content(arm, 0):
            continue
        copy = read(store, arm)
        first = next((found for key in originals(copy[0]) if (found := read(store, key))), None)
        if first is not None:
            yield named(copy[0]), first, copy


def originals(copy: Record) -> Iterator[str]:
    """Keys that the arm has without its other stream of initial weights: tuned, or like the copy not."""
    for tuning in TUNING:
        recipe = {**copy.config["recipe"], "init_stream": 0, "tuning": tuning}
        yield copy.arm[:-HASH_DIGITS] + digest({**copy.config, "recipe": recipe})[:HASH_DIGITS]


def read(store: Store, key: str) -> list[Record]:
    """Every block of an arm; empty where it has none."""
    return [store.read(key, block) for block in (0, 1) if store.has(key, block)]


def named(record: Record) -> tuple[str, str]:
    """The task; the net and how much it was trained."""
    config = record.config["task"]
    task = Task(**{**config, "dials": tuple((str(key), float(value)) for key, value in config["dials"])})
    net = record.arm.removeprefix(f"{task.name}-")[: -HASH_DIGITS - 1]
    return label(task), f"{net}, {task.train_images} images x {record.config['recipe']['epochs']} epochs"


def paired(first: Sequence[Record], again: Sequence[Record]) -> list[tuple[float, float, bool]]:
    """Both accuracies at the common learning rate, and whether either diverged, for every seed that both have."""
    ours, theirs = by_seed(first), by_seed(again)
    return [
        (ours[seed][0], theirs[seed][0], ours[seed][1] or theirs[seed][1])
        for seed in sorted(ours.keys() & theirs.keys())
    ]


def by_seed(records: Sequence[Record]) -> dict[int, tuple[float, bool]]:
    """Test accuracy and whether it diverged, of every member."""
    return {
        seed: (accuracy, bad)
        for record in records
        for seed, accuracy, bad in zip(
            record.members, record.finals[COMMON].test_accuracy, record.finals[COMMON].diverged, strict=True
        )
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
        "correlation": floor.correlation if floor.correlation == floor.correlation else None,
        "seeds_alone": seeds(floor, POINT, 1),
        "seeds_family": seeds(floor, POINT, registered_family().claims),
        "apart": floor.count_apart(POINT),
        "wrong_way": floor.wrong_way(POINT),
        "least_disagreement": floor.least_disagreement,
        "test_images": floor.test_images,
        "mcnemar_at_least": floor.significant,
    }


def seeds(floor: Floor, difference: float, claims: int) -> int:
    """Pairs that find a difference with power .8, as one claim among so many."""
    return seeds_needed(max(floor.pair_sd, 1e-9), difference, alpha=ONE_SIDED / claims)


def show(found: Sequence[Copies], console: Console) -> None:
    """Print the table, and what it means for someone who compares two runs."""
    registered = registered_family().claims
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    heads = (
        "the same net twice",
        "pairs",
        "SD of\na member",
        "SD of a pair's\ndifference, 95 %",
        "corre-\nlation",
        "pairs over\n1 pp apart",
        "wrong way\nround",
        f"seeds to see 1 pp: alone /\nas one of {registered} claims",
    )
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left", no_wrap=place > 0, overflow="fold")
    for one in found:
        table.add_row(*_cells(one))
    console.print(table)
    for line in lines(found):
        console.print(line)


def _cells(one: Copies) -> tuple[str, ...]:
    floor, span = one.floor, one.floor.pair_sd95
    lost = f" ({one.diverged} diverged)" if one.diverged else ""
    apart = floor.apart(POINT)
    return (
        one.name,
        f"{floor.n}{lost}",
        f"{100 * floor.member_sd:.2f} pp",
        f"{100 * floor.pair_sd:.2f} pp [{100 * span.low:.2f}, {100 * span.high:.2f}]",
        f"{floor.correlation:+.2f}",
        f"{floor.count_apart(POINT)} of {floor.n} [{100 * apart.low:.0f} to {100 * apart.high:.0f} %]",
        f"{100 * floor.wrong_way(POINT):.0f} %",
        f"{seeds(floor, POINT, 1)} / {seeds(floor, POINT, registered_family().claims)}",
    )


def lines(found: Sequence[Copies]) -> list[str]:
    """What to take home, a line each."""
    worst = max(found, key=lambda one: one.floor.pair_sd)
    floor = worst.floor
    apart = f"{floor.count_apart(POINT)} of {floor.n} pairs lie over 1 pp apart"
    said = [
        "",
        "Both nets of a pair are one design: all of this is noise of initial weights, data order and split.",
        f"On {worst.name}, {apart}. Were one design truly 1 pp better, a single pair of runs would put it behind in "
        f"{100 * floor.wrong_way(POINT):.0f} % of cases.",
        "Seeds: pairs with which a one-sided t test finds a true 1 pp with power .8, at .025 and at Holm's first step. "
        "The rule also asks for an estimate of a margin or more: an effect of just one margin is called half the time.",
    ]
    for one in found:
        significant, images = one.floor.significant, one.floor.test_images
        if significant is not None:
            said.append(
                f"{one.name}: McNemar's test on the {images} test images of one pair calls at least {significant} of "
                f"{one.floor.n} pairs of copies different at .05; the copies disagree on at least "
                f"{100 * one.floor.least_disagreement:.1f} % of the images (records keep accuracies, not predictions)."
            )
    said.append(
        "McNemar's test knows the test images as its only noise: it says whether two trained NETS differ, never "
        "whether two DESIGNS do. Only what exceeds the disagreement of a design with itself is evidence."
    )
    return said


def figure(found: Sequence[Copies]) -> "Figure":
    """Every pair's difference, and how many seeds an effect takes."""
    drawn, axes = canvas.canvas(
        "How far two copies of the same net lie apart", width=12, height=3.2 + 0.7 * len(found), columns=2
    )
    left, right = axes[0]
    left.axvspan(-100 * POINT, 100 * POINT, color="0.9", zorder=0)
    left.axvline(0, color="0.4", linewidth=0.8)
    effects = [POINT * 2 ** (step / 4) for step in range(-8, 9)]
    for place, one in enumerate(found):
        colour = canvas.SERIES[place % len(canvas.SERIES)]
        marker = canvas.MARKERS[place % len(canvas.MARKERS)]
        shown = sorted(100 * value for value in one.floor.differences)
        heights = [place + 0.1 * ((rank % 3) - 1) for rank in range(len(shown))]
        left.plot(shown, heights, marker, color=colour, markersize=6, markeredgecolor="white", linestyle="none")
        alone, family = ([seeds(one.floor, effect, claims) for effect in effects] for claims in _families())
        percent = [100 * effect for effect in effects]
        right.plot(percent, family, color=colour, marker=marker, markersize=4, label=one.task)
        right.plot(percent, alone, color=colour, linestyle=":", linewidth=1.2)
    left.set_yticks(range(len(found)), [f"{one.task}\n{one.net}" for one in found], fontsize=8)
    left.set_ylim(len(found) - 0.5, -0.5)
    left.set_xlabel("copy minus original, points of test accuracy; one mark a seed")
    left.set_title("grey: within one point", fontsize=9.5, loc="left", color="0.3")
    right.set_xscale("log", base=2)
    right.set_yscale("log")
    ticks = [100 * POINT * 2.0**step for step in range(-2, 3)]
    right.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    right.set_xlabel("true difference of two designs, points")
    counts = [3, 10, 30, 100, 300, 1000, 3000]
    right.set_yticks(counts, [f"{count:,}" for count in counts])
    right.minorticks_off()
    right.set_ylabel("pairs of runs needed (power .8)")
    right.axvline(100 * SYNTHETIC_MARGIN, color="0.6", linewidth=0.8, linestyle="--")
    right.axvline(100 * POINT, color="0.6", linewidth=0.8, linestyle="--")
    registered = _families()[1]
    note = (
        f"solid: as one of {registered} claims; dotted: as the only claim\ndashed: margins of real and generated tasks"
    )
    right.set_title(note, fontsize=9.5, loc="left", color="0.3")
    drawn.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
    return drawn


def _families() -> tuple[int, int]:
    return 1, registered_family().claims
