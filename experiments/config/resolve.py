"""A composed config becomes a point: the frozen arm it means, and the settings of the run around it."""

import copy
import dataclasses
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError

from cnnlab.data import Source
from cnnlab.data.own import content as own
from cnnlab.data.own.asked import Asked
from cnnlab.modules.graph import graph
from cnnlab.modules.match import matched_module, width_of, with_width
from cnnlab.modules.source import factory, sources
from cnnlab.spec.arm import Arm
from cnnlab.spec.invalid import InvalidError, require, require_choice
from cnnlab.spec.net import Classic, ConvNet, Net
from cnnlab.spec.own_module import OwnModule, arguments
from cnnlab.spec.ranges import check_values
from cnnlab.spec.recipe import Recipe
from cnnlab.spec.task import Task
from cnnlab.zoo.match import matched
from experiments.cli.console import each, terminal
from experiments.cli.errors import UsageError
from experiments.config import schema
from experiments.config.errors import unknown

LIST_ITEMS: Final[dict[Any, str]] = {int: "whole numbers", float: "numbers", str: "words"}
OWN_ARGUMENTS = "model.args."
"""How the keys begin that no schema has: the arguments of a user's own net."""
DATA = "data"
"""The folder of datasets in the cache."""
OWN_KEYS = ("path", "labels", "test_share", "split_seed")
"""Of `data`: what says where own pictures are, and how they are parted."""
OWN_ONLY = f"it is a key of data={' and data='.join(own.READERS)}: add one of them"
COUNTED = ("classes", "side", "channels", "train_images", "validation_images")
"""Of `data`: what may be 0 for own pictures, and is then counted."""
VALIDATION_SHARE = 0.2
"""Of the pictures that a seed draws from, where `data.validation_images` is 0."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything about a run that is no part of an arm."""

    results: Path
    cache: Path
    raw_dir: Path | None
    workers: int
    convolutions: str
    force: bool
    tracker: str
    project: str
    unit: str
    scale: str
    sweep_name: str
    sweep: schema.Sweep | None

    @property
    def source(self) -> Source:
        """Where datasets lie."""
        return Source(cache_dir=self.cache / DATA, raw_dir=self.raw_dir)

    @property
    def runs(self) -> Path:
        """Where records lie."""
        return self.results / "runs"


@dataclass(frozen=True, kw_only=True)
class Point:
    """One point of a grid.

    Attributes:
        level: value of the sweep's factor, as written in the sweep; empty without a sweep.
        data: the task's file in conf/data/, as written in the sweep; empty without one.
        match: `none`, `params` or `macs`; `matching` says in a sentence what that did.
        check: `none`, or which of the sweep's checks this point is.
        seeds: of its members, consecutive.
    """

    arm: Arm
    level: str
    data: str
    match: str
    matching: str
    check: str
    seeds: tuple[int, ...]


def wanted(cfg: DictConfig) -> bool:
    """Whether a job of a sweep's rectangular grid is part of the sweep.

    A named arm says its matches and tasks itself; the sweep says on which tasks a match is run, and which levels are
    only described.
    """
    if cfg.sweep is None:
        return True
    task = cfg.data.name
    if cfg.arm:
        arm = _named_arm(cfg, cfg.arm)
        if cfg.match not in arm.matches or (arm.tasks and task not in arm.tasks):
            return False
    level = str(OmegaConf.select(cfg, cfg.sweep.factor)).replace(" ", "")
    described, on = cfg.sweep.described, cfg.sweep.match_tasks
    if level in described and (cfg.match != "none" or task not in described[level]):
        return False
    return level == cfg.sweep.reference or cfg.match not in on or task in on[cfg.match]


