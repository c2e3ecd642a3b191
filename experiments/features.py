"""Draw what a net's classes and channels respond to, beside an untrained control: `python -m experiments.features`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from cnnlab.data import Source, check, keep
from cnnlab.files import json_text
from cnnlab.probes.ascent.parametrise import DEFAULT, NAMES
from cnnlab.records import Store, require_writable
from cnnlab.spec.arm import Arm
from cnnlab.spec.invalid import require
from cnnlab.spec.ranges import MOST_SEED
from cnnlab.spec.record import Record
from cnnlab.training.workers import ONE_THREAD, environment
from experiments.analysis.selection import best_view, split, trusted_folders
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import terminal
from experiments.cli.errors import UsageError, format_error
from experiments.config.grid import grid
from experiments.config.resolve import Settings
from experiments.config.schema import SCALES, XLA
from experiments.reports import features as page
from experiments.reports import parametrisations
from experiments.training import convolutions
from experiments.training.feature_pictures import Asked, Features, chosen_layer, compared, feature_pictures
from experiments.training.memory import require_pictures
from experiments.training.provenance import convolutions as made_with

SWEEP = "+sweep=pool_position"
MEMBERS, MOST_MEMBERS, MOST_STEPS, MOST_STARTS = 3, 1000, 100_000, 100
DESCRIPTION = """\
Pictures of what raises each class, and each channel of a layer, of one member of an arm (by default the reference of
the sweep pool_position). Records keep no weights: the member is trained again from its record's seed and learning
rate, and a line says whether its test accuracy equals the record's. Two more members read the class pictures.
Beside every picture stands the same member's before its first step: an untrained net gives pictures of hidden units
that pass the same gate. Pictures that are refused are grey tiles that say why. About a minute of one core for digits12.
Prints a table, and writes features.csv, features.json and features.png to results/features/<arm>/."""
EXAMPLES = """\
examples:
  python -m experiments.features                                      the reference of pool_position
  python -m experiments.features model.activation=sigmoid             another arm, as for experiments.run
  python -m experiments.features --layer act2 --parametrisation fourier
  python -m experiments.features --compare                            what the parametrisation does to a picture
  python -m experiments.features --seeds 2003,2004,2005 --starts 4    another member, other readers"""
Draw = Callable[[Arm, Record | None, Asked, Source, Path | None], Features]
Made = TypeVar("Made")
Compare = Callable[[Arm, Record | None, Asked, Source, Path | None], tuple[Features, ...]]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """An arm, its members' seeds, its record if there is one, and where that lies."""

    arm: Arm
    seeds: tuple[int, ...]
    record: Record | None
    runs: Path | None
    settings: Settings


@command
def main(draw: Draw | None = None, compare: Compare | None = None) -> int:
    """The door. Returns the exit code."""
    asked = command_line().parse_intermixed_args()
    chosen = choose(asked.words)
    layer = chosen_layer(chosen.arm, asked.layer)
    wanted = Asked(
        layer=asked.layer,
        parametrisation=asked.parametrisation,
        steps=within("--steps", asked.steps, 1, MOST_STEPS),
        starts=within("--starts", asked.starts, 2, MOST_STARTS),
        seeds=seeds(asked.seeds, chosen),
        still=asked.still,
    )
    require_pictures(chosen.arm, len(wanted.seeds), wanted.starts, "" if asked.compare else layer)
    require_writable(chosen.settings.results, "results", f"features/{chosen.arm.key}")
    check(chosen.arm.task, chosen.settings.source)
    keep(chosen.arm.task, chosen.settings.source)
    console = terminal(sys.stderr) if asked.json else terminal()
    library = None
    if chosen.runs is not None and made_with(Store(chosen.runs).provenance(chosen.arm.key)) != XLA:
        library = convolutions.library(chosen.settings, chosen.settings.cache / "native", console)
    console.print(f"record: {chosen.runs}" if chosen.runs else "no record of this arm: the recipe's learning rate")
    given = chosen.arm, chosen.record, wanted, chosen.settings.source, library
    folder = chosen.settings.results / "features" / chosen.arm.key
    try:
        if asked.compare:
            every = compare(*given) if compare is not None else apart(compared, *given)
            paths, data = parametrisations.write(every, folder), parametrisations.data(every)
        else:
            found = draw(*given) if draw is not None else apart(feature_pictures, *given)
            paths, data = page.write(found, folder), page.data(found)
    except BrokenProcessPool as problem:
        print(format_error(problem), file=sys.stderr)
        return ExitCode.FAILED
    if asked.json:
        print(json_text(data, sort_keys=True))
    elif asked.compare:
        parametrisations.show(every, console)
    else:
        page.show(found, console)
    for path in paths:
        console.print(f"written: {path}")
    return ExitCode.DONE


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    made = parser("features", DESCRIPTION, EXAMPLES)
    made.add_argument("words", nargs="*", metavar="key=value", help="the arm, as for experiments.run; results=FOLDER")
    made.add_argument("--layer", default="", help="whose channels are drawn (default: the last map before the head)")
    made.add_argument(
        "--parametrisation",
        choices=NAMES,
        default=DEFAULT,
        metavar="NAME",
        help=f"{', '.join(NAMES)} (default: {DEFAULT})",
    )
    made.add_argument(
        "--compare", action="store_true", help="class pictures alone, in every parametrisation, moved and still"
    )
    made.add_argument(
        "--still", action="store_true", help="do not move pictures between steps (default: jitter, scale, turn)"
    )
    made.add_argument("--steps", type=int, default=192, help="Adam steps (default: 192)")
    made.add_argument("--starts", type=int, default=2, help="random beginnings of every picture (default: 2)")
    made.add_argument("--seeds", help="members, such as 2000,2001,2002: the first is drawn, the others read")
    made.add_argument("--json", action="store_true", help="print the numbers for machines instead of a table")
    return made


