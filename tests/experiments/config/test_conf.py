"""Every file in conf/ composes, resolves to an arm, and says what it means."""

import dataclasses
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.net import ConvNet
from experiments import paths
from experiments.cli.errors import UsageError
from experiments.config import grid as grids
from experiments.config import resolve, schema, sections
from experiments.config.grid import grid
from experiments.config.schema import CHECKS
from experiments.paths import CONF

from ...conftest import of_the_suite

Compose = Callable[..., grids.Grid]
GROUPS = {
    group: sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    for group in ("model", "data", "train", "scale", "tracker", "check")
}
OWN = ("data=folder", "data=npz", "model=module")
"""Choices that read a user's files; tests/experiments/test_own_pictures.py and tests/modules compose them."""
SWEEPS = sorted(path.stem for path in (CONF / "sweep").glob("*.yaml"))
SHIPPED = sorted(path.stem for path in of_the_suite((CONF / "sweep").glob("*.yaml")))
NEEDS = {
    "model=tiny_vgg": ("data=fashion_mnist",),
    "model=lenet5": ("data=fashion_mnist",),
    "model=all_cnn": ("data=cifar10",),
    "model=vgg16": ("data=cifar10",),
    "model=alexnet": ("data=tfds", "data.name=imagenette", "data.side=227", "data.channels=3", "data.classes=10"),
    "model=inception_v3": ("data=tfds", "data.name=imagenette", "data.side=299", "data.channels=3", "data.classes=10"),
    "model=network_in_network": ("data=cifar10",),
    "data=tfds": ("data.name=kmnist", "data.side=28", "data.classes=10"),
}


CHOICES = [choice for group, names in GROUPS.items() for name in names if (choice := f"{group}={name}") not in OWN]


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_composes_and_resolves(choice: str) -> None:
    found = grid([choice, *(NEEDS[choice] if choice in NEEDS else ())])
    assert len(found.points) == 1
    assert found.points[0].arm.key


@pytest.mark.parametrize("name", SWEEPS)
@pytest.mark.parametrize("scale", ["smoke", *(pytest.param(one, marks=pytest.mark.slow) for one in ("quick", "full"))])
def test_every_sweep_composes_at_every_scale(name: str, scale: str, composed: Compose) -> None:
    found = composed(name, scale)
    sweep = found.settings.sweep
    assert sweep is not None
    assert found.settings.sweep_name == name
    levels = {point.level for point in found.points}
    assert sweep.reference in levels
    assert len({point.arm.key for point in found.points}) > 1
    tasks = {point.arm.task for point in found.points}
    assert {(point.arm.task, point.check) for point in found.checks} == {
        (task, check) for task in tasks for check in CHECKS[1:]
    }
    if scale == "smoke":
        assert len({point.arm.key for point in (*found.points, *found.checks)}) / len(tasks) <= 6


@pytest.mark.parametrize("name", SHIPPED)
def test_every_sweep_states_its_price(name: str) -> None:
    assert "Price at quick:" in (CONF / "sweep" / f"{name}.yaml").read_text()


def test_a_swept_key_is_replaced_from_the_command_line() -> None:
    found = grid(["+sweep=pool_position", "scale=smoke", "data=vernier", "model.pools=[1,4],[2,4]"])
    assert {point.level for point in found.points} == {"[1,4]", "[2,4]"}
    assert {point.arm.task.name for point in found.points} == {"vernier"}


def test_a_level_is_what_a_user_types_and_not_what_hydra_makes_of_it() -> None:
    job = (r"model.make=nets\:Net", "model.pools=[2,4]", r"model.args.mode=a\ b\,c")
    levels = [grids._value(job, key) for key in ("model.make", "model.pools", "model.args.mode", "model.depth")]
    assert levels == ["nets:Net", "[2,4]", "a b,c", ""]


def test_the_scales_are_all_there() -> None:
    assert GROUPS["scale"] == ["full", "quick", "smoke"]


def chosen_files(name: str, scale: str) -> set[tuple[str, ...]]:
    """Every choice of files that a sweep's jobs make."""
    overrides = OverridesParser.create().parse_overrides([f"+sweep={name}", f"scale={scale}"])
    base = grids._base(overrides)
    jobs = grids._jobs(base, overrides)
    every = (
        OverridesParser.create().parse_overrides(grids._words(job)) for job in jobs + grids._check_jobs(jobs, base)
    )
    return {tuple(str(one.input_line) for one in job if grids._chooses_file(one)) for job in every}


def differing(name: str, scale: str) -> list[tuple[str, ...]]:
    """Choices of files of which the config that is put together is not what Hydra composes."""

    def differs(choices: tuple[str, ...]) -> bool:
        ours, hydras = sections.composed_files(CONF, choices), compose("config", list(choices))
        kinds = [(OmegaConf.get_type(ours[key]), OmegaConf.get_type(hydras[key])) for key in hydras]
        plain = [OmegaConf.to_container(one, resolve=False) for one in (ours, hydras)]
        return plain[0] != plain[1] or any(one != other for one, other in kinds)

    with grids.composing():
        return [choices for choices in chosen_files(name, scale) if differs(choices)]


SOME = ("difficulty", "stride_vs_pool")


