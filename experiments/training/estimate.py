"""An estimate of the training time: seconds of one core for an arm from its sizes, and the pace of this machine."""

import contextlib
import functools
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cnnlab.modules.graph import graph
from cnnlab.records import Store
from cnnlab.records.store import PROVENANCE
from cnnlab.spec.arm import Arm
from cnnlab.spec.invalid import InvalidError
from experiments.config.resolve import Point

COMPILE, COMPILE_NODE = 3.0, 0.12
"""Seconds that compiling an arm takes, and each of its layers."""
UNKNOWN_LAYERS = 30
STEP, PER_MAC = 0.45e-3, 0.8e-10
"""Seconds of a training step, and of a multiply-accumulate of one image in it, forward and backward.

As whole sweeps took on two cores of the Xeon of `results/bench/`, with the suite's own convolutions. By the speeds of
the engine in `speed.json` there, on both processors, it is 1.3 to 1.9 times as much: see `SLOWER`.
"""
PROBES = 0.4
"""Seconds that watching one member takes: statistics, validation after every epoch, and probes."""
ENDING, CLAIM, SWEEP = 40.0, 2.3, 1.5
"""Seconds that judging what is kept and building the page take, computing a claim that is not kept (mean over all),
and the tables and the figure of a sweep."""
SLOWER = 2.0
"""How many times as long it may take where the pace was never measured: on another processor, and XLA's convolutions
take 1.2 to 1.9 times as long as the suite's own (`vs_engine_xla` in `speed.json`)."""
YEAR = 365.25 * 24 * 3600.0
MOST_SECONDS = 2 * YEAR
"""Longer than anybody waits, so that it is a mistake."""
LEAST_ARMS = 2
"""Arms a worker of a pass that shows a pace. Of fewer, much of the time went into what others had begun."""
FURTHER = 1.15
"""Runs for each run at the first learning rates, since some arms go on at further ones."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast arms are trained here.

    Attributes:
        workers: processes that train at once.
        factor: seconds here for a second by the constants above.
        arms: how many arms that was measured on; 0 if it is only supposed.
    """

    workers: int
    factor: float = 1.0
    arms: int = 0

    def seconds(self, points: Iterable[Point]) -> float:
        """Seconds by the clock that these points will take."""
        return self.factor * sum(map(core_seconds, points)) / self.workers

    @property
    def known(self) -> str:
        """How it is known, in words."""
        return f"as {self.arms} arms took on this machine before" if self.arms else "not yet measured on this machine"

    def spoken(self, seconds: float) -> str:
        """So many seconds by this pace, in words: a range where it is only supposed.

        >>> Pace(workers=2).spoken(1200), Pace(workers=2).spoken(2400), Pace(workers=2, arms=30).spoken(1200)
        ('20 to 40 min', '40 min to 1 h 20 min', '20 min')
        """
        least, most = spoken(seconds), spoken(SLOWER * seconds)
        if self.arms:
            return least
        number, _, unit = least.partition(" ")
        return f"{number if unit == most.partition(' ')[2] else least} to {most}"

    def after(self, points: Iterable[Point], seconds: float) -> "Pace":
        """The pace that these points, trained in so many seconds, show."""
        trained = tuple(points)
        return Pace(
            workers=self.workers, factor=seconds * self.workers / sum(map(core_seconds, trained)), arms=len(trained)
        )


def spoken(seconds: float) -> str:
    """A time in words, such as `4 min`.

    >>> spoken(9240), spoken(250), spoken(38)
    ('2 h 34 min', '4 min', '38 s')
    """
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min" if seconds >= 90 else f"{round(seconds)} s"


def require_time(points: Iterable[Point], pace: Pace) -> None:
    """Raise InvalidError, naming the longest arm's epochs, if training takes longer than anybody waits."""
    every = tuple(points)
    seconds = pace.seconds(every)
    if seconds > MOST_SECONDS:
        longest = max(every, key=core_seconds).arm.recipe.epochs
        many = f"{len(every)} arm{'s' * (len(every) > 1)}"
        why = f"training {many} would take some {seconds / YEAR:,.0f} years on {pace.workers} workers"
        raise InvalidError("train.epochs", longest, f"{why}: choose fewer epochs, images, members or filters")


def core_seconds(point: Point) -> float:
    """Seconds of one core that a point takes, as the constants above have it."""
    recipe = point.arm.recipe
    runs = len(point.seeds) * recipe.rates * (FURTHER if recipe.rates > 1 else 1.0)
    images = point.arm.task.train_images * recipe.epochs
    steps = -(-point.arm.task.train_images // recipe.batch_size) * recipe.epochs
    nodes, macs = _sizes(point.arm)
    watching = PROBES if recipe.watched else 0.0
    return COMPILE + COMPILE_NODE * nodes + runs * (STEP * steps + PER_MAC * images * macs + watching)


@functools.cache
def _sizes(arm: Arm) -> tuple[int, int]:
    """How many layers an arm's net has, and how many multiply-accumulates an image takes.

    Of a module that cannot be followed neither is known: each weight is taken to be used at a quarter of the pixels.
    """
    found = graph(arm.net, arm.task.side, arm.task.channels, arm.task.classes)
    if found.network is None or found.measured.macs is None:
        return UNKNOWN_LAYERS, found.measured.params * arm.task.side**2 // 4
    return len(found.network.nodes), found.measured.macs


def machine_pace(places: Iterable[Path], points: Iterable[Point], workers: int, backend: str) -> Pace:
    """The pace at which this machine has trained such points before, as the provenance of their records has it.

    A record's provenance says when it was done, in seconds since its training pass began; a pass took as long as its
    last record says. Only passes of which every arm is among the points count, since the price of others is not known,
    and that came far enough (`LEAST_ARMS`).

    Args:
        places: folders of records. backend: as in the provenance; another one's passes do not count.
    """
    known = {point.arm.key: point for point in points}
    trained: list[Point] = []
    seconds = 0.0
    for done in (one for runs in places for one in _passes(runs, backend).values()):
        used = max(count for _, count in done.values())
        if done.keys() <= known.keys() and len(done) >= LEAST_ARMS * used:
            trained.extend(known[name] for name in done)
            seconds += max(wall for wall, _ in done.values()) * used / workers
    return Pace(workers=workers).after(trained, seconds) if trained else Pace(workers=workers)


def _passes(runs: Path, backend: str) -> dict[tuple[str, int], dict[str, tuple[float, int]]]:
    """Records of this machine by training pass: (seconds since it began, workers) by arm."""
    found: dict[tuple[str, int], dict[str, tuple[float, int]]] = {}
    store = Store(runs)
    for name in (path.parent.name for path in runs.glob(f"*/{PROVENANCE}")):
        with contextlib.suppress(ValueError, KeyError):  # a guess at the time is not worth stopping for
            facts = store.provenance(name)
            if (facts["host"], facts["backend"]) == (socket.gethostname(), backend):
                began = str(facts["started"]), int(str(facts["pid"]))
                seconds, workers = float(str(facts["seconds"])), int(str(facts["workers"]))
                if 0 < seconds < MOST_SECONDS and workers > 0:
                    found.setdefault(began, {})[name] = seconds, workers
    return found
