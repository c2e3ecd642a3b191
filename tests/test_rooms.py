"""Rooms and what adds to them: a folder that a user names, and packages that announce themselves."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnlab import rooms
from cnnlab.rooms import ExtraError, Room

TASKS = Room(package="cnnlab.data.tasks", folder="tasks", needs=("DIALS", "check", "load"))
WHOLE = "DIALS = ()\ncheck = load = print\n"
Write = Callable[[str, str], Path]


@pytest.fixture
def extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file of the folder that `CNNLAB_EXTRA` names."""
    monkeypatch.setenv("CNNLAB_EXTRA", str(tmp_path))

    def write(path: str, text: str) -> Path:
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    return write


def announce(site: Path, group: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package, as its metadata tell of it."""
    (site / "theirs-1.0.dist-info").mkdir(parents=True)
    (site / "theirs-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (site / "theirs-1.0.dist-info" / "entry_points.txt").write_text(f"[{group}]\ntheirs = {module}\n")
    monkeypatch.syspath_prepend(site)


def test_a_room_has_its_own_parts_and_those_of_the_folder_that_is_named(extra: Write) -> None:
    shipped = TASKS.names()
    path = extra("tasks/stripes_of_mine.py", WHOLE)
    extra("tasks/_helper.py", "")
    assert set(TASKS.names()) == {*shipped, "stripes_of_mine"}
    assert TASKS.added() == ("stripes_of_mine",)
    module = TASKS.load("stripes_of_mine")
    assert module.__file__ == str(path)
    assert TASKS.load("stripes_of_mine") is module
    assert TASKS.folder_of("stripes_of_mine") == path.parent
    assert TASKS.folder_of("vernier") == Path(TASKS.load("vernier").__file__ or "").parent


def test_nothing_is_added_where_nothing_is_named(extra: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: what was found came from the variable."""
    extra("tasks/stripes_of_mine.py", WHOLE)
    monkeypatch.delenv("CNNLAB_EXTRA")
    assert TASKS.added() == ()


def test_an_installed_package_adds_to_a_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "theirs" / "tasks"
    package.mkdir(parents=True)
    (package / "stripes_of_theirs.py").write_text("from theirs.words import NAME\n" + WHOLE)
    (tmp_path / "theirs" / "words.py").write_text("NAME = 'theirs'\n")
    announce(tmp_path, "cnnlab.tasks", "theirs.tasks", monkeypatch)
    assert TASKS.added() == ("stripes_of_theirs",)
    assert TASKS.load("stripes_of_theirs").NAME == "theirs"
    assert [one.source for one in rooms.extras("tasks")] == ["theirs"]
    assert rooms.extras("statistics") == ()


@pytest.mark.parametrize("module", ["nowhere.at_all", "json.decoder", "broken_of_theirs.tasks"])
def test_an_entry_point_without_a_package_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    (tmp_path / "broken_of_theirs").mkdir()
    (tmp_path / "broken_of_theirs" / "__init__.py").write_text("1 / 0\n")
    announce(tmp_path, "cnnlab.tasks", module, monkeypatch)
    with pytest.raises(ExtraError, match=r"^entry point theirs of cnnlab\.tasks: ") as caught:
        TASKS.names()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["vernier", "fashion_mnist"])
def test_a_name_that_is_taken_is_one_line(extra: Write, name: str) -> None:
    """Else arms of the suite would be trained on other images under the same key."""
    from cnnlab.data import registry

    path = extra(f"tasks/{name}.py", WHOLE)
    with pytest.raises(ExtraError, match=f"^{path}: the name {name} is taken by one of the suite's tasks"):
        registry.names()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def load(:\n", "SyntaxError: invalid syntax"),
        ("import nowhere_at_all\n", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("raise ValueError('a\\nb')\n", "ValueError: a b"),
        ("DIALS = ()\n", "has no check"),
    ],
)
def test_a_broken_file_is_one_line(extra: Write, text: str, said: str) -> None:
    path = extra("tasks/broken_of_mine.py", text)
    with pytest.raises(ExtraError) as caught:
        TASKS.check()
    assert str(caught.value).startswith(f"{path}: {said}")
    assert "\n" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    path.write_text(WHOLE)
    TASKS.check()  # mended, it is read anew


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNLAB_EXTRA", str(tmp_path / "none"))
    with pytest.raises(ExtraError, match=f"^CNNLAB_EXTRA={tmp_path}/none: there is no such folder$"):
        rooms.extra_folder()
