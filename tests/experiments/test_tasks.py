"""The tasks' door: every task with its dials and settings, eligibility, pictures, one line for a mistake."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cnnlab.data import Source, registry
from cnnlab.training.run import MemberRun
from experiments import tasks
from experiments.config import schema
from experiments.tasks import Eligibility, TaskSetting, dials, eligibility, question, settings

pytestmark = pytest.mark.slow

Door = Callable[..., Any]


def test_every_dial_and_setting_of_a_task_is_listed_and_drawn(tmp_path: Path, door: Door) -> None:
    done = door(tasks.main, "long_range", "--pictures", str(tmp_path / "pictures"))
    assert done.code == 0, done.err
    for said in (
        "dial distance",
        "dial contrast",
        "a whole number from 3 to 100",
        "setting long_range_12",
        "label_noise",
    ):
        assert said in done.out
    assert "vernier" not in done.out
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["long_range.png"]
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["long_rnge"], "choose from aliasing_pair, border"),
        (["phase", "--eligibility", "model.widht=3"], "model.width"),
        (["phase", "data=border"], "name the task"),
    ],
)
def test_a_wrong_task_or_key_is_one_line(door: Door, arguments: list[str], says: str) -> None:
    done = door(tasks.main, *arguments)
    assert done.code == 2
    assert says in done.err
    assert len(done.err.strip().splitlines()) == 1


@pytest.fixture(scope="module")
def everything() -> tuple[TaskSetting, ...]:
    schema.register()
    return settings(registry.names(), [])


def test_every_task_says_what_it_asks_and_has_settings(everything: tuple[TaskSetting, ...]) -> None:
    assert {setting.task.name for setting in everything} == set(registry.names())
    for name in registry.names():
        assert question(name).endswith(".")
        assert len({dial.name for dial in dials(name)}) == len(dials(name))


def test_a_setting_has_exactly_the_dials_that_its_task_declares(everything: tuple[TaskSetting, ...]) -> None:
    for setting in everything:
        given = {name for name, _ in setting.task.dials} - {"label_noise"}
        assert given == {dial.name for dial in dials(setting.task.name)}


def test_eligibility_compares_net_and_logistic_regression_on_pilots_seeds(
    everything: tuple[TaskSetting, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[MemberRun] = []

    def train(runs: list[MemberRun], source: Source, strategy: str) -> list[SimpleNamespace]:
        asked.extend(runs)
        return [SimpleNamespace(validation_accuracy=0.9 + 0.01 * place) for place in range(len(runs))]

    monkeypatch.setattr("cnnlab.training.members.train", train)
    monkeypatch.setattr("cnnlab.training.linear.fit", lambda item, source: 0.5 if item.seed == asked[0].seed else 0.6)
    setting = next(setting for setting in everything if setting.name == "phase")
    found = eligibility(setting)
    assert [run.seed for run in asked] == [5100, 5101]
    assert {run.learning_rate for run in asked} == {setting.arm.recipe.learning_rate}
    assert {run.arm.net for run in asked} == {setting.arm.net}
    assert (found.net, found.linear) == ((0.9, 0.91), (0.5, 0.6))
    assert found.ideal == pytest.approx(0.923, abs=0.02)


def test_a_margin_is_the_difference_of_means() -> None:
    assert Eligibility(net=(0.9, 0.7), linear=(0.5, 0.6), ideal=None).margin == pytest.approx(0.25)
