"""Interleaved timing: everything that is compared is timed in the same rounds, in an order shuffled each round."""

import math
import random
import sys
import time
import timeit
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
from rich.console import Console

from experiments.cli.console import progress_bar, terminal

ROUNDS = 31
"""One more than R-COST asks for, so that the median is one of the measured values."""
SHORTEST = 2e-3
"""Seconds that one timing takes at least: a call that is quicker is repeated."""
MOST_REPEATS = 10_000
SEED = 0
LOG_EVERY_SECONDS = 15.0

Clock = Callable[[], float]
Call = Callable[[], Any]
_wait: Callable[[Any], Any] = jax.block_until_ready


def interleaved(
    cells: Mapping[str, Call], *, rounds: int = ROUNDS, clock: Clock | None = None, console: Console | None = None
) -> dict[str, tuple[float, ...]]:
    """Seconds of one call of every cell in every round; entry i of all cells was measured in round i.

    Every cell is called until it is compiled and warm and one timing takes `SHORTEST` seconds; then come the rounds,
    each in its own order (fixed seed), so that a machine that drifts drifts for all. A timing ends when the result is
    there (`jax.block_until_ready`).

    Args:
        cells: what to time, by name; a call gives back the arrays to wait for.
        rounds: how often. clock: seconds, ascending; `clock_for` the backend unless given.
        console: where progress goes; standard error unless given.
    """
    clock = clock_for(jax.default_backend()) if clock is None else clock
    out = terminal(sys.stderr) if console is None else console
    repeats = {name: _repeats(cells[name], clock) for name in _shown(list(cells), "warming up", out)}
    seconds: dict[str, list[float]] = {name: [] for name in cells}
    order = random.Random(SEED)
    for _ in _shown(range(rounds), "rounds", out):
        for name in order.sample(list(cells), len(cells)):
            seconds[name].append(_seconds(cells[name], repeats[name], clock) / repeats[name])
    return {name: tuple(values) for name, values in seconds.items()}


def clock_for(backend: str) -> Clock:
    """The clock of a JAX backend.

    On a CPU, where all is computed on one thread, it counts the seconds in which this process computed: those of a
    clock on the wall where the machine is idle, and not those in which another process had the core. For a device that
    computes by itself it is a clock on the wall.
    """
    return time.process_time if backend == "cpu" else time.perf_counter


def _seconds(call: Call, repeats: int, clock: Clock) -> float:
    """Seconds of so many calls in a row; the last result is waited for, and with it all before."""
    start = clock()
    result = None
    for _ in range(repeats):
        result = call()
    _wait(result)
    return clock() - start


def _repeats(call: Call, clock: Clock) -> int:
    """Compile, warm up, and say how many calls make one timing."""
    _wait(call())
    repeats = 1
    while repeats < MOST_REPEATS:
        taken = _seconds(call, repeats, clock)
        if taken >= SHORTEST:
            return repeats
        wanted = math.ceil(1.2 * repeats * SHORTEST / taken) if taken > 0 else 2 * repeats
        repeats = min(MOST_REPEATS, max(repeats + 1, wanted))
    return repeats


def _shown(items: Iterable[Any], what: str, console: Console) -> Iterator[Any]:
    """Go through items with a bar on a terminal, or a plain line now and then in a log."""
    every = list(items)
    bar = progress_bar(console, "calls")
    last = time.monotonic()
    with bar:
        task = bar.add_task(what, total=len(every))
        for done, item in enumerate(every, start=1):
            yield item
            bar.update(task, completed=done)
            if not console.is_terminal and (time.monotonic() - last > LOG_EVERY_SECONDS or done == len(every)):
                last = time.monotonic()
                console.print(f"  {what} {done}/{len(every)}")


def fastest(products: Sequence[Callable[[], Any]]) -> Callable[[], Any]:
    """The one that takes the least time, each at its best of three calls after the first."""
    return min(products, key=lambda product: min(timeit.repeat(product, number=1, repeat=4)[1:]))
