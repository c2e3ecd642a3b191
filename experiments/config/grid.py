"""Compose and check every point of the grid that a command line means, before the first one is trained."""

import contextlib
import copy
import functools
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, QuotedString
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from cnnlab.data.own import content as own
from cnnlab.spec import ranges
from cnnlab.spec.invalid import require_choice
from cnnlab.spec.net import Net
from cnnlab.spec.task import Task
from experiments import launchers, paths
from experiments.cli.errors import UsageError
from experiments.config import files, hydra_guard, resolve, schema, sections, varied
from experiments.config.errors import SECTIONS, explain, near, unreadable
from experiments.config.resolve import Point, Settings
from experiments.config.schema import CHECKS
from experiments.launchers import Launcher

LONGEST_KEY, LONGEST_WORD = 100, 20_000
DIGITS = "integer string conversion"
"""In what Python raises for a whole number of more digits than it reads."""
ESCAPED = re.compile(r"\\([\\()\[\]{}:=, \t])")
"""What Hydra puts a backslash before where it splits a grid into jobs."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What a command line means: the settings, and every point in the order of its jobs.

    Attributes:
        points: the grid itself. checks: the three checks of each of its tasks; empty without a sweep.
        launcher: what starts a job an arm; None where this command trains them itself.
        words: the command line.
    """

    settings: Settings
    points: tuple[Point, ...]
    checks: tuple[Point, ...]
    launcher: Launcher | None = None
    words: tuple[str, ...] = ()


def grid(arguments: list[str]) -> Grid:
    """Compose and validate everything a command line would run.

    Raises:
        UsageError: one line naming the key, the value and what is valid. Nothing was written.
        InvalidError: the same, from a spec.
    """
    with composing():
        return _grid(arguments)


def first_point(arguments: list[str]) -> Point | None:
    """The first point of a sweep, some ten times sooner than the whole grid; None if the sweep leaves it out.

    Enough to see whether anything of a sweep has run. Raises as `grid`.
    """
    with composing():
        overrides = _parsed(arguments)
        _reject_additions(overrides)
        base = compose("config", _fixed(overrides), return_hydra_config=True)
        _check_sweep(base)
        return _point(_jobs(base, overrides)[0], base)


def net_and_task(arguments: list[str]) -> tuple[Net, Task]:
    """Compose one net and one task, such as `model=lenet5 data=mnist`, whether or not they fit each other.

    Raises:
        UsageError, InvalidError: as `grid`; a list of values is refused.
    """
    with composing():
        overrides = _parsed(arguments)
        _reject_additions(overrides)
        for override in overrides:
            if override.is_sweep_override() or override.key_or_group == "sweep":
                raise UsageError(f"{override.input_line} names more than one net: give one value a key")
        return resolve.net_and_task(compose("config", _fixed(overrides)))


@contextlib.contextmanager
def composing() -> Iterator[None]:
    """Let Hydra compose from `conf/`; what it raises becomes one line."""
    schema.register()
    sections.register()
    GlobalHydra.instance().clear()
    files.check_added()
    sections.forget_changed(files.folders())
    own.forget()
    with initialize_config_dir(str(paths.CONF), version_base="1.3"):
        try:
            yield
        except (HydraException, OmegaConfBaseException, YAMLError, RecursionError, UnicodeDecodeError) as problem:
            raise explain(problem) from problem
        except ValueError as problem:
            if DIGITS not in str(problem):
                raise
            most = sys.get_int_max_str_digits()
            raise UsageError(f"a number of more than {most} digits is not valid: give a smaller one") from problem


def _parsed(words: Iterable[str]) -> list[Override]:
    """Words as overrides. Raises UsageError for one that would take Hydra minutes, as it reads a list by its square."""
    words = list(words)
    for word in words:
        if len(word) > LONGEST_WORD:
            raise UsageError(f"{word[:LONGEST_KEY]}... has {len(word)} characters: at most {LONGEST_WORD} are read")
    return [_override(word) for word in words]


def _override(word: str) -> Override:
    """A word as an override. Raises UsageError that says what to write instead."""
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException as problem:
        raise unreadable(word, problem) from problem


