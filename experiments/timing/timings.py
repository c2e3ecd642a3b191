"""Timings of the cost claims on disk: raw seconds of every round, one file for each claim and device."""

import dataclasses
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cnnlab.files import FileError, read_regular, write_json
from cnnlab.inference.rules.cost import Timings
from cnnlab.processor import processor
from cnnlab.records import RecordError
from cnnlab.records.coding import build
from cnnlab.spec.arm import digest, plain
from cnnlab.training.workers import accelerator
from experiments.paths import result_folders

PROTOCOL = 1
"""Raised whenever what is timed, or how, changes; timings of another protocol are refused."""
MOST_BYTES = 1 << 26
"""Of a file of timings: some thousand times the largest."""
FOLDER, DIGEST = "costs", "digest"


class NotTimedError(LookupError):
    """There are no timings to read, or to draw."""


class TimingsError(RecordError):
    """A file of timings that cannot be used: which file, and what is wrong with it, in one line."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        again = f"python -m experiments.cost {path.parent.name}"
        ValueError.__init__(self, f"{path} {why}; take the file away, and time again with {again}")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What the stopwatch found for one claim on one device.

    Attributes:
        protocol: see `PROTOCOL`. claim: its id.
        device: platform and model of what computed, and on how many threads. platform: as JAX names it.
        clock: the function of Python's `time` that counted. jax: its version. measured: when, in UTC.
        parts: the timings by part of the claim (`` where it has none), and by cell.
    """

    protocol: int
    claim: str
    device: str
    platform: str
    clock: str
    jax: str
    measured: str
    parts: dict[str, dict[str, Timings]]


def folder() -> Path:
    """The working results folder, as the doors choose it: `CNNLAB_RESULTS`, else `results`."""
    return Path(os.environ["CNNLAB_RESULTS"] if "CNNLAB_RESULTS" in os.environ else "results")


def kept(name: str, results: Path, part: str = "") -> Mapping[str, Timings]:
    """The timings of a claim, or of one part of it, by cell; empty where there are none.

    Devices are never pooled: this machine's own timings are taken, from `results` or else as published; where there
    are none, those of another device, whose name the verdict prints.

    Raises:
        TimingsError: for a file that cannot be read, was edited, or is of another protocol.
    """
    path = next(_candidates(name, results), None)
    if path is None:
        return {}
    parts = read(path, name).parts
    return parts[part] if part in parts else {}


def drawn(name: str, part: str = "") -> Mapping[str, Timings]:
    """The timings that a figure shows, from the default folder. Raises NotTimedError where there are none."""
    found = kept(name, folder(), part)
    if not found:
        raise NotTimedError(f"{name} has no timings to draw: python -m experiments.cost {name}")
    return found


def not_timed(name: str, needs: str | None) -> str:
    """Say why there are none, and how to get them."""
    if needs == "gpu" and accelerator() != "gpu":
        return "needs a GPU"
    return f"not timed yet: python -m experiments.cost {name}"


def write(measurement: Measurement, results: Path) -> Path:
    """Put a measurement in place by one rename, instead of an earlier one of the same claim and device."""
    content = plain(measurement)
    path = results / FOLDER / measurement.claim / f"{slug(measurement.device)}.json"
    return write_json(path, {**content, DIGEST: digest(content)})


def read(path: Path, name: str) -> Measurement:
    """Read what `write` wrote for a claim. Raises TimingsError for anything else, saying what is wrong."""
    try:
        content = json.loads(read_regular(path, MOST_BYTES))
    except FileError as problem:
        raise TimingsError(path, str(problem)) from None
    except (ValueError, RecursionError):
        raise TimingsError(path, "is not JSON (cut off, or edited)") from None
    if not isinstance(content, dict) or DIGEST not in content:
        raise TimingsError(path, "is no file of timings")
    if content.pop(DIGEST) != digest(content):
        raise TimingsError(path, "was edited: it does not match its own digest")
    try:
        found: Measurement = build(Measurement, content, "timings")
    except (TypeError, ValueError) as problem:
        raise TimingsError(path, f"does not fit this code: {problem}") from None
    if found.protocol != PROTOCOL:
        raise TimingsError(path, f"was timed by protocol {found.protocol}, this code is protocol {PROTOCOL}")
    if found.claim != name:
        raise TimingsError(path, f"has the timings of {found.claim}")
    return found


def measurement(
    name: str, on: str, device: str, jax: str, measured: str, parts: Mapping[str, Mapping[str, Timings]]
) -> Measurement:
    """Join the timings of a claim's parts; each cell is named by its device."""
    from experiments.timing.stopwatch import clock_for  # here, since it brings JAX: all doors import this file

    named = {
        part: {cell: dataclasses.replace(timings, device=device) for cell, timings in cells.items()}
        for part, cells in parts.items()
    }
    return Measurement(
        protocol=PROTOCOL,
        claim=name,
        device=device,
        platform=on,
        clock=clock_for(on).__name__,
        jax=jax,
        measured=measured,
        parts=named,
    )


def device_name(on: str) -> str:
    """Name what computes on a platform of this machine; a CPU is timed on one thread, and says so."""
    if on == "cpu":
        return f"CPU {processor()}, 1 thread"
    import jax

    return f"{on.upper()} {jax.devices()[0].device_kind}"


def slug(device: str) -> str:
    """A device's name as the name of a file."""
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")


def _candidates(name: str, results: Path) -> Iterator[Path]:
    """Files with timings of a claim, best first: of this machine before others, working folder before published."""
    found = [path for root in result_folders(results) for path in sorted((root / FOLDER / name).glob("[!.]*.json"))]
    if len(found) > 1:
        mine = [f"{slug(device_name(on))}.json" for on in dict.fromkeys((accelerator(), "cpu"))]
        found.sort(key=lambda path: mine.index(path.name) if path.name in mine else len(mine))
    return iter(found)
