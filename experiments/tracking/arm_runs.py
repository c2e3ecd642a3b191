"""The W&B run of an arm: its name, group, tags and config."""

from collections.abc import Iterable
from typing import Any

from cnnlab.records import Store
from cnnlab.spec.arm import plain
from cnnlab.spec.net import ConvNet
from cnnlab.spec.record import Record
from cnnlab.tracking import TrackedRun, arm_runs
from experiments.claims.registry import claims_fed_by
from experiments.config.resolve import Point, Settings
from experiments.tracking import images
from experiments.training.provenance import git_state


def of_arm(point: Point, record: Record, settings: Settings) -> tuple[TrackedRun, ...]:
    """The run of a record, or one for each of its members."""
    return arm_runs(
        record,
        unit=settings.unit,
        name=label(point),
        group=group(settings),
        tags=(settings.scale, point.arm.task.name, *claims_fed_by(settings.sweep_name)),
        notes=question(settings),
        config=context(settings) | made_with(Store(settings.runs), [point.arm.key]) | configured(point),
        pictures=images.of_arm(point.arm, settings.source),
    )


def group(settings: Settings) -> str:
    """What runs of one sweep have in common."""
    return settings.sweep_name or "single"


def question(settings: Settings) -> str:
    """What the sweep asks; empty without one."""
    return "" if settings.sweep is None else settings.sweep.question


def context(settings: Settings) -> dict[str, Any]:
    """The config that all arms of a run share, and the commit; nothing about this machine."""
    sweep = settings.sweep
    asked = {} if sweep is None else {key: getattr(sweep, key) for key in ("question", "held", "factor", "reference")}
    return {"sweep": settings.sweep_name, **asked, "scale": settings.scale, "git": git_state()}


def made_with(store: Store, arms: Iterable[str]) -> dict[str, Any]:
    """With what records were made: versions, platform and convolutions; each a list where records differ.

    Nothing of a record that is not there, and nothing about the machine but its platform.
    """
    found: dict[str, list[Any]] = {}
    for facts in (store.provenance(arm) for arm in arms if store.has(arm)):
        told = {key: facts[key] for key in ("backend", "convolutions", "python") if key in facts}
        for key, value in (told | dict(facts["packages"] if "packages" in facts else {})).items():
            if value not in found.setdefault(key, []):
                found[key].append(value)
    return {"made_with": {key: values[0] if len(values) == 1 else values for key, values in sorted(found.items())}}


def configured(point: Point) -> dict[str, Any]:
    """A point without its arm, which the record holds."""
    content: dict[str, Any] = plain(point)
    return {"label": label(point)} | {key: value for key, value in content.items() if key != "arm"}


def label(point: Point) -> str:
    """The name of an arm: task, level (without a sweep the net), another head than usual, match and check.

    The task goes by its file in conf/data/, where a sweep names one: two settings of one task are told apart.
    """
    unusual = tuple(value for value in (point.match, point.check) if value != "none")
    task, net = point.data or point.arm.task.name, point.arm.net
    head = net.head if isinstance(net, ConvNet) and net.head != ConvNet().head else ""
    which = point.level or ("" if point.check != "none" else net.label)
    return " ".join(part for part in (task, which, head, *unusual) if part)
