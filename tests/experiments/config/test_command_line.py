"""Flags may stand anywhere; those that `--help` names work, and all others are refused in one line."""

import dataclasses
import shutil
import sys
from pathlib import Path

import pytest

from experiments import run
from experiments.cli.errors import UsageError
from experiments.config import grid as grids
from experiments.config import hydra_guard
from experiments.config.grid import grid
from experiments.config.hydra_guard import AS_MULTIRUN, CommandLine, parse

KERNELS = ("model.kernel=3,5", "data=digits8", "model.depth=2", "model.pools=[1]")


@pytest.mark.parametrize("flag", ["--multirun", "-m"])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_list_of_values_is_a_grid_wherever_the_flag_stands(flag: str, place: int) -> None:
    line = parse([*KERNELS[:place], flag, *KERNELS[place:]])
    assert line.question == ()
    plan = grid(list(line.overrides))
    assert [dataclasses.asdict(point.arm.net)["kernel"] for point in plan.points] == [3, 5]


def test_twin_a_dropped_flag_leaves_a_list_that_is_refused() -> None:
    words = [word for word in parse([*KERNELS, "-m"]).overrides if word != AS_MULTIRUN]
    with pytest.raises(UsageError, match="add --multirun"):
        grid(words)


@pytest.mark.parametrize(
    ("arguments", "question"),
    [
        (["a=1", "--cfg", "job", "b=2"], ("--cfg", "job")),
        (["--cfg=all", "a=1", "b=2"], ("--cfg", "all")),
        (["a=1", "-c", "hydra", "--resolve", "b=2"], ("-c", "hydra", "--resolve")),
        (["a=1", "b=2", "--info", "defaults"], ("--info", "defaults")),
        (["a=1", "-h", "b=2"], ("-h",)),
    ],
)
def test_a_question_is_told_from_the_overrides_around_it(arguments: list[str], question: tuple[str, ...]) -> None:
    assert parse(arguments) == CommandLine(overrides=("a=1", "b=2"), question=question)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config-dir", "x"],
        ["--experimental-rerun=x.pkl"],
        ["--hydra-help"],
        ["--shell-completion"],
        ["--cfg"],
        ["--cfg", "nope"],
        ["--info", "model.kernel=3"],
        ["-x"],
    ],
)
def test_any_other_flag_is_one_line_with_the_choices(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["run", *arguments])
    assert run.main() == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith(f"error: {arguments[0]}")
    assert "choose" in said.err


def test_a_question_about_several_arms_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["run", "--cfg", "job", "--multirun", "model.kernel=3,5"])
    assert run.main() == 2
    assert capsys.readouterr().err == "error: model.kernel=3,5 names several arms: ask about one value a key\n"


@pytest.mark.parametrize("key", ["hydra.job_logging", "+hydra.job_logging", "hydra/job_logging"])
def test_a_sweep_file_never_varies_keys_of_hydra(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = tmp_path / "conf"
    shutil.copytree(grids.CONF, conf)
    file = conf / "sweep" / "relu_at_zero.yaml"
    content = file.read_text()
    assert "      data: " in content
    file.write_text(content.replace("      data: ", f"      {key}: x\n      data: ", 1))
    monkeypatch.setattr(grids, "CONF", conf)
    with pytest.raises(UsageError, match="never of hydra"):
        grids.grid(["+sweep=relu_at_zero", "scale=smoke"])


def test_hydra_writes_nothing_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = [
        "hydra.output_subdir=conf",
        "hydra.sweep.dir=elsewhere",
        "hydra.run.dir=elsewhere",
        "scale=smoke",
        "--cfg",
        "job",
    ]
    monkeypatch.setattr(sys, "argv", ["run", *words])
    assert run.main() == 0
    assert list(tmp_path.iterdir()) == []


def test_flags_are_those_that_the_help_names() -> None:
    assert set(hydra_guard.WITH_VALUE) < set(hydra_guard.FLAGS)
