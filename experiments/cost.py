"""Time what the cost claims compare, on this machine: `python -m experiments.cost [claim ids]`."""

import argparse
import datetime
import difflib
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

from cnnlab.inference.rules.cost import Timings
from cnnlab.records import RecordError, require_writable
from cnnlab.training.workers import ONE_THREAD, accelerator, environment
from experiments.analysis.verdicts import judge_claims
from experiments.claims.base import Claim, Timed
from experiments.claims.registry import claims
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import terminal
from experiments.cli.errors import UsageError, format_error
from experiments.cli.words import require_keys
from experiments.config.grid import grid
from experiments.timing import timings

DESCRIPTION = """\
Times what the claims about cost compare, and judges them.
Both sides are timed in the same rounds (31 of them, warmed up, in an order shuffled anew each round), until the result
is there. On a CPU everything runs on ONE thread, in a process of its own, and seconds are those in which it computed;
on a GPU they are those of the wall clock. Verdicts hold for the device they name.
The raw seconds of every round go to results/costs/<claim>/<device>.json, in place of earlier ones of the same device;
`python -m experiments.judge` reads them from there, or else those that come with the suite. The machine should have
little else to do: other work makes intervals wide, and verdicts inconclusive. All takes some four minutes on a CPU.
Exit code: 0 if everything asked for was timed, 1 if not, 2 for a mistake on the command line."""
Parts = Mapping[str, Mapping[str, Timings]]
Stopwatch = Callable[[str, str], tuple[str, str, Parts]]
"""(claim, platform) -> (name of the device, version of JAX, timings by part and cell)."""


@command
def main(stopwatch: Stopwatch | None = None) -> int:
    """The door. Returns the exit code."""
    asked = command_line().parse_intermixed_args()
    names = [word for word in asked.words if "=" not in word]
    chosen = choose(names)
    overrides = [word for word in asked.words if "=" in word]
    require_keys(overrides, ("results",))
    results = grid(["tracker=off", *overrides]).settings.results
    on = platform(asked.device)
    require_writable(results, "results", timings.FOLDER)
    console = terminal()
    able = [name for name in chosen if timeable(claims()[name], on)]
    for name in chosen:
        if name not in able:
            console.print(f"{name}: skipped, needs a {needs(claims()[name])}")
    try:
        for place, name in enumerate(able, start=1):
            console.print(f"{name}: timing on the {on.upper()} ({place} of {len(able)})")
            device, jax, parts = (stopwatch or apart)(name, on)
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            path = timings.write(timings.measurement(name, on, device, jax, now, parts), results)
            console.print(f"  {device}: {path!s}")
        for name, verdict in judge_claims(able, {}, results).items():
            console.print(f"{name} {verdict.printed}: {verdict.sentence}")
            console.print(f"  {verdict.reason}")
    except (RecordError, BrokenProcessPool) as problem:
        print(format_error(problem), file=sys.stderr)
        return ExitCode.FAILED
    return ExitCode.FAILED if names and len(able) < len(chosen) else ExitCode.DONE


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    made = parser("cost", DESCRIPTION, f"claims with something to time: {', '.join(timed_claims())}")
    made.add_argument("words", nargs="*", metavar="claim", help="ids (default: every one); results=FOLDER")
    made.add_argument("--device", choices=("cpu", "gpu"), help="where to time (default: the GPU if there is one)")
    return made


def timed_claims() -> tuple[str, ...]:
    """Ids of the claims that have a stopwatch in their evidence."""
    return tuple(name for name, claim in claims().items() if timed(claim))


def timed(claim: Claim) -> dict[str, Timed]:
    """The parts of a claim's evidence that a stopwatch gives."""
    return {part: source for part, source in claim.sources.items() if isinstance(source, Timed)}


def timeable(claim: Claim, on: str) -> bool:
    """Whether any part of a claim can be timed on this platform."""
    return any(source.needs in (None, on) for source in timed(claim).values())


def needs(claim: Claim) -> str:
    """The platforms that a claim's parts ask for."""
    return " or ".join(sorted({source.needs.upper() for source in timed(claim).values() if source.needs}))


def choose(names: Sequence[str]) -> tuple[str, ...]:
    """The claims to time; all there are if none is named. Raises UsageError with the choices."""
    valid = timed_claims()
    for name in names:
        if name not in valid:
            close = difflib.get_close_matches(name, valid, n=1)
            meant = f"did you mean {close[0]}? " if close else ""
            what = "has nothing to time" if name in claims() else "is no claim"
            raise UsageError(f"{name} {what}: {meant}choose of {', '.join(valid)}")
    return tuple(name for name in valid if name in names or not names)


def platform(asked: str | None) -> str:
    """Where to time. Raises UsageError if that is a GPU and JAX sees none."""
    if asked == "gpu" and accelerator() != "gpu":
        raise UsageError("--device gpu is not valid here: JAX finds no GPU; choose cpu")
    return asked or accelerator()


def apart(name: str, on: str) -> tuple[str, str, Parts]:
    """Time a claim in a process of its own, so that nothing else is in its memory, nor on its thread."""
    with (
        environment(ONE_THREAD if on == "cpu" else {}),
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process,
    ):
        return process.submit(measure, name, on).result()


def measure(name: str, on: str) -> tuple[str, str, Parts]:
    """Time a claim here and now."""
    import jax

    settings: Any = jax.config
    # on a CPU a call then computes in the calling thread, so that nothing is handed over inside what is timed
    settings.update("jax_cpu_enable_async_dispatch", False)
    sources = {part: source for part, source in timed(claims()[name]).items() if source.needs in (None, on)}
    parts = {part: source.measure() for part, source in sources.items()}
    return timings.device_name(on), jax.__version__, parts


if __name__ == "__main__":
    signals.door(main, "stopped; claims that were timed are kept")