def check_question(words: Iterable[str]) -> DictConfig:
    """Compose what a command line asks about, `hydra` included. Raises as `grid`; a list of values is refused."""
    with composing():
        overrides = _parsed(words)
        for override in overrides:
            if override.is_sweep_override():
                raise UsageError(f"{override.input_line} names several arms: ask about one value a key")
        return _base(overrides)


def _base(overrides: list[Override]) -> DictConfig:
    """The config that all jobs share, `hydra` included, and nothing in it that would run what it should not."""
    _reject_additions(overrides)
    for override in overrides:
        hydra_guard.check_choice(override.key_or_group, str(override.input_line).partition("=")[2].strip())
    fixed = _fixed(overrides)
    base = compose("config", fixed, return_hydra_config=True)
    hydra_guard.check_hydra(base, fixed)
    _check_sweep(base)
    _check_scale(base, overrides)
    return base


def _fixed(overrides: Iterable[Override]) -> list[str]:
    """The overrides with one value each, as Hydra composes them."""
    return [free_keys(str(override.input_line)) for override in overrides if not override.is_sweep_override()]


def free_keys(word: str) -> str:
    """An override as Hydra takes it: the arguments of a user's own net are keys that no file has."""
    return f"++{word}" if word.startswith(resolve.OWN_ARGUMENTS) else word


def _grid(arguments: list[str]) -> Grid:
    overrides = _parsed(arguments)
    base = _base(overrides)
    launcher = launchers.chosen(str(base.hydra.runtime.choices["hydra/launcher"]), base.hydra.launcher)
    sweeps = any(override.is_sweep_override() for override in overrides)
    _require_varied(base, overrides)
    if base.hydra.mode != RunMode.MULTIRUN:
        if sweeps:
            swept = next(override for override in overrides if override.is_sweep_override())
            raise UsageError(f"{swept.input_line} is a list of values: add --multirun, or name a sweep, +sweep=NAME")
        with open_dict(base):
            del base["hydra"]
        return Grid(
            settings=resolve.settings(base, ""),
            points=(resolve.point(base),),
            checks=(),
            launcher=launcher,
            words=tuple(arguments),
        )
    jobs = _jobs(base, overrides)
    points = tuple(point for job in jobs if (point := _point(job, base)) is not None)
    if base.sweep is not None and base.sweep.factor not in {override.key_or_group for override in overrides}:
        _require_reference(points, base)
    checks: tuple[tuple[str, ...], ...] = ()
    if base.sweep is not None and points[0].check == "none":
        checks = _check_jobs(jobs, base)
    return Grid(
        settings=resolve.settings(_composed(jobs[0]), sweep_name(base)),
        points=points,
        checks=tuple(point for job in checks if (point := _point(job, base)) is not None),
        launcher=launcher,
        words=tuple(arguments),
    )


def _reject_additions(overrides: list[Override]) -> None:
    """Only a sweep may be added; a key that is added or deleted is a slip."""
    swept = any(override.key_or_group == "sweep" for override in overrides)
    for override in overrides:
        key = override.key_or_group
        if key == "sweep" and override.is_sweep_override():
            names = str(override.input_line).partition("=")[2]
            more = f"experiments.suite only={names}"
            raise UsageError(f"{override.input_line} names several sweeps: run one after the other, or {more}")
        if key.startswith("sweep.") and not swept:
            raise UsageError(f"{override.input_line} is not valid without a sweep: name one, +sweep=NAME")
        if not key or override.package is not None:
            raise UsageError(
                f"{override.input_line} is not valid: a key comes before =, and packages (@) are for files"
            )
        if len(key) > LONGEST_KEY:
            raise UsageError(f"{key[:LONGEST_KEY]}... is not a key: {near(key[:LONGEST_KEY])}")
        if key.startswith("hydra"):
            hydra_guard.check_word(key)
            continue
        if key in _truths() and type(override.value()) is int:  # OmegaConf takes any number for a truth value
            raise UsageError(f"{override.input_line} is not valid: must be true or false")
        if _chooses_file(override) and not override.is_delete() and not _names(override):
            raise UsageError(f"{override.input_line} is not valid: a file of conf/{key}/ is chosen by its name")
        added = override.is_add() or override.is_force_add()
        if override.is_delete() or (added and key != "sweep"):
            raise UsageError(
                f"{override.input_line} is not valid: keys are neither added nor deleted, only set (key=value); "
                "only a sweep is added, +sweep=NAME"
            )


