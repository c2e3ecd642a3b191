"""Flags may stand anywhere; those that `--help` names work, and all others are refused in one line."""

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from cnnlab.records import require_writable
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.net import ConvNet
from cnnlab.zoo.widths import widths
from experiments import cost, dashboard, judge, paths, publish, run, suite, tasks
from experiments.cli.console import terminal
from experiments.cli.errors import UsageError
from experiments.config import hydra_guard
from experiments.config.grid import Grid, grid
from experiments.config.hydra_guard import AS_MULTIRUN, CommandLine, parse
from experiments.simulate import __main__ as simulate

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
        ["--resolve"],
        ["--multirun=3"],
        ["--verbose=1"],
        ["--cfg", "job", "--cfg=hydra"],
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
    assert "choose" in said.err or "give both" in said.err


def test_a_question_about_several_arms_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["run", "--cfg", "job", "--multirun", "model.kernel=3,5"])
    assert run.main() == 2
    assert capsys.readouterr().err == "error: model.kernel=3,5 names several arms: ask about one value a key\n"


@pytest.fixture
def sweep_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Grid]:
    """Compose a sweep whose file was changed: `sweep_with(old, new)`."""

    def composed(old: str, new: str) -> Grid:
        conf = tmp_path / "conf"
        shutil.copytree(paths.CONF, conf, dirs_exist_ok=True)
        file = conf / "sweep" / "relu_at_zero.yaml"
        content = file.read_text()
        assert old in content
        file.write_text(content.replace(old, new, 1))
        monkeypatch.setattr(paths, "CONF", conf)
        return grid(["+sweep=relu_at_zero", "scale=smoke"])

    return composed


@pytest.mark.parametrize(
    "key",
    [
        *("hydra.job_logging", "+hydra.job_logging", "hydra/job_logging", "hydra@x", "~hydra", "''", "+sweep"),
        *("sweep.factor", "results", "force", "tracker.mode", "workers", "scale.members", "scale", "check", "~model"),
    ],
)
def test_a_sweep_file_varies_keys_of_arms_alone(key: str, sweep_with: Callable[[str, str], Grid]) -> None:
    """Others would reach jobs unlooked at, or be read of the first job alone."""
    with pytest.raises(UsageError, match="never of hydra or of a whole command"):
        sweep_with("      data: ", f"      {key}: x\n      data: ")


def test_twin_a_sweep_file_varies_a_key_of_arms(sweep_with: Callable[[str, str], Grid]) -> None:
    plan = sweep_with("      data: ", "      train.batch_size: 16,32\n      data: ")
    assert {point.arm.recipe.batch_size for point in plan.points} == {16, 32}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("  job: {chdir: true}", "hydra.job.chdir"),
        ("  job: {name: ../x}", "hydra.job.name"),
        ("  runtime: {output_dir: conf}", "hydra.runtime.output_dir"),
        ("  job_logging: {root: {level: DEBUG}}", "hydra.job_logging"),
    ],
)
def test_a_sweep_file_sets_nothing_else_of_hydra(line: str, said: str, sweep_with: Callable[[str, str], Grid]) -> None:
    with pytest.raises(UsageError, match=f"{said} is not valid"):
        sweep_with("hydra:\n", f"hydra:\n{line}\n")