@pytest.mark.parametrize(
    ("name", "scale"),
    [*((name, "smoke") for name in SOME)]
    + [pytest.param(name, scale, marks=pytest.mark.slow) for name in SWEEPS for scale in ("quick", "full")],
)
def test_configs_put_together_are_those_of_hydra(name: str, scale: str) -> None:
    assert differing(name, scale) == []


def test_a_section_of_another_file_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin."""
    right = sections._section
    wrong = {"digits12": "vernier", "positive": "sensitivity"}
    monkeypatch.setattr(
        sections, "_section", lambda folder, name: right(folder, wrong[name] if name in wrong else name)
    )
    monkeypatch.setattr(sections, "forget_changed", lambda conf: sections.composed_files.cache_clear())
    found = differing("stride_vs_pool", "smoke")
    sections.composed_files.cache_clear()
    assert any("data=digits12" in choices for choices in found)


@pytest.mark.parametrize("section", ["data: {side: 28}", "check: {name: none}", "data: null"])
def test_a_sweep_that_writes_into_a_section_itself_is_composed_by_hydra(
    section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)
    text = (conf / "sweep" / "pool_position.yaml").read_text()
    (conf / "sweep" / "own.yaml").write_text(f"{text}\n{section}\n")
    monkeypatch.setattr(paths, "CONF", conf)
    choices = ("+sweep=own", "scale=smoke", "data=vernier", "check=positive")
    with grids.composing():
        assert sections._frame(choices[:2], ("data", "check")) is None
        assert sections.composed_files(conf, choices) == compose("config", list(choices))
        assert sections._frame(("+sweep=pool_position", "scale=smoke"), ("data", "check")) is not None


def test_points_are_what_hydra_would_run() -> None:
    """The pre-flight composes the very jobs that the sweeper launches, in its order."""
    found = grid(["+sweep=pool_position", "scale=smoke"])
    schema.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for level, point in zip(("[0,4]", "[2,4]", "[2,6]"), found.points, strict=True):
            cfg = compose("config", ["+sweep=pool_position", "scale=smoke", f"model.pools={level}"])
            assert resolve.point(cfg, level).arm == point.arm


def test_no_config_can_run_code() -> None:
    for path in CONF.rglob("*.yaml"):
        if "hydra" not in path.relative_to(CONF).parts:
            assert "_target_" not in path.read_text(), path


def test_checks_change_what_they_say(composed: Compose) -> None:
    found = composed("pool_position", "smoke")
    reference = next(point.arm for point in found.points if point.level == "[2,4]")
    arms = {point.check: point.arm for point in found.checks}
    assert arms["positive"].net.pools == (0,)
    assert arms["positive"].net.down_size == reference.task.side
    assert arms["sensitivity"].net.width * 2 == reference.net.width
    assert arms["a_a"].net == reference.net
    assert arms["a_a"].recipe.init_stream != reference.recipe.init_stream
    assert {arm.recipe.learning_rate for arm in arms.values()} == {reference.recipe.learning_rate}


def test_the_printed_config_is_valid_yaml_with_every_section() -> None:
    schema.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        text = OmegaConf.to_yaml(compose("config"), resolve=True)
    assert set(yaml.safe_load(text)) >= {"model", "data", "train", "scale", "tracker", "check", "match", "workers"}


def test_conf_lies_beside_the_package() -> None:
    assert Path("conf/config.yaml").resolve() == (CONF / "config.yaml").resolve()


def test_named_arms_change_what_they_say_and_keep_the_rest(composed: Compose) -> None:
    found = composed("stride_vs_pool", "quick", "data=digits12")
    nets = {(point.level, point.match): point.arm.net for point in found.points}
    assert isinstance(reference := nets["max", "none"], ConvNet)
    assert nets["stride", "none"] == dataclasses.replace(reference, down="strided_conv")
    matched = nets["stride", "macs"]
    assert isinstance(matched, ConvNet)
    assert max(matched.widths) > reference.width


def test_named_arms_run_only_at_the_matches_and_on_the_tasks_they_name(composed: Compose) -> None:
    found = composed("stride_vs_pool", "quick", "data=digits12")
    assert {point.match for point in found.points if point.level == "blur"} == {"none"}
    assert {point.match for point in found.points if point.level == "all_cnn"} == {"none", "macs"}
    more = ("sweep.arms.blur.tasks=[vernier]", "sweep.match_tasks.none=[digits12,vernier]")
    elsewhere = grid(["+sweep=stride_vs_pool", "data=digits12,vernier", *more])
    assert {point.arm.task.name for point in elsewhere.points if point.level == "blur"} == {"vernier"}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["arm=stride"], "+sweep"),
        (["+sweep=stride_vs_pool", "arm=strid,max"], "stride"),
        (["+sweep=stride_vs_pool", "sweep.arms.blur.model.down=blurr"], "blurr"),
        (["+sweep=stride_vs_pool", "sweep.arms.blur.modle={down: blur}"], "modle"),
    ],
)
def test_a_wrong_named_arm_is_one_line(words: list[str], named: str) -> None:
    with pytest.raises((UsageError, InvalidError), match=re.escape(named)) as caught:
        grid(words)
    assert "\n" not in str(caught.value)
