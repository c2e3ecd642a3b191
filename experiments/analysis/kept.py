"""What is computed, kept between commands: all claims' own computing takes a minute and a half of one core.

An entry is a part's verdict under a key of everything that it depends on: the code, the versions of the packages, the
processor, and what is published. An entry of another key, one that is no such entry, and one that another user could
have written are ignored, and computed anew.
"""

import contextlib
import dataclasses
import functools
import hashlib
import importlib.metadata
import json
import platform
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from cnnlab import jax_environment
from cnnlab.files import FileError, private_folder, read_regular, write_bytes
from cnnlab.inference.family import Case
from cnnlab.inference.rules.contract import Decisions, Rule
from cnnlab.inference.rules.given import Given
from cnnlab.processor import with_vectors
from cnnlab.records import manifest
from cnnlab.records.coding import build
from cnnlab.spec.arm import digest, plain
from cnnlab.spec.verdict import Number, Verdict
from experiments.claims.base import Computed
from experiments.claims.registry import claims
from experiments.paths import ROOT, published

Kept = TypeVar("Kept")
FOLDER = "computed"
MOST_BYTES = 1 << 24
"""Of an entry: some hundred times the largest."""
CODE = ("cnnlab", "experiments")
"""Folders of the checkout whose every file counts: a claim may read any of them."""
OUTSIDE = Decisions(greater=0.0, less=0.0, moderators=0.0, registered=0)
"""For rules that the family says nothing to."""


def case(name: str, part: str, source: Computed, rule: Rule[Any], cache: Path) -> Case:
    """A computed part of a claim: its verdict, from the cache or computed and put there.

    A rule that takes part in the registered family concludes only with all others: its evidence is computed each time.
    """
    place, key = entry(cache, name, part), key_of(name, part)
    found = read(place, key)
    if found is None:
        evidence = source.compute()
        if rule.p_values(evidence) is not None:
            return Case(rule=rule, evidence=evidence)
        found = rule.conclude(evidence, OUTSIDE)
        write(place, key, found)
    return Case(rule=Given(verdict=found), evidence=None)


def to_compute(names: Iterable[str], cache: Path) -> tuple[str, ...]:
    """Those of these claims of which a part has to be computed, since the cache has no entry that holds now."""
    return tuple(
        name
        for name in names
        if any(
            isinstance(source, Computed) and read(entry(cache, name, part), key_of(name, part)) is None
            for part, source in claims()[name].sources.items()
        )
    )


def key_of(name: str, part: str) -> str:
    """The key of an entry that holds now."""
    return digest([surroundings(ROOT, published()), name, part])


def entry(cache: Path, name: str, part: str) -> Path:
    """Where an entry lies."""
    beside = re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-")
    return cache / FOLDER / f"{name}{f'.{beside}' if beside else ''}.json"


def read(place: Path, key: str) -> Verdict | None:
    """A verdict that is kept; None as `read_back`."""
    return read_back(place, key, built)


def write(place: Path, key: str, found: Verdict) -> None:
    """Keep a verdict, as `keep`."""
    keep(place, key, plain(found), lambda content: plain(built(content)))


def read_back(place: Path, key: str, made: Callable[[Any], Kept]) -> Kept | None:
    """What an entry holds, made from plain data; None unless it is there, this user's own, whole, and of this key."""
    if not place.is_file():
        return None
    try:
        private_folder(place.parent)
        entry = json.loads(read_regular(place, MOST_BYTES, own=True))
        if entry["key"] != key or entry["digest"] != _digest(entry["content"]):
            return None
        return made(entry["content"])
    except (OSError, FileError, ValueError, TypeError, KeyError, RecursionError):
        return None


def keep(place: Path, key: str, content: Any, again: Callable[[Any], Any]) -> None:
    """Keep plain data, if it reads back as it is and the cache can be written: else it is made again next time.

    Args:
        again: what it is after it was read back.
    """
    entry = {"key": key, "digest": _digest(content), "content": content}
    with contextlib.suppress(OSError, FileError, TypeError, ValueError):
        text = json.dumps(entry)
        if _digest(again(json.loads(text)["content"])) == entry["digest"]:
            private_folder(place.parent)
            write_bytes(place, text.encode())


def built(content: Any) -> Verdict:
    """A verdict from plain data, whole numbers as they were. Raises TypeError or ValueError for anything else."""
    found: Verdict = build(Verdict, content, "verdict")
    return found if found.number is None else dataclasses.replace(found, number=Number(**content["number"]))


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@functools.cache
def surroundings(root: Path, evidence: Path) -> str:
    """Digest of all that computing depends on: code, packages, processor, variables of JAX, and what is published."""
    listed = evidence / manifest.NAME
    return digest(
        {
            "code": {str(path.relative_to(root)): _file(path) for folder in CODE for path in code_files(root / folder)},
            "packages": _versions(),
            "python": platform.python_version(),
            "processor": with_vectors(),
            "variables": jax_environment.given(),
            "published": _file(listed) if listed.is_file() else "",
        }
    )


def code_files(folder: Path) -> list[Path]:
    """Every file below a folder but what Python compiles."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _versions() -> dict[str, str]:
    """Versions of what the suite needs, and of the libraries that JAX and Hydra stand on."""
    needed = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in importlib.metadata.requires("cnnlab") or ()]
    found = {}
    for name in (*needed, "jaxlib", "omegaconf", "pyyaml"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # an extra
            found[name] = importlib.metadata.version(name)
    return found
