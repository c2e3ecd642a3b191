"""What command lines mean, kept between commands: Hydra takes a second for a sweep, and all claims rest on 22 of them.

An entry is plain data under a key of everything that composing depends on: the words, every file of configuration, the
environment variables that these name, the home folder, the code, and the versions of the packages. What depends on more
than that is composed each time: own nets and own pictures, folders that are relative to where one stands, and files
that ask a resolver of OmegaConf for the time or whatever else.
"""

import functools
import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnlab.data.own import content as own
from cnnlab.records.coding import build
from cnnlab.spec.arm import digest, plain
from cnnlab.spec.own_module import OwnModule
from experiments.analysis import kept
from experiments.config import files
from experiments.config.grid import Grid
from experiments.config.resolve import Point, Settings
from experiments.paths import ROOT, published

FOLDER = "composed"
VARIABLE = re.compile(r"\$\{oc\.env:(\w+)\s*[,}]")
UNKNOWN = re.compile(r"\$\{(?!oc\.env:\w+\s*[,}]|extra_conf:)(?:[\w.\s]|\$\{[^{}]*\})*:|\\")
"""A resolver of which the key knows nothing; a backslash may hide one."""


@dataclass(frozen=True, kw_only=True)
class Composed:
    """A grid without its launcher, or the first point of one."""

    settings: Settings | None
    points: tuple[Point, ...]
    checks: tuple[Point, ...] = ()


def whole_grid(words: list[str], cache: Path | None, compose: Callable[[list[str]], Grid]) -> Grid:
    """A command line's grid, from the cache or composed and put there. Raises as `compose`, which is `grid`.

    Args:
        cache: None composes it.
    """

    def made() -> Composed:
        full = compose(words)
        return Composed(settings=full.settings, points=full.points, checks=full.checks)

    found = _composed("grid", words, cache, made)
    if found.settings is None:
        raise TypeError("a grid has settings")
    return Grid(settings=found.settings, points=found.points, checks=found.checks)


def first(words: list[str], cache: Path | None, compose: Callable[[list[str]], Point | None]) -> Point | None:
    """A sweep's first point in the same way; `compose` is `first_point`."""

    def made() -> Composed:
        point = compose(words)
        return Composed(settings=None, points=() if point is None else (point,))

    return next(iter(_composed("first", words, cache, made).points), None)


def _composed(what: str, words: Sequence[str], cache: Path | None, compose: Callable[[], Composed]) -> Composed:
    key = None if cache is None else key_of(what, words)
    if cache is None or key is None:
        return compose()
    place = entry(cache, what, words)
    found = kept.read_back(place, key, built)
    if found is None:
        found = compose()
        if _depends_on_words(found) and key_of(what, words) == key:  # no file was edited meanwhile
            kept.keep(place, key, data(found), lambda content: data(built(content)))
    return found


def entry(cache: Path, what: str, words: Sequence[str]) -> Path:
    """Where an entry lies."""
    return cache / FOLDER / f"{what}.{digest(list(words))[:20]}.json"


def key_of(what: str, words: Sequence[str]) -> str | None:
    """The key of an entry that holds now; None where that cannot be told."""
    files.check_added()
    known = _configuration(files.stamp(files.folders()))
    text = " ".join(words)
    if known is None or UNKNOWN.search(text):
        return None
    contents, named = known
    variables = sorted({*named, *VARIABLE.findall(text)})
    environment = {name: os.environ.get(name) for name in ("HOME", *variables)}
    return digest([kept.surroundings(ROOT, published()), contents, environment, what, list(words)])


@functools.lru_cache(maxsize=4)
def _configuration(stamp: files.Stamp) -> tuple[str, tuple[str, ...]] | None:
    """Digest of all files of configuration, and the variables they name; None where they ask for more."""
    contents = {str(path): path.read_bytes() for path, _, _ in stamp}
    texts = [content.decode(errors="replace") for content in contents.values()]
    if any(UNKNOWN.search(text) for text in texts):
        return None
    names = tuple(name for text in texts for name in VARIABLE.findall(text))
    return digest({path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}), names


def _depends_on_words(found: Composed) -> bool:
    """Whether nothing that was composed stands for files elsewhere."""
    arms = [point.arm for point in (*found.points, *found.checks)]
    within = found.settings is None or found.settings.raw_dir is None
    return within and not any(isinstance(arm.net, OwnModule) or own.serves(arm.task.name) for arm in arms)


def data(found: Composed) -> dict[str, Any]:
    """As plain data."""
    content: dict[str, Any] = plain(found)
    if found.settings is not None:
        content["settings"] = {
            name: str(value) if isinstance(value, Path) else value for name, value in content["settings"].items()
        }
    return content


def built(content: Any) -> Composed:
    """From plain data. Raises TypeError or ValueError for anything else."""
    made: Composed = build(Composed, content, "composed")
    return made
