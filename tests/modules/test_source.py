"""Which files decide what a net is: a changed one is another arm, and nothing else is."""

import subprocess
import sys
from pathlib import Path

import pytest

from cnnlab.modules.source import factory, load, sources
from cnnlab.spec.arm import Arm
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.own_module import OwnModule, arguments
from cnnlab.spec.recipe import Recipe
from cnnlab.spec.task import Task

from .conftest import own

TASK = Task(name="digits12", side=12, channels=1, classes=10, train_images=96, validation_images=50)


def test_every_own_file_takes_part_and_no_library() -> None:
    found = dict(sources("mynets.resnet:make"))
    assert list(found) == ["mynets", "mynets.blocks", "mynets.resnet"]
    assert all(len(digest) == 64 for digest in found.values())


def read_anew(folder: Path, make: str) -> tuple[tuple[str, str], ...]:
    """Sources as a new command finds them: Python reads a file once a process."""
    factory.cache_clear()
    sources.cache_clear()
    return sources(make)


@pytest.mark.parametrize(("changed", "moves"), [("inner", True), ("outer", True), ("unread", False)])
def test_a_changed_source_is_another_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str, moves: bool
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"pack_{changed}"
    (tmp_path / name).mkdir()
    files = {"__init__": "", "outer": "def make(rngs):\n    from . import inner\n", "inner": "", "unread": ""}
    for stem, text in files.items():
        (tmp_path / name / f"{stem}.py").write_text(text)
    make = f"{name}.outer:make"

    def key() -> str:
        net = OwnModule(make=make, sources=read_anew(tmp_path, make))
        return Arm(net=net, recipe=Recipe(), task=TASK).key

    before = key()
    assert key() == before
    path = tmp_path / name / f"{changed}.py"
    path.write_text(f"{path.read_text()}\n# another line\n")
    assert (key() != before) == moves


def test_a_source_that_is_no_part_of_the_key_is_noticed() -> None:
    """The twin: without its sources a net would be the same whatever its code says."""
    net = own("se_net:build", width=4)
    other = OwnModule(make=net.make, args=net.args, sources=tuple((name, "0" * 64) for name, _ in net.sources))
    bare = OwnModule(make=net.make, args=net.args)
    keys = {Arm(net=one, recipe=Recipe(), task=TASK).key for one in (net, other, bare)}
    assert len(keys) == 3
    with pytest.raises(InvalidError, match=r"source has changed since the command began \(se_net\)"):
        load(other)


def test_a_file_in_the_folder_of_additions_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "added_net.py").write_text("def make(rngs): ...\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(InvalidError, match="there is no module added_net in "):
        sources("added_net:make")
    monkeypatch.setenv("CNNLAB_EXTRA", str(tmp_path))
    assert [name for name, _ in sources("added_net:make")] == ["added_net"]
    assert factory("added_net:make").__name__ == "make"


def test_labels_are_names_of_folders() -> None:
    net = OwnModule(make="a.b:Net.make", args=arguments({"width": 8, "stages": [1, 2], "mode": "x/../y", "rate": 0.5}))
    assert net.label == "Net.make-modex_.._y-rate0.5-stages1x2-width8"
    assert len(OwnModule(make="a:b", args=arguments({"long": "x" * 200})).label) <= 60


def test_finding_sources_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text("import other_loud\nprint('ran')\ndef make(rngs): ...\n")
    (tmp_path / "other_loud.py").write_text("print('ran')\n")
    code = "from cnnlab.modules.source import sources; print([name for name, _ in sources('loud:make')])"
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", f"import sys; sys.path.append({root!r}); {code}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['loud', 'other_loud']"