def settings(cfg: DictConfig, sweep_name: str) -> Settings:
    """The settings of a run; `sweep_name` is the path of its sweep's file, or empty. Raises InvalidError."""
    for section, kind in (("tracker", schema.TrackerConfig), ("scale", schema.Scale)):
        check_values(_plain(cfg[section], section), kind, section)
    check_values({key: cfg[key] for key in ("workers", "convolutions", "force")}, schema.Root, "")
    sweep = None if cfg.sweep is None else OmegaConf.to_object(cfg.sweep)
    return Settings(
        results=_folder("results", cfg.results),
        cache=_cache(cfg),
        raw_dir=None if cfg.data.raw_dir is None else _folder("data.raw_dir", cfg.data.raw_dir).absolute(),
        workers=cfg.workers,
        convolutions=cfg.convolutions,
        force=cfg.force,
        tracker=cfg.tracker.mode,
        project=cfg.tracker.project,
        unit=cfg.tracker.unit,
        scale=cfg.scale.name,
        sweep_name=sweep_name,
        sweep=sweep if isinstance(sweep, schema.Sweep) else None,
    )


def _cache(cfg: DictConfig) -> Path:
    """Where prepared datasets and compiled programs lie."""
    return _folder("cache", cfg.cache)


def _folder(key: str, text: str, what: str = "folder") -> Path:
    """The path of a folder, whether or not it is there. Raises InvalidError for what can be none."""
    require(bool(text.strip()) and text.isprintable(), key, repr(text), f"must be the path of a {what}")
    try:
        return Path(text).expanduser()
    except RuntimeError as problem:
        raise InvalidError(key, text, f"must be the path of a {what} ({problem})") from problem


def point(cfg: DictConfig, level: str = "", data: str = "") -> Point:
    """The point a composed config means.

    Raises:
        InvalidError: for a value that cannot be, naming its key.
        UsageError: for a key that does not exist, or one that is missing.
    """
    reject_extra_keys(cfg)
    check_values({"match": cfg.match}, schema.Root, "")
    check_values({"name": cfg.check.name}, schema.CheckConfig, "check")
    check_values(_plain(cfg.scale, "scale"), schema.Scale, "scale")
    task, net, recipe = _task(cfg), _net(cfg, cfg.arm), _recipe(cfg)
    matching = ""
    if cfg.match != "none":
        net, matching = _matched(cfg, net, task)
    _require_fit(net, task)
    arm = Arm(net=net, recipe=recipe, task=task)
    return Point(
        arm=arm, level=level, data=data, match=cfg.match, matching=matching, check=cfg.check.name, seeds=_seeds(cfg)
    )


def _seeds(cfg: DictConfig) -> tuple[int, ...]:
    """The seeds of an arm's members."""
    count = "members_large" if cfg.data.large else "members" if cfg.data.real else "members_generated"
    members, first = cfg.scale[count], cfg.scale.first_seed
    return tuple(range(first, first + members))


def net_and_task(cfg: DictConfig) -> tuple[Net, Task]:
    """The net and the task that a composed config names, whether or not they fit each other. Raises as `point`."""
    reject_extra_keys(cfg)
    return _net(cfg, cfg.arm), _task(cfg)


def _require_fit(net: Net, task: Task) -> None:
    """Raise InvalidError if the net does not fit the task's images, such as a map that shrinks below 1x1."""
    try:
        graph(net, task.side, task.channels, task.classes)
    except InvalidError as problem:
        if problem.key.startswith("network."):
            layer, size = problem.key.removeprefix("network."), f"{task.side}x{task.side}"
            why = f"on {size} images its layer {layer} would shrink below 1x1 ({problem.value}): {problem.valid}"
            raise InvalidError("model", net.label, why) from problem
        raise


def reject_extra_keys(cfg: DictConfig) -> None:
    """Raise UsageError for a key that was added to the schema (`+model.widht=8`), naming what was meant.

    So for a file that somebody added, which does not build on the schema of its section.
    """
    for section in ("", "model", "data", "train", "scale", "tracker", "check"):
        node = cfg if not section else cfg[section]
        kind: Any = schema.Root if not section else OmegaConf.get_type(node)
        if not dataclasses.is_dataclass(kind):
            file = f"conf/{section}/NAME.yaml"
            raise UsageError(f"{section}: {file} must begin as those of the suite, defaults: [..._schema, _self_]")
        known = {item.name for item in dataclasses.fields(kind)} | {"hydra"}
        for name in map(str, node):
            if name not in known:
                key = f"{section}.{name}".lstrip(".")
                raise unknown(key, kind)