def test_a_sweep_file_whose_hydra_section_is_empty_is_one_line(sweep_with: Callable[[str, str], Grid]) -> None:
    with pytest.raises(UsageError, match="must hold mode and sweeper"):
        sweep_with("hydra:\n", "hydra:\nx:\n")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("range(2,1000000000)", "more than 2000 jobs"),
        ("range(2.0,3,1e-300)", "more than 2000 jobs"),
        ("range(2,3,0)", "is not valid"),
        ("range(2,nan)", "is not valid"),
        ("shuffle(range(2,1000000000))", "one by one"),
        ("interval(1,5)", "one by one"),
        ("glob(*)", "one by one"),
    ],
)
@pytest.mark.timeout(20)
def test_a_list_without_end_or_order_is_one_line(values: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        grid([f"model.width={values}", AS_MULTIRUN])


def test_lists_that_are_too_many_together_are_one_line() -> None:
    """The twin: each alone is not."""
    lists = [f"model.width={','.join(map(str, range(1, 51)))}", f"train.batch_size={','.join(map(str, range(1, 51)))}"]
    with pytest.raises(UsageError, match="more than 2000 jobs"):
        grid([*lists, AS_MULTIRUN])
    assert len(grid([lists[1], AS_MULTIRUN]).points) == 50


@pytest.mark.parametrize(
    "word", ["workers=1,2", "results=a,b", "scale=smoke,quick", "scale.members=3,4", "force=true,false"]
)
def test_a_list_of_what_holds_for_the_whole_command_is_one_line(word: str) -> None:
    with pytest.raises(UsageError, match=f"{word} is not valid: a sweep varies the keys of arms"):
        grid([word, AS_MULTIRUN])


def test_hydra_writes_nothing_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for word in ("hydra.output_subdir=conf", "hydra.sweep.dir=elsewhere", "hydra.run.dir=elsewhere"):
        monkeypatch.setattr(sys, "argv", ["run", word, "scale=smoke", "--cfg", "job"])
        assert run.main() == 2, "what would do nothing is refused"
    monkeypatch.setattr(sys, "argv", ["run", "scale=smoke", "--cfg", "job"])
    capsys.readouterr()
    assert run.main() == 0
    assert list(tmp_path.iterdir()) == []
    told = capsys.readouterr()
    assert "1 arm to train: some" in told.err  # the price, and not among the config
    assert "to train" not in told.out


INNER = ("hydra.runtime.cwd", "hydra.runtime.config_sources", "hydra.overrides.task", "hydra.job.override_dirname")
"""Keys that differ from command to command, so that a look at the composed config alone lets them pass."""


@pytest.mark.parametrize(
    "key", [*INNER, "hydra", "hydra.launcher", "hydra/help", "hydra.output_subdir", "hydra.sweeper.params.data"]
)
def test_a_word_sets_nothing_else_of_hydra(key: str) -> None:
    with pytest.raises(UsageError, match=f"{key} is not valid: of Hydra's keys"):
        hydra_guard.check_word(key)


def test_twin_words_that_choose_how_jobs_run_pass() -> None:
    for key in ("hydra.mode", "hydra/launcher", "hydra.launcher.cores"):
        hydra_guard.check_word(key)


def test_twin_without_the_look_at_words_such_a_key_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="of Hydra's keys"):
        grid([f"{INNER[0]}=x"])
    monkeypatch.setattr(hydra_guard, "check_word", lambda key: None)
    assert grid([f"{INNER[0]}=x"]).points


def test_flags_are_those_that_the_help_names() -> None:
    assert set(hydra_guard.WITH_VALUE) < set(hydra_guard.FLAGS)


LONG = "a" * 300
WRONG = {
    "reference of another type": (run.main, ["+sweep=pool_position", "sweep.reference=nope"], "model.pools"),
    "no such factor": (run.main, ["+sweep=pool_position", "sweep.factor=model.nope"], "model.nope is not a key"),
    "reference that is no level": (run.main, ["+sweep=relu_at_zero", "sweep.reference=nope"], "choose"),
    "null for a file": (run.main, ["model=null"], "chosen by its name"),
    "a key of 300 letters": (run.main, [f"{LONG}=3"], "is not a key"),
    "words for numbers": (run.main, ["model.pools=${oc.dict.keys:model}"], "must be a list of whole numbers"),
    "a number of 5000 digits": (run.main, [f"model.width={'9' * 5000}"], "of more than"),
    "a list that would be read for minutes": (run.main, [f"model.widths=[{'8,' * 100_000}8]"], "at most 20000 are"),
    "the same of an own net": (run.main, [f"model.args.width={'9' * 5000}", "model=module"], "of more than"),
    "a scale that is a path": (run.main, ["scale.name=../../evil"], "choose one of full, quick, smoke"),
    "results where the kernel takes nothing": (run.main, ["results=/proc/x"], "choose another folder"),
    "judge, an unknown scale": (judge.main, ["st2-coverage-counts", "scale=nope"], "choose one of full, quick, smoke"),
    "judge, a sweep": (judge.main, ["+sweep=pool_position"], "name claims"),
    "judge, an unknown key": (judge.main, ["st2-coverage-counts", "model.widht=8"], "did you mean model.width"),
    "judge, results": (judge.main, ["st2-coverage-counts", "results=/proc/x"], "choose another folder"),
    "judge noise, results": (judge.main, ["noise", "results=/proc/x"], "choose another folder"),
    "cost, results": (cost.main, ["relu-cheap", "results=/proc/x"], "choose another folder"),
    "simulate, results": (simulate.main, ["results=/proc/x"], "choose another folder"),
    "simulate, no number": (simulate.main, ["--replications", "1e20"], "invalid int value"),
    "tasks, a file for a folder": (tasks.main, ["digits12", "--pictures", __file__], "cannot be written to"),
    "dashboard, an unknown flag": (dashboard.main, ["--nope"], "see --help"),
    "suite, an unknown flag": (suite.main, ["--nope"], "see --help"),
    "publish, an unknown flag": (publish.main, ["--nope"], "see --help"),
}


