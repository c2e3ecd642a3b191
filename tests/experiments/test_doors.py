"""The command `cnnlab`: its doors, its version, what a shell offers, and a word that is no door."""

import importlib.metadata
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments import __main__ as cnnlab
from experiments import completion
from experiments.cli import command, doors
from experiments.paths import PACKAGE

from .conftest import Door

FOUND = doors.doors()


def test_every_door_is_listed_with_a_line(door: Door) -> None:
    ended = door(cnnlab.main)
    assert ended.code == 0
    assert {"run", "judge", "suite", "new", "geometry", "bench"} <= set(FOUND)
    assert not {"paths", "completion", "cli", "claims", "page"} & set(FOUND)
    for name, does in FOUND.items():
        assert does
        assert "`" not in does
        assert f"{name} " in ended.out
        assert does in ended.out


def test_the_list_of_doors_has_no_blanks_at_the_ends_of_its_lines(door: Door) -> None:
    lines = door(cnnlab.main).out.splitlines()
    assert lines == [line.rstrip() for line in lines]


def test_a_file_that_cannot_be_run_is_no_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin."""
    (tmp_path / "mine.py").write_text('"""Do a thing: `so`."""\n\nif __name__ == "__main__":\n    print()\n')
    (tmp_path / "other.py").write_text('"""Know a thing."""\n')
    monkeypatch.setattr(doors, "PACKAGE", tmp_path)
    assert doors.doors() == {"mine": "Do a thing"}


def test_the_version(door: Door) -> None:
    assert door(cnnlab.main, "--version").out.startswith(f"cnnlab {importlib.metadata.version('cnnlab')}, ")


@pytest.mark.parametrize("word", ["jugde", "../run", "--nope", "cli.command"])
def test_a_word_that_is_no_door_is_one_line(door: Door, word: str) -> None:
    ended = door(cnnlab.main, word)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"error: {word} is no door: ")
    assert ended.err.count("\n") == 1


def test_a_door_runs_as_its_module_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its own words, as `__main__`: worker processes import what that is."""
    asked: list[tuple[object, ...]] = []

    def run_module(name: str, run_name: str, alter_sys: bool) -> None:
        asked.append((name, run_name, alter_sys, list(sys.argv)))

    monkeypatch.setattr(runpy, "run_module", run_module)
    monkeypatch.setattr(sys, "argv", ["cnnlab", "judge", "lin-collapse", "--json"])
    cnnlab.cnnlab()
    assert asked == [("experiments.judge", "__main__", True, ["cnnlab", "lin-collapse", "--json"])]


@pytest.mark.parametrize(
    ("script", "begins"),
    [("/venv/bin/cnnlab", "cnnlab "), ("-m", "python -m experiments."), ("", "python -m experiments.")],
)
def test_help_names_the_door_as_it_was_called(script: str, begins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", script])
    said = command.parser("judge", "Judges.", "examples: python -m experiments.judge all").format_help()
    assert said.startswith(f"usage: {begins}judge")
    assert f"examples: {begins}judge all" in said


# ---------------------------------------------------------------------------------------------------------- completion

Candidates = Callable[[str], list[str]]


@pytest.fixture
def offered(door: Door, monkeypatch: pytest.MonkeyPatch) -> Candidates:
    """What a shell would offer for a line, as the script that Hydra gives it asks."""

    def ask(line: str) -> list[str]:
        monkeypatch.setenv("COMP_LINE", line)
        ended = door(cnnlab.main, "-sc", "query=bash")
        assert (ended.code, ended.err) == (0, "")
        return ended.out.split()

    return ask


def test_a_shell_is_offered_doors_and_what_hydra_has_for_run(offered: Candidates) -> None:
    assert offered("cnnlab ") == list(FOUND)
    assert offered("cnnlab ju") == ["judge"]
    assert offered("cnnlab run +sweep=pool_p") == ["+sweep=pool_position"]
    assert "model.kernel=" in offered("cnnlab run scale=smoke model.k")
    assert offered("cnnlab nowhere x") == []


def test_a_shell_is_offered_options(offered: Candidates) -> None:
    pytest.importorskip("argcomplete")
    assert "--verdict" in offered("cnnlab judge --v")
    assert offered("cnnlab judge --kind sur") == ["survey"]
    assert "--family" in offered("cnnlab new --f")


def test_every_door_but_run_has_a_parser_to_offer_from() -> None:
    for name in set(FOUND) - set(completion.HYDRA):
        assert completion._parser(f"experiments.{name}").prog.endswith(name)


def test_the_script_for_the_shell(door: Door) -> None:
    ended = door(cnnlab.main, "-sc", "install=bash")
    assert ended.code == 0
    assert "hydra_bash_completion" in ended.out
    assert door(cnnlab.main, "-sc", "install=ksh").code == 2


def test_the_folder_of_the_package_is_this_one() -> None:
    assert Path(cnnlab.__file__).parent == PACKAGE