def _plain(node: Any, where: str) -> dict[str, Any]:
    """A resolved section with lists as tuples.

    Raises InvalidError for what the schema lets pass: a list in a list, and a single value interpolated into a
    list's place.
    """
    content = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    if not isinstance(content, dict):
        raise TypeError(f"a section must be a mapping, not {type(content).__name__}")
    kind = OmegaConf.get_type(node)
    hints = get_type_hints(kind) if dataclasses.is_dataclass(kind) else {}
    for name in [name for name, hint in hints.items() if get_origin(hint) is list and name in content]:
        require(isinstance(content[name], list), f"{where}.{name}", content[name], "must be a list, such as [2,4]")
        (inner,) = get_args(hints[name])
        fits = all(isinstance(item, inner) and not isinstance(item, bool) for item in content[name])
        require(fits, f"{where}.{name}", content[name], f"must be a list of {LIST_ITEMS[inner]}")
    for key, value in content.items():
        flat = not isinstance(value, list) or not any(isinstance(item, (list, dict)) for item in value)
        require(flat, f"{where}.{key!s}", value, "must be a plain list of values")
    return {str(key): tuple(value) if isinstance(value, list) else value for key, value in content.items()}


def _named_arm(cfg: DictConfig, name: str) -> DictConfig:
    """One of the sweep's named arms. Raises InvalidError where there is none of that name."""
    require(cfg.sweep is not None, "arm", name, "needs a sweep that names its arms (+sweep=NAME)")
    require_choice("arm", name, map(str, cfg.sweep.arms))
    found: DictConfig = cfg.sweep.arms[name]
    return found


def _section(cfg: DictConfig, name: str, arm: str) -> dict[str, Any]:
    """The section `model` or `train` with what a named arm (unless empty) and the check change in it."""
    content = _plain(cfg[name], name)
    changes = {f"check.{name}": cfg.check[name]}
    if name == "model" and is_own(cfg):  # the files of checks name keys of the parametric net
        changes = {}
    if arm:
        changes = {f"sweep.arms.{arm}.{name}": _named_arm(cfg, arm)[name], **changes}
    for where, change in changes.items():
        for key, value in _plain(change, where).items():
            require(key in content, f"{where}.{key}", value, f"not a key of {name}")
            content[key] = value
    return content


def _net(cfg: DictConfig, arm: str) -> Net:
    """The net, before matching."""
    return _made(cfg, _section(cfg, "model", arm))