def _names(override: Override) -> bool:
    """Whether files are chosen by text alone: Hydra would end in a trace for a number."""
    value = override.value()
    every = value.list if isinstance(value, ChoiceSweep) else [value]
    return all(isinstance(one, (str, QuotedString)) for one in every)


@functools.cache
def _truths() -> frozenset[str]:
    """The keys that are true or false."""
    sections = {"": (schema.Root,), **SECTIONS}
    return frozenset(
        f"{section}.{name}".lstrip(".")
        for section, kinds in sections.items()
        for kind in kinds
        for name, declared in ranges.declared(kind).items()
        if declared.type is bool
    )


def _check_scale(base: DictConfig, overrides: list[Override]) -> None:
    """Raise UsageError for tasks and matches of the scale that are none, or that nothing would come of."""
    tasks = sorted(files.named("data"))
    said = {one.key_or_group: str(one.input_line).partition("=")[2].strip("'\"") for one in overrides}
    read = str(OmegaConf.to_container(base.hydra.sweeper, resolve=False))
    for key, choices, instead in (("scale.tasks", tasks, "data"), ("scale.matches", schema.MATCHES, "match")):
        value = said[key] if key in said else str(OmegaConf.select(base, key))
        for word in value.split(","):
            require_choice(key, word, choices)
        if key in said and f"{{{key}}}" not in read:
            what = "without a sweep" if base.sweep is None else "with this sweep, which has its own"
            raise UsageError(f"{key}={value} is not valid {what}: give {instead}={value}")


def _jobs(base: DictConfig, overrides: list[Override]) -> tuple[tuple[str, ...], ...]:
    """The overrides of every job, split exactly as Hydra's basic sweeper splits them."""
    varied.check_file(base.hydra.sweeper.params or {})
    every = _of_file(base) + overrides
    varied.check_lists(every)
    (batch,) = BasicSweeper.split_arguments(every, None)
    return tuple(tuple(job) for job in batch)


def _of_file(base: DictConfig) -> list[Override]:
    """What a sweep's file varies, as overrides. Raises UsageError, naming the file, for a value that cannot be read."""
    written: Any = OmegaConf.to_container(base.hydra.sweeper, resolve=False)
    made = []
    for key, value in (base.hydra.sweeper.params or {}).items():
        try:
            made.append(OverridesParser.create().parse_override(f"{key}={value}"))
        except HydraException as problem:
            section = re.match(r"\$\{(sweep\.\w+)\.\$\{scale\.name\}\}", str(written["params"][key]))
            where = f"{section[1]}.{base.scale.name}" if section else f"hydra.sweeper.params.{key}"
            valid = "must be values parted by commas, such as 3,5 or [1,2],[2,4]"
            raise UsageError(f"{sweep_file(base)}: {where}={value} is not valid: {valid}") from problem
    return made


def _check_sweep(base: DictConfig) -> None:
    """Raise UsageError, naming the file, where a sweep lacks a key, or what it varies at this scale."""
    if base.sweep is None:
        return
    for key in sorted(OmegaConf.missing_keys(base.sweep)):
        raise UsageError(f"{sweep_file(base)} lacks {key}: add it")
    scale, read = str(base.scale.name), str(OmegaConf.to_container(base.hydra.sweeper, resolve=False))
    for key in ("levels", "tasks", "matches"):
        if f"{{sweep.{key}.${{scale.name}}}}" in read and scale not in base.sweep[key]:
            has = " or ".join(f"scale={name}" for name in base.sweep[key]) or "none"
            raise UsageError(f"{sweep_file(base)}: sweep.{key} lacks {scale}: add it, or choose {has}")


def sweep_file(base: DictConfig) -> Path | str:
    """The file of the sweep that a config was composed with."""
    return files.named("sweep").get(sweep_name(base), sweep_name(base))


def _value(job: tuple[str, ...], key: str) -> str:
    """What a job sets a key to, as a user types it; empty if it does not."""
    values = [override.partition("=")[2] for override in job if override.partition("=")[0] == key]
    return ESCAPED.sub(r"\1", values[-1]) if values else ""


