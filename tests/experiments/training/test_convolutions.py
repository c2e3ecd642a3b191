"""Which convolutions train a results folder: one kind for all its records, settled by whoever trains there first."""

import dataclasses
import io
import multiprocessing
from pathlib import Path

import pytest
from rich.console import Console

from cnnlab.records import Store
from cnnlab.spec.invalid import InvalidError
from cnnlab.zoo import native
from experiments.config.grid import grid
from experiments.config.resolve import Settings
from experiments.training import convolutions

LIBRARY = Path("planted.so")


def no_compiler(*_: object) -> None:
    raise native.LibraryError("no C++ compiler is installed (planted)")


@pytest.fixture
def left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The default settings, in an empty folder of a CPU with a compiler."""
    monkeypatch.setattr(native, "compiler", list)
    monkeypatch.setattr(native, "build", lambda _: LIBRARY)
    monkeypatch.setattr(convolutions, "accelerator", lambda: "cpu")
    settings = grid(["tracker=off"]).settings
    assert settings.convolutions == "auto"
    return dataclasses.replace(settings, results=tmp_path)


def settle(settings: Settings, asked: str = "auto") -> str:
    """The kind that is settled, or why none can be."""
    try:
        found = convolutions.settle(
            dataclasses.replace(settings, convolutions=asked), Path("compiled"), Console(quiet=True)
        )
    except InvalidError as problem:
        return str(problem)
    return {LIBRARY: "native", None: "xla"}[found]


def record(settings: Settings, made: str) -> None:
    """A file where a record lies, and what is told of its convolutions."""
    folder = Store(settings.runs).folder("arm", 0)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "record.json").write_text("{}")
    (folder / "provenance.json").write_text(made)


def on_a_gpu(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(convolutions, "accelerator", lambda: "gpu")


def without_compiler(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(native, "compiler", no_compiler)
    patch.setattr(native, "build", no_compiler)


def test_they_are_our_own_on_a_cpu_with_a_compiler(left_open: Settings) -> None:
    assert settle(left_open) == "native"


@pytest.mark.parametrize(("machine", "lines"), [(on_a_gpu, 1), (without_compiler, 2)])
def test_elsewhere_they_are_xlas_and_a_missing_compiler_is_told(
    machine, lines: int, left_open: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch)
    told = io.StringIO()
    assert convolutions.settle(left_open, Path("compiled"), Console(file=told, width=200)) is None
    assert told.getvalue().splitlines()[-1] == "convolutions: xla"
    assert told.getvalue().count("\n") == lines
    assert ("no C++ compiler is installed (planted): convolutions are XLA's" in told.getvalue()) == (lines == 2)


def test_a_compiler_that_fails_is_no_compiler(
    left_open: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(convolutions, "accelerator", lambda: "cpu")
    monkeypatch.setenv("CXX", "false")
    told = io.StringIO()
    assert convolutions.settle(left_open, tmp_path / "compiled", Console(file=told, width=200)) is None
    assert "the compiler false fails" in told.getvalue()


@pytest.mark.parametrize(
    ("facts", "kind"), [("{}", "xla"), ('{"convolutions": "xla"}', "xla"), ('{"convolutions": "library-1"}', "native")]
)
def test_a_folder_is_gone_on_with_as_it_was_begun(
    facts: str, kind: str, left_open: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(left_open, facts)
    assert settle(left_open) == kind
    (other,) = {"xla", "native"} - {kind}
    assert f"was begun with {kind}, and the two are never mixed" in settle(left_open, other)
    with pytest.raises(InvalidError, match=f"was begun with {kind}"):
        convolutions.check(dataclasses.replace(left_open, convolutions=other))
    convolutions.check(left_open)
    for machine in (on_a_gpu, without_compiler):
        with monkeypatch.context() as patch:
            machine(patch)
            found = settle(left_open)
        assert found == kind if kind == "xla" else found.endswith("was begun with them: choose another results=")


@pytest.mark.parametrize("first", ["xla", "native"])
def test_the_first_to_train_settles_it_for_all(first: str, left_open: Settings) -> None:
    (other,) = {"xla", "native"} - {first}
    assert settle(left_open, first) == first
    assert settle(left_open) == first
    assert f"was begun with {first}" in settle(left_open, other)
    (left_open.runs / convolutions.MARK).unlink()
    assert settle(left_open, other) == other
    assert [path.name for path in left_open.runs.iterdir()] == [convolutions.MARK]


def test_a_machine_without_a_compiler_does_not_take_part_where_our_own_train(
    left_open: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settle(left_open) == "native"
    without_compiler(monkeypatch)
    assert settle(left_open).endswith("was begun with them: choose another results=")


def marked(place: tuple[Path, str]) -> str:
    return convolutions._mark(Store(place[0]), place[1])


def test_of_many_that_come_first_at_once_one_settles_it_for_all(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        for number in range(20):
            wishes = [(tmp_path / str(number), kind) for kind in ("xla", "native")] * 4
            assert len(set(pool.map(marked, wishes, chunksize=1))) == 1


def test_a_file_that_says_neither_is_an_error(left_open: Settings) -> None:
    assert settle(left_open) == "native"
    (left_open.runs / convolutions.MARK).write_text("blas")
    assert "must say xla or native" in settle(left_open)


def test_a_record_of_the_other_kind_among_those_found_is_an_error(left_open: Settings) -> None:
    assert settle(left_open) == "native"
    made = {("a", 0): {"convolutions": "library-1"}, ("b", 0): {"convolutions": "library-2"}}
    convolutions.require_alike(made, left_open)
    with pytest.raises(InvalidError, match="was made with xla, beside others that were not"):
        convolutions.require_alike({**made, ("c", 1): {}}, left_open)


def test_what_is_asked_for_by_name_must_be_there(left_open: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = dataclasses.replace(left_open, convolutions="native")
    convolutions.require_here(asked)
    convolutions.require_here(asked, gpus=0)
    with pytest.raises(InvalidError, match=r"hydra\.launcher\.gpus asks for GPUs; choose xla"):
        convolutions.require_here(asked, gpus=1)
    for machine, why in ((on_a_gpu, "here arms train on a GPU; choose xla"), (without_compiler, "; choose xla")):
        with monkeypatch.context() as patch:
            machine(patch)
            with pytest.raises(InvalidError, match=why):
                convolutions.require_here(asked)
            convolutions.require_here(left_open)
            assert settle(left_open, "native").endswith("choose xla")


def test_what_a_folder_was_begun_with_must_be_there_too(left_open: Settings) -> None:
    convolutions.require_here(left_open, gpus=1)
    record(left_open, '{"convolutions": "library-1"}')
    with pytest.raises(InvalidError, match=r"asks for GPUs; .*was begun with them: choose another results="):
        convolutions.require_here(left_open, gpus=1)