def choose(words: Sequence[str]) -> Chosen:
    """The arm that a command line means, with its record from the user's own results or as published.

    A sweep means its reference on its first task. Without a sweep, and without a key that changes the arm, it is that
    of pool_position; else one arm, as for `experiments.run`, at the highest scale that has a record of it.

    Raises:
        UsageError, InvalidError, RecordError: as `experiments.config.grid.grid`, and for a record that is of no use.
    """
    asked, others = split(words)
    results = [word for word in words if word.startswith("results=")]
    sweep = [word for word in others if word.startswith("+sweep=")] or ([] if others else [SWEEP])
    if not sweep:
        return single(asked, others, results)
    others = [word for word in others if word not in sweep]
    settings = grid(["tracker=off", *results]).settings
    name = sweep[0].removeprefix("+sweep=")
    scales = [f"scale={scale}" for scale in asked]
    best = best_view(name, [*others, *scales], trusted_folders(settings.results))
    reference = None if best is None else best.reference(best.tasks()[0])
    if best is None or reference is None:
        plan = grid(["tracker=off", sweep[0], *others, *scales])
        level = None if plan.settings.sweep is None else plan.settings.sweep.reference
        point = next((one for one in plan.points if one.level == level), plan.points[0])
        return Chosen(arm=point.arm, seeds=point.seeds, record=None, runs=None, settings=settings)
    point, runs = reference.point, best.settings.runs
    return Chosen(arm=point.arm, seeds=point.seeds, record=reference.record, runs=runs, settings=settings)


def single(scales: Sequence[str], others: Sequence[str], results: Sequence[str]) -> Chosen:
    """One arm, at the first scale and from the first folder that has its record."""
    plans = [grid(["tracker=off", *others, *results, f"scale={scale}"]) for scale in scales or SCALES]
    for plan in plans:
        if len(plan.points) > 1:
            raise UsageError(f"{' '.join(others)} names several arms: give one value a key")
        point = plan.points[0]
        for folder in trusted_folders(plan.settings.results):
            store = Store(folder / "runs")
            if store.has(point.arm.key):
                record = store.read(point.arm.key)
                return Chosen(
                    arm=point.arm, seeds=record.members, record=record, runs=store.root, settings=plan.settings
                )
    plan = grid(["tracker=off", *others, *results, *(f"scale={scale}" for scale in scales)])
    (point,) = plan.points
    return Chosen(arm=point.arm, seeds=point.seeds, record=None, runs=None, settings=plan.settings)


def seeds(asked: str | None, chosen: Chosen) -> tuple[int, ...]:
    """The members to train. Raises UsageError where the record has not got one of them, and for fewer than three."""
    there, record = chosen.seeds, chosen.record
    if asked is None and record is None:
        return tuple(range(there[0], there[0] + MEMBERS))
    if asked is None:
        if len(there) < MEMBERS:
            raise UsageError(f"the record has {len(there)} members, {MEMBERS} are needed: one is drawn, two read")
        return there[:MEMBERS]
    words = asked.split(",")
    seeds_given = all(word.isascii() and word.isdecimal() and len(word) <= len(str(MOST_SEED)) for word in words)
    found = tuple(int(word) for word in words) if seeds_given else ()
    if not MEMBERS <= len(set(found)) == len(found) <= MOST_MEMBERS:
        raise UsageError(
            f"--seeds {asked} is not valid: give at least {MEMBERS} different seeds, such as 2000,2001,2002"
        )
    require(max(found) <= MOST_SEED, "--seeds", asked, f"every seed must lie between 0 and {MOST_SEED}")
    if record is not None and not set(found) <= set(record.members):
        valid = f"{record.members[0]} to {record.members[-1]}"
        raise UsageError(f"--seeds {asked} is not valid here: the record has the members {valid}")
    return found


def within(option: str, value: int, least: int, most: int) -> int:
    """The value of an option. Raises InvalidError where it is out of its range."""
    require(least <= value <= most, option, value, f"must lie between {least} and {most}")
    return value


def apart(
    work: Callable[..., Made], arm: Arm, record: Record | None, asked: Asked, source: Source, library: Path | None
) -> Made:
    """Draw in a process of its own, on one thread of the CPU as a worker trains: else roundings differ."""
    with environment(ONE_THREAD), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work, arm, record, asked, source, library).result()


if __name__ == "__main__":
    signals.door(main, signals.STOPPED)
