"""The structured schema of `conf/`: every key, its type and its default, derived from the specs where they exist."""

import dataclasses
import functools
import inspect
import typing
from dataclasses import dataclass, field
from typing import Annotated, Any

from hydra.core.config_store import ConfigStore

from cnnlab.spec.net import Classic, ConvNet
from cnnlab.spec.ranges import MOST_EPOCHS, MOST_IMAGES, MOST_SEED, Between, OneOf
from cnnlab.spec.recipe import Rate, Recipe
from cnnlab.spec.task import Task
from cnnlab.tracking.run import UNITS
from cnnlab.tracking.trackers import MODES
from experiments import launchers
from experiments.config import files

MATCHES = ("none", "params", "macs")
SCALES = ("full", "quick", "smoke")
"""The scales; the highest complete one is judged, and they are never pooled."""
CONVOLUTIONS = AUTO, XLA, NATIVE = ("auto", "xla", "native")
CHECKS = ("none", "positive", "sensitivity", "a_a")

Members = Annotated[int, Between(1, 1000)]


@dataclass
class Scale:
    """How much is run; see conf/scale/.

    Attributes:
        name: records of different scales are never pooled.
        tasks: of sweeps that name none of their own, as data=NAME,NAME.
        matches: of sweeps that name none of their own.
        members: of an arm on a real task.
        members_generated: of an arm on a generated task.
        members_large: of an arm on a task of larger images (data.large).
        first_seed: of an arm's members, whose seeds are consecutive.
        max_train_images: training images of any task are cut to; 0 for all.
        max_epochs: epochs of any task are cut to; 0 for all.
    """

    name: Annotated[str, OneOf(SCALES)] = "quick"
    tasks: str = "digits12"
    matches: str = "none"
    members: Members = 12
    members_generated: Members = 8
    members_large: Members = 8
    first_seed: Annotated[int, Between(0, MOST_SEED)] = 2000
    max_train_images: Annotated[int, Between(0, MOST_IMAGES)] = 0
    max_epochs: Annotated[int, Between(0, MOST_EPOCHS)] = 0


@dataclass
class CheckConfig:
    """What one of a sweep's three checks changes in the reference arm; see conf/check/.

    Attributes:
        name: of the check.
        model: keys of the net that it changes, and their values.
        train: keys of the recipe that it changes, and their values.
    """

    name: Annotated[str, OneOf(CHECKS)] = "none"
    model: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)


@dataclass
class TrackerConfig:
    """The W&B mirror; see conf/tracker/.

    Attributes:
        mode: whether W&B is used, and whether anything is sent.
        project: W&B's project.
        unit: what is a run of W&B: an arm, or each of its members, for W&B to group.
    """

    mode: Annotated[str, OneOf(MODES)] = "offline"
    project: str = "cnnlab"
    unit: Annotated[str, OneOf(UNITS)] = "arm"


@dataclass(kw_only=True)
class ModuleConfig:
    """A net by the function that makes it; see conf/model/module.yaml.

    Attributes:
        make: package.module:function of the function that makes the net.
        args: its arguments, model.args.NAME=VALUE.
        width_argument: the argument that match= changes.
    """

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
        question: what is asked.
        held: what is the same in all arms.
        reference: the factor's value that others are compared with, as a user would type it.
        levels: the factor's values as a user would type them, by scale.
        arms: the named arms, if `factor` is `arm`.
        tasks: the sweep's own by scale, where they are not the scale's.
        matches: the sweep's own by scale, where they are not the scale's.
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
    """Everything a run is configured by.

    Attributes:
        arm: one of a sweep's named arms.
        match: re-width the net to what the sweep's reference costs: none, parameters, or multiply-accumulates.
        workers: worker processes, one thread each; 0 is one per core, or per GPU.
        convolutions: our own, for a CPU with a C++ compiler (native), or XLA's; auto: native where it can be had.
        force: set records that are there aside and train again.
        results: folder of records, tables and figures.
        cache: folder of prepared datasets and compiled programs.
    """

    model: Any = None
    data: Any = None
    train: Any = None
    scale: Scale = field(default_factory=Scale)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    check: CheckConfig = field(default_factory=CheckConfig)
    arm: str = ""
    match: Annotated[str, OneOf(MATCHES)] = "none"
    workers: Annotated[int, Between(0, 1024)] = 0
    convolutions: Annotated[str, OneOf(CONVOLUTIONS)] = "auto"
    force: bool = False
    results: str = "results"
    cache: str = "cache"
    sweep: Sweep | None = None


@dataclass
class BesideTask:
    """What is configured beside a task but is no part of it.

    Attributes:
        raw_dir: folder with the dataset's files as published, to read instead of the network.
        path: folder of your own pictures (data=folder), or file of your own arrays (data=npz).
        labels: CSV file of the columns name,label, here or in data.path, where it has no subfolder for each class.
        test_share: of your own pictures of every class, for the test set, where they have none.
        split_seed: another one chooses other pictures of your own for the test set.
        large: whether scale.members_large says how many members there are.
        epochs: that recipes take, unless train.epochs says otherwise.
        learning_rate: that adam takes, unless train.learning_rate says otherwise.
    """

    raw_dir: str | None = None
    path: str | None = None
    labels: str | None = None
    test_share: Annotated[float | None, Between(0, 1, above=True, below=True)] = None
    split_seed: Annotated[int | None, Between(0, MOST_SEED)] = None
    large: bool = False
    epochs: Annotated[int, Between(1, MOST_EPOCHS)] = 10
    learning_rate: Rate = 0.1


def mutable(spec: type, beside: type | None = None) -> type:
    """A dataclass with the fields of a frozen spec, as OmegaConf takes them: tuples become lists, pairs a mapping.

    Args:
        beside: a dataclass of further fields that are configured beside the spec but are no part of it.
    """
    hints = typing.get_type_hints(spec, include_extras=True)
    fields: list[Any] = []
    for item in dataclasses.fields(spec):
        kind, default = hints[item.name], item.default
        inner: Any = typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else None
        if typing.get_origin(inner) is tuple:
            fields.append((item.name, dict[str, typing.get_args(inner)[1]], field(default_factory=dict)))  # type: ignore[misc]
        elif inner is not None:
            fields.append((item.name, list[inner], field(default_factory=functools.partial(list, default))))
        elif default is dataclasses.MISSING:
            fields.append((item.name, kind, field(default="???")))
        else:
            fields.append((item.name, kind, field(default=default)))
    more = [] if beside is None else dataclasses.fields(beside)
    fields.extend((item.name, item.type, field(default=item.default)) for item in more)
    texts = [inspect.cleandoc(str(one.__doc__)) for one in (spec, beside) if one is not None]
    made = dataclasses.make_dataclass(f"{spec.__name__}Config", fields, kw_only=True)
    made.__doc__ = "\n\n".join(texts)
    return made


ConvNetConfig = mutable(ConvNet)
ClassicConfig = mutable(Classic)
TrainConfig = mutable(Recipe)
DataConfig = mutable(Task, BesideTask)


def register() -> None:
    """Hand the schema to Hydra; must be called before anything is composed."""
    files.register()
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