@pytest.mark.parametrize("case", WRONG)
def test_every_command_tells_a_wrong_word_in_one_line_before_it_does_anything(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main, arguments, said = WRONG[case]
    monkeypatch.setenv("CNNLAB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    assert main() == 2
    heard = capsys.readouterr()
    assert heard.err.count("\n") == 1
    assert heard.err.startswith("error: ")
    assert said in heard.err
    assert list(tmp_path.iterdir()) == []


def test_twin_a_folder_that_is_only_asked_for_its_mode_passes_for_writable() -> None:
    if os.geteuid() != 0:
        pytest.skip("only an administrator is told that /proc can be written to")
    assert os.access("/proc", os.W_OK | os.X_OK)
    with pytest.raises(InvalidError, match="/proc cannot be written to"):
        require_writable(Path("/proc/x"), "results")


def test_options_of_the_judge_stand_anywhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["judge", "st2-coverage-counts", "--json", "scale=quick"])
    assert judge.main() == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry["id"] == "st2-coverage-counts"


FACTORS = {"train.weight_decay": ("0.0", "0.01"), "model.width": ("16", "8"), "train.batch_size": ("32", "16")}


@pytest.mark.parametrize("factor", FACTORS)
def test_any_key_can_be_a_factor_at_any_match(factor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = tmp_path / "conf"
    shutil.copytree(paths.CONF, conf)
    values = {"train.weight_decay": ("0.0", "0.01"), "model.width": ("16", "8"), "train.batch_size": ("32", "16")}[
        factor
    ]
    (conf / "sweep" / "mine.yaml").write_text(f"""# @package _global_
sweep:
  bank: MINE
  question: Does it matter?
  held: all else
  factor: {factor}
  reference: "{values[0]}"
  levels: {{smoke: "{values[0]},{values[1]}", quick: "{values[0]},{values[1]}", full: "{values[0]},{values[1]}"}}
hydra:
  mode: MULTIRUN
  sweeper:
    params:
      data: digits8
      {factor}: ${{sweep.levels.${{scale.name}}}}
      match: none,macs
""")
    monkeypatch.setattr(paths, "CONF", conf)
    plan = grid(["+sweep=mine", "scale=quick"])
    assert {(point.level, point.match) for point in plan.points} == {(v, m) for v in values for m in ("none", "macs")}
    reference = next(p.arm.net for p in plan.points if (p.level, p.match) == (values[0], "none"))
    matched = next(p.arm.net for p in plan.points if (p.level, p.match) == (values[1], "macs"))
    assert isinstance(reference, ConvNet)
    assert isinstance(matched, ConvNet)
    assert abs(widths(matched)[0] - widths(reference)[0]) <= 1


def test_brackets_in_a_users_words_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    console = terminal()
    console.print("records in /tmp/[/x][red]y")
    table = Table("[bold]column")
    table.add_row("[/x][red]y [2,4]")
    console.print(table)
    said = capsys.readouterr().out
    assert "records in /tmp/[/x][red]y" in said
    assert "[bold]column" in said
    assert "[/x][red]y [2,4]" in said


def test_twin_a_console_that_reads_markup_loses_a_users_words(capsys: pytest.CaptureFixture[str]) -> None:
    Console(highlight=False).print("records in /tmp/[red]y")
    assert "[red]y" not in capsys.readouterr().out
