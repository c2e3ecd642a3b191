"""Which convolutions a run takes where that is left open, and that none goes on with what others have begun."""

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console

from cnnlab.records import Store
from cnnlab.spec.invalid import Invalid
from cnnlab.zoo import native
from experiments import session
from experiments.config.grid import grid
from experiments.config.resolve import Settings

QUIET = Console(quiet=True)


def no_compiler() -> None:
    raise native.NoLibrary("no C++ compiler is installed (planted)")


@pytest.fixture
def left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The default settings, in an empty folder of a CPU with a compiler."""
    monkeypatch.setattr(native, "compiler", list)
    monkeypatch.setattr(session, "accelerator", lambda: "cpu")
    settings = grid(["tracker=off"]).settings
    assert settings.convolutions == "auto"
    return dataclasses.replace(settings, results=tmp_path)


def chosen(settings: Settings, **more: int) -> str:
    return session.settled(settings, QUIET, **more).convolutions


def record(settings: Settings, made: str) -> None:
    """A file where a record lies, and what is told of its convolutions."""
    folder = Store(settings.runs).folder("arm", 0)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "record.json").write_text("{}")
    (folder / "provenance.json").write_text(made)


def test_they_are_our_own_on_a_cpu_with_a_compiler(left_open: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(left_open) == "native"
    assert chosen(left_open, gpus=1) == "xla"
    monkeypatch.setattr(session, "accelerator", lambda: "gpu")
    assert chosen(left_open) == "xla"


def test_without_a_compiler_they_are_xlas_and_that_is_told(
    left_open: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "compiler", no_compiler)
    told = io.StringIO()
    assert session.settled(left_open, Console(file=told, width=200)).convolutions == "xla"
    assert told.getvalue().startswith("no C++ compiler is installed (planted): convolutions are XLA's")
    assert told.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("facts", "kind"), [("{}", "xla"), ('{"convolutions": "xla"}', "xla"), ('{"convolutions": "library-1"}', "native")]
)
def test_a_folder_is_gone_on_with_as_it_was_begun(
    facts: str, kind: str, left_open: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(left_open, facts)
    assert chosen(left_open) == kind
    monkeypatch.setattr(native, "compiler", no_compiler)
    assert chosen(left_open) == kind


def test_what_is_asked_for_by_name_is_taken(left_open: Settings) -> None:
    record(left_open, "{}")
    for name in ("xla", "native"):
        assert chosen(dataclasses.replace(left_open, convolutions=name)) == name


def test_our_own_are_refused_where_jobs_train_on_a_gpu(left_open: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "accelerator", lambda: "gpu")
    with pytest.raises(Invalid, match="here arms train on a GPU; choose xla"):
        session.require_convolutions(dataclasses.replace(left_open, convolutions="native"))
