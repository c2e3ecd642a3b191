"""The structured schema of `conf/`: every key, its type and its default, derived from the specs where they exist."""

import dataclasses
import functools
import typing
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore

from cnnlab.spec.net import Classic, ConvNet
from cnnlab.spec.recipe import Recipe
from cnnlab.spec.task import Task
from experiments import launchers


@dataclass
class Scale:
    """How much is run; see conf/scale/."""

    name: str = "quick"
    tasks: str = "digits12"
    matches: str = "none"
    members: int = 12
    members_generated: int = 8
    members_large: int = 8
    first_seed: int = 2000
    max_train_images: int = 0
    max_epochs: int = 0


@dataclass
class CheckConfig:
    """What one of a sweep's three checks changes in the reference arm; see conf/check/."""

    name: str = "none"
    model: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)


@dataclass
class TrackerConfig:
    """The W&B mirror; see conf/tracker/."""

    mode: str = "offline"
    project: str = "cnnlab"
    unit: str = "arm"


@dataclass(kw_only=True)
class ModuleConfig:
    """A net by the function that makes it; see conf/model/module.yaml."""

    make: str = "???"
    args: dict[str, Any] = field(default_factory=dict)
    width_argument: str = ""


@dataclass
class NamedArm:
    """One arm of a sweep by name: what it changes in the model and the recipe that its sweep holds.

    Attributes:
        model, train: keys and values, as in conf/model and conf/train.
        matches: the matches it is run at (`none`, `params`, `macs`).
        tasks: the tasks it is run on, by name; empty for all of the sweep's.
    """

    model: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)
    matches: list[str] = field(default_factory=lambda: ["none"])
    tasks: list[str] = field(default_factory=list)


@dataclass
class Sweep:
    """A view on arms; see conf/sweep/.

    Attributes:
        bank: the group of sweeps that it belongs to; `suite only=` takes its name.
        factor: the key that is varied; `arm` where arms differ in several keys and have names.
        reference, levels: its values as a user would type them, levels by scale.
        arms: the named arms, if `factor` is `arm`.
        tasks, matches: the sweep's own by scale, where they are not the scale's.
        match_tasks: the tasks (by name) on which other arms than the reference are run at a match; all where the match
            is not listed.
        described: levels that no claim reads, where arms have no names: run unmatched, on these tasks (by name) alone.
    """

    bank: str
    question: str
    held: str
    factor: str
    reference: str
    levels: dict[str, str]
    arms: dict[str, NamedArm] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=dict)
    matches: dict[str, str] = field(default_factory=dict)
    match_tasks: dict[str, list[str]] = field(default_factory=dict)
    described: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Root:
    """Everything a run is configured by."""

    model: Any = None
    data: Any = None
    train: Any = None
    scale: Scale = field(default_factory=Scale)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    check: CheckConfig = field(default_factory=CheckConfig)
    arm: str = ""
    match: str = "none"
    workers: int = 0
    convolutions: str = "auto"
    force: bool = False
    results: str = "results"
    cache: str = "cache"
    sweep: Sweep | None = None


def mutable(spec: type, **more: tuple[Any, Any]) -> type:
    """A dataclass with the fields of a frozen spec, as OmegaConf takes them: tuples become lists, pairs a mapping.

    Args:
        more: further fields that are configured beside the spec but are no part of it: name -> (type, default).
    """
    hints = typing.get_type_hints(spec)
    fields: list[Any] = []
    for item in dataclasses.fields(spec):
        kind, default = hints[item.name], item.default
        if kind == tuple[tuple[str, float], ...]:
            fields.append((item.name, dict[str, float], field(default_factory=dict)))
        elif typing.get_origin(kind) is tuple:
            inner: Any = typing.get_args(kind)[0]
            fields.append((item.name, list[inner], field(default_factory=functools.partial(list, default))))
        elif default is dataclasses.MISSING:
            fields.append((item.name, kind, field(default="???")))
        else:
            fields.append((item.name, kind, field(default=default)))
    fields.extend((name, kind, field(default=default)) for name, (kind, default) in more.items())
    return dataclasses.make_dataclass(f"{spec.__name__}Config", fields, kw_only=True)


ConvNetConfig = mutable(ConvNet)
ClassicConfig = mutable(Classic)
TrainConfig = mutable(Recipe)
DataConfig = mutable(
    Task,
    raw_dir=(str | None, None),
    path=(str | None, None),
    labels=(str | None, None),
    test_share=(float | None, None),
    split_seed=(int | None, None),
    large=(bool, False),
    epochs=(int, 10),
    learning_rate=(float, 0.1),
)


def register() -> None:
    """Hand the schema to Hydra; must be called before anything is composed."""
    store = ConfigStore.instance()
    store.store(name="schema", node=Root)
    store.store(group="model", name="convnet_schema", node=ConvNetConfig)
    store.store(group="model", name="classic_schema", node=ClassicConfig)
    store.store(group="model", name="module_schema", node=ModuleConfig)
    store.store(group="data", name="data_schema", node=DataConfig)
    store.store(group="train", name="train_schema", node=TrainConfig)
    store.store(group="tracker", name="tracker_schema", node=TrackerConfig)
    store.store(group="check", name="check_schema", node=CheckConfig)
    for name, kind in launchers.schemas().items():
        store.store(group="hydra/launcher", name=f"{name}_schema", node=kind)