def _composed(job: tuple[str, ...]) -> DictConfig:
    """Compose a job; jobs that choose the same files share the composition and differ in the values set on it.

    Hydra takes a tenth of a second a composition; the values are set just as it would set them.
    """
    overrides = OverridesParser.create().parse_overrides(_words(job))
    choices = tuple(str(override.input_line) for override in overrides if _chooses_file(override))
    cfg = copy.deepcopy(sections.composed_files(paths.CONF, choices))
    for override in overrides:
        if not _chooses_file(override):
            resolve.set_value(cfg, override.key_or_group, override.value())
    return cfg


def _chooses_file(override: Override) -> bool:
    """Whether an override picks a file of a group, such as data=vernier."""
    return files.is_group(override.key_or_group)


def _words(job: Iterable[str]) -> list[str]:
    """A job's overrides without those of Hydra itself."""
    return [override for override in job if not override.lstrip("+~").startswith("hydra.")]


def sweep_name(cfg: DictConfig) -> str:
    """The sweep that a config was composed with (`hydra` included), or empty."""
    return str(cfg.hydra.runtime.choices["sweep"]) if cfg.sweep is not None else ""


def _point(job: tuple[str, ...], base: DictConfig) -> Point | None:
    """Compose and resolve one job; None if the sweep leaves it out."""
    cfg = _composed(job)
    if not resolve.wanted(cfg):
        resolve.reject_extra_keys(cfg)
        return None
    level = "" if base.sweep is None else _value(job, base.sweep.factor)
    return resolve.point(cfg, level, _value(job, "data") or str(base.hydra.runtime.choices["data"]))


def _require_varied(base: DictConfig, overrides: Iterable[Override]) -> None:
    """Raise UsageError unless a sweep starts several arms, and varies its factor."""
    if base.sweep is None:
        return
    factor = str(base.sweep.factor)
    lists = {str(key).lstrip("+~") for key in base.hydra.sweeper.params or {}}
    given = {override.key_or_group for override in overrides}
    scale = str(base.scale.name)
    if scale in base.sweep.levels and not str(base.sweep.levels[scale]).strip():
        such = f"parted by commas, such as {base.sweep.reference}"
        raise UsageError(f"sweep.levels.{scale} is empty: give the values of {factor}, {such}")
    lacks = "" if base.hydra.mode == RunMode.MULTIRUN else "hydra.mode: MULTIRUN"
    if not lacks and factor not in lists | given and "sweep.factor" not in given:
        lacks = f"its factor {factor} among hydra.sweeper.params"
    if lacks:
        raise UsageError(f"{sweep_file(base)} lacks {lacks}: the file that experiments.new sweep NAME writes has it")


def _require_reference(points: tuple[Point, ...], base: DictConfig) -> None:
    """Raise UsageError unless the sweep's reference is one of its levels, written in the same way."""
    levels = list(dict.fromkeys(point.level for point in points))
    reference = str(base.sweep.reference)
    if reference not in levels and any(levels):
        raise UsageError(f"sweep.reference={reference} is none of the sweep's levels: choose of {'  '.join(levels)}")


def _check_jobs(jobs: tuple[tuple[str, ...], ...], base: DictConfig) -> tuple[tuple[str, ...], ...]:
    """The reference arm of each task under each of the three checks, never matched."""
    changed = (base.sweep.factor, "match", "check")
    kept = dict.fromkeys(
        tuple(override for override in job if override.partition("=")[0] not in changed) for job in jobs
    )
    reference = (f"{base.sweep.factor}={base.sweep.reference}", "match=none")
    # of a user's own net it is not known how half the width is set, unless the argument is named
    unknown = ("sensitivity",) if resolve.is_own(base) and not base.model.width_argument else ()
    checks = [check for check in CHECKS[1:] if check not in unknown]
    return tuple((*job, *reference, f"check={check}") for job in kept for check in checks)


def merged(words: Sequence[str], more: Sequence[str]) -> list[str]:
    """Overrides of which later ones replace earlier ones of the same key."""
    return list({word.partition("=")[0]: word for word in (*words, *more)}.values())