def _made(cfg: DictConfig, content: dict[str, Any]) -> Net:
    """The net of a section `model`. The file of a user's own is imported: it is code that the user names."""
    if OmegaConf.get_type(cfg.model) is schema.ClassicConfig:
        return Classic(**content)
    if not is_own(cfg):
        return ConvNet(**content)
    net = OwnModule(make=content["make"], args=arguments(content["args"]))
    _compute_on_cpu()
    factory(net.make)
    net = dataclasses.replace(net, sources=sources(net.make), pooled_image=cfg.check.name == "positive")
    width = cfg.model.width_argument
    if cfg.check.name == "sensitivity" and width:
        return with_width(net, width, max(1, width_of(net, width) // 2))
    return net


def is_own(cfg: DictConfig) -> bool:
    """Whether the net is a user's own module."""
    return OmegaConf.get_type(cfg.model) is schema.ModuleConfig


def _compute_on_cpu() -> None:
    """Keep JAX of this process off accelerators, whose memory belongs to the workers."""
    import jax

    settings: Any = jax.config
    settings.update("jax_platforms", "cpu")


def _task(cfg: DictConfig) -> Task:
    """The task, its training images capped by the scale."""
    content = _plain(cfg.data, "data")
    counted = COUNTED if content["name"] in own.READERS else ()
    given = {key: value for key, value in content.items() if value or key not in counted}
    check_values(given, schema.DataConfig, "data")
    names = {item.name for item in dataclasses.fields(Task)}
    values = {key: value for key, value in content.items() if key in names}
    if content["name"] in own.READERS:
        values |= _own(cfg, content)
    else:
        for key in OWN_KEYS:
            require(content[key] is None, f"data.{key}", content[key], OWN_ONLY)
    values["dials"] = tuple(sorted(content["dials"].items()))
    if cfg.scale.max_train_images:
        values["train_images"] = min(values["train_images"], cfg.scale.max_train_images)
    return Task(**values)


def _read_one_by_one(files: Sequence[Any]) -> Iterable[Any]:
    """Files, with a bar on standard error while they are read."""
    return each(files, "reading", "files", terminal(sys.stderr), lambda file: "")


def _own(cfg: DictConfig, content: dict[str, Any]) -> dict[str, Any]:
    """The name of a user's own pictures, and what their card says where the config leaves it to them (0).

    Raises as `cnnlab.data.own.content.identified`.
    """
    if content["path"] is None:
        raise UsageError(f"data.path is missing: give it, data.path=VALUE, with data={content['name']}")
    path = _folder("data.path", content["path"], "folder" if content["name"] == "folder" else "file")
    labels = None if content["labels"] is None else _folder("data.labels", content["labels"], "file")
    if labels is not None and not labels.exists() and (path / labels).is_file():
        labels = path / labels
    asked = Asked(
        kind=content["name"],
        path=path.absolute(),
        labels=None if labels is None else labels.absolute(),
        **{key: content[key] for key in ("side", "channels", "test_share", "split_seed")},
    )
    found = own.identified(asked, _cache(cfg) / DATA, _read_one_by_one)
    train, validation = content["train_images"], content["validation_images"]
    require(
        train < found.pool, "data.train_images", train, f"{found.pool} pictures are there to train and validate with"
    )
    most = found.pool - max(train, 1)
    require(validation <= most, "data.validation_images", validation, f"{most} pictures are left to validate with")
    validation = validation or min(most, max(found.classes, round(VALIDATION_SHARE * found.pool)))
    counted = {
        "side": found.side,
        "channels": found.channels,
        "classes": found.classes,
        "train_images": found.pool - max(validation, 0),
        "validation_images": validation,
    }
    return {"name": found.name, **{key: content[key] or value for key, value in counted.items()}}


def _recipe(cfg: DictConfig) -> Recipe:
    """The recipe, its length capped by the scale."""
    values = _section(cfg, "train", cfg.arm)
    if cfg.scale.max_epochs:
        values["epochs"] = min(values["epochs"], cfg.scale.max_epochs)
    return Recipe(**values)


def _matched(cfg: DictConfig, net: Net, task: Task) -> tuple[Net, str]:
    """The net, re-widthed to the sweep's reference."""
    if cfg.sweep is None:
        raise InvalidError("match", cfg.match, "needs a sweep that names its reference (+sweep=NAME)")
    reference, sizes = _reference(cfg), (task.side, task.channels, task.classes)
    if isinstance(net, OwnModule):
        return matched_module(net, cfg.model.width_argument, reference, cfg.match, *sizes)
    if not isinstance(net, ConvNet) or not isinstance(reference, ConvNet):
        raise InvalidError("match", cfg.match, "a classic has no width to change; choose none")
    return matched(net, reference, cfg.match, *sizes)


def _reference(cfg: DictConfig) -> Net:
    """The net of the sweep's reference arm."""
    if cfg.sweep.factor == "arm":
        return _made(cfg, _section(cfg, "model", cfg.sweep.reference))
    changed, reference = copy.deepcopy(cfg), OverridesParser.create().parse_override(f"value={cfg.sweep.reference}")
    set_value(changed, cfg.sweep.factor, reference.value())
    return _made(changed, _plain(changed.model, "model"))


def set_value(cfg: DictConfig, key: str, value: Any) -> None:
    """Set a key of a composed config, as Hydra sets it.

    Raises:
        UsageError: there is no such key.
        OmegaConfBaseException: the value is not of the key's type.
    """
    try:
        OmegaConf.update(cfg, key, value, merge=True, force_add=key.startswith(OWN_ARGUMENTS))
    except (ConfigKeyError, ConfigAttributeError) as problem:
        kind = OmegaConf.get_type(cfg, key.partition(".")[0]) if "." in key else None
        raise unknown(key, kind, swept=cfg.sweep is not None) from problem
