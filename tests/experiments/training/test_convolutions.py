"""Which convolutions train: our own on a CPU with a compiler, else XLA's; nothing refuses but what is asked by name."""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from cnnlab.records import Store
from cnnlab.spec.invalid import InvalidError
from cnnlab.zoo import native
from experiments.config.resolve import Settings
from experiments.training import convolutions
from experiments.training.provenance import mixture, other_version

from ..conftest import Compose, Plant

LIBRARY = Path("planted-0123.so")
Machine = Callable[[pytest.MonkeyPatch], None]


def no_compiler(*_: object) -> None:
    raise native.LibraryError("no C++ compiler is installed (planted)")


@pytest.fixture
def left_open(composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The default settings, in an empty folder of a CPU with a compiler."""
    monkeypatch.setattr(native, "compiler", list)
    monkeypatch.setattr(native, "build", lambda _: LIBRARY)
    monkeypatch.setattr(convolutions, "accelerator", lambda: "cpu")
    settings = composed("", "quick").settings
    assert settings.convolutions == "auto"
    return dataclasses.replace(settings, results=tmp_path)


def on_a_gpu(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(convolutions, "accelerator", lambda: "gpu")


def without_compiler(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(native, "compiler", no_compiler)
    patch.setattr(native, "build", no_compiler)


def library(settings: Settings, asked: str = "auto", compiled: Path = Path("compiled")) -> tuple[Path | None, str]:
    """The library that is found, and what is printed on the way."""
    told = io.StringIO()
    found = convolutions.library(
        dataclasses.replace(settings, convolutions=asked), compiled, Console(file=told, width=200)
    )
    return found, told.getvalue()


def test_they_are_our_own_on_a_cpu_with_a_compiler(left_open: Settings) -> None:
    assert library(left_open) == library(left_open, "native") == (LIBRARY, "")
    assert library(left_open, "xla") == (None, "")


@pytest.mark.parametrize(("machine", "lines"), [(on_a_gpu, 0), (without_compiler, 1)])
def test_elsewhere_they_are_xlas_and_a_missing_compiler_is_told(
    machine: Machine, lines: int, left_open: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch)
    found, told = library(left_open)
    assert found is None
    assert told.count("\n") == lines
    assert ("no C++ compiler is installed (planted): convolutions are XLA's" in told) == (lines == 1)


def test_a_compiler_that_fails_is_no_compiler(
    left_open: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(convolutions, "accelerator", lambda: "cpu")
    monkeypatch.setenv("CXX", "false")
    found, told = library(left_open, compiled=tmp_path / "compiled")
    assert found is None
    assert "the compiler false fails" in told


def test_what_is_asked_for_by_name_must_be_there(left_open: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is trained, and again when it is."""
    asked = dataclasses.replace(left_open, convolutions="native")
    convolutions.check(asked)
    convolutions.check(asked, gpus=0)
    with pytest.raises(InvalidError, match=r"hydra\.launcher\.gpus asks for GPUs; choose xla"):
        convolutions.check(asked, gpus=1)
    for machine, why in ((on_a_gpu, "here arms train on a GPU; choose xla"), (without_compiler, "; choose xla")):
        with monkeypatch.context() as patch:
            machine(patch)
            for refuse in (convolutions.check, library):
                with pytest.raises(InvalidError, match=why):
                    refuse(asked) if refuse is convolutions.check else refuse(asked, "native")
            convolutions.check(left_open)


def test_what_is_left_open_is_never_refused(left_open: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the folder holds and the machine has: a launcher with GPUs too."""
    convolutions.check(left_open, gpus=1)
    for machine in (on_a_gpu, without_compiler):
        with monkeypatch.context() as patch:
            machine(patch)
            convolutions.check(left_open)
            assert library(left_open)[0] is None


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (("xla", "", "conv-1"), "convolutions: 1 native and 2 xla records stand side by side; last digits differ"),
        (("conv-1", "conv-2", "conv-1"), ""),
        (("xla", "", "xla"), ""),
    ],
)
def test_a_mixture_is_named_and_one_kind_is_not(
    made: tuple[str, ...], line: str, composed: Compose, plant: Plant, tmp_path: Path
) -> None:
    """Provenance says which; a record whose provenance is older and says nothing was made with XLA's."""
    store, points = Store(tmp_path), composed("pool_position", "smoke").points
    for point, kind in zip(points, made, strict=True):
        store.write(plant(point, 0.9), {"convolutions": kind} if kind else {})
    arms = [point.arm.key for point in points]
    assert mixture(store, arms) == mixture(store, [*arms, *arms]) == line
    assert mixture(store, arms[:2]) == ""


def test_a_found_record_of_the_other_kind_is_another_version() -> None:
    facts = {"convolutions": "conv-1"}
    assert other_version(facts, "") == other_version(facts, "conv-2") == "library conv-1"
    assert other_version(facts, "conv-1") == other_version(facts, None) == other_version({}, "") == ""
