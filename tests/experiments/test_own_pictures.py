"""Own pictures through the doors: broken input is one line, whole input trains, and a card tells what was read."""

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from cnnlab.data.own import content
from cnnlab.data.own.picture import MOST_PIXELS
from cnnlab.records import Store
from cnnlab.training.workers import WorkerPool
from experiments import run, tasks
from experiments.reports import dataset_card

from .conftest import Compose, Door, Ended

Spoil = Callable[[Path], Any]
SMALL = ("scale=smoke", "tracker=off", "model.width=2", "scale.max_epochs=1", "workers=1")


@pytest.fixture(autouse=True)
def another_command() -> Iterator[None]:
    yield
    content.forget()
    content._unkept.clear()


@pytest.fixture
def pictures(sixty_pictures: Path, tmp_path: Path) -> Path:
    """Fifteen of the pictures, to change."""
    for kind in ("bars", "discs", "noise"):
        (tmp_path / "own" / kind).mkdir(parents=True)
        for file in sorted((sixty_pictures / kind).iterdir())[:5]:
            shutil.copy(file, tmp_path / "own" / kind)
    return tmp_path / "own"


# Broken folders: what is done to a whole one, further words, and what the line says.


def write(name: str, content: bytes | str) -> Spoil:
    return lambda root: (root / name).write_bytes(content.encode() if isinstance(content, str) else content)


def bomb(root: Path) -> None:
    Image.new("1", (MOST_PIXELS // 1000 + 1, 1000)).save(root / "bars" / "huge.png")


def truncated(root: Path) -> None:
    whole = io.BytesIO()
    Image.new("RGB", (50, 50), "red").save(whole, "JPEG")
    (root / "bars" / "half.jpg").write_bytes(whole.getvalue()[:-200])


def animated(kind: str) -> Spoil:
    def spoil(root: Path) -> None:
        images = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green")]
        images[0].save(root / "bars" / f"many.{kind}", save_all=True, append_images=images[1:])

    return spoil


def one_class(root: Path) -> None:
    for kind in ("discs", "noise"):
        shutil.rmtree(root / kind)


def one_picture(root: Path) -> None:
    for file in sorted((root / "bars").iterdir())[1:]:
        file.unlink()


def no_pictures(root: Path) -> None:
    for file in root.rglob("*.*"):
        file.rename(file.with_suffix(".txt"))


def many(root: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(20):
        Image.fromarray(random.integers(0, 256, (12, 12), np.uint8)).save(root / "bars" / f"more{number}.png")


def flat(root: Path) -> None:
    for place, kind in enumerate(("bars", "discs", "noise")):
        for number, file in enumerate((root / kind).iterdir()):
            file.unlink()
            Image.new("RGB", (12, 12), (7, 20 * place + number, 9)).save(file.with_suffix(".png"))


def copies(root: Path) -> None:
    for file in (root / "bars").iterdir():
        Image.new("RGB", (12, 12), "blue").save(file.with_suffix(".png"))
        if file.suffix != ".png":
            file.unlink()


def link(root: Path) -> None:
    (root.parent / "outside.png").write_bytes(next((root / "bars").glob("*.png")).read_bytes())
    (root / "bars" / "x.png").symlink_to(root.parent / "outside.png")


def linked_class(root: Path) -> None:
    shutil.move(root / "bars", root.parent / "bars")
    (root / "bars").symlink_to(root.parent / "bars")


def parts(root: Path) -> None:
    """Part the pictures into train and test, and have the test set lack a class."""
    for kind in ("bars", "discs", "noise"):
        for place, file in enumerate(sorted((root / kind).iterdir())):
            part = "test" if place == 0 and kind != "noise" else "train"
            (root / part / kind).mkdir(parents=True, exist_ok=True)
            file.rename(root / part / kind / file.name)
        (root / kind).rmdir()


def parts_and_more(root: Path) -> None:
    shutil.copytree(root / "bars", root / "validation" / "bars")
    parts(root)


def renamed_test(root: Path) -> None:
    parts(root)
    (root / "test").rename(root / "val")


def within(root: Path) -> None:
    (root / "pics").mkdir()
    for kind in ("bars", "discs", "noise"):
        (root / kind).rename(root / "pics" / kind)


def nothing(root: Path) -> None: ...


def gone(root: Path) -> None:
    shutil.rmtree(root)


def a_file(root: Path) -> None:
    gone(root)
    root.write_text("")


def emptied(root: Path) -> None:
    gone(root)
    root.mkdir()


CSV = "data.labels={root}.csv"
FOLDERS: dict[str, tuple[Spoil, str, str]] = {
    "no folder": (gone, "", "there is no such folder"),
    "a file": (a_file, "", "must be a folder; a file of arrays is read by data=npz"),
    "empty": (emptied, "", "it holds no pictures, files that end in .png"),
    "no pictures": (no_pictures, "", "it holds no pictures, files that end in .png"),
    "one class": (one_class, "", "it has one class, bars: at least two"),
    "class of one": (one_picture, "", "class bars has 1 pictures: at least 3 are needed, one each to train,"),
    "class of none": (lambda root: (root / "empty").mkdir(), "", "own/empty is not valid: this class has no pictures"),
    "copies": (copies, "", "after these were left out: 4 the same as another of its class"),
    "unlike": (many, "", "no class may have more than 4 times another"),
    "flat": (flat, "", "all pixels of all pictures are the same in channel [0]"),
    "beside": (write("x.png", b"x"), "", "x.png is not valid: pictures must lie in a subfolder a class, CLASS/"),
    "text": (write("bars/x.png", "a text"), "", "bars/x.png is not valid: is no PNG, JPEG, WebP or TIFF picture"),
    "no bytes": (write("bars/x.jpg", b""), "", "bars/x.jpg is not valid: is empty"),
    "truncated": (truncated, "", "bars/half.jpg is not valid: is damaged"),
    "huge": (bomb, "", f"more than {MOST_PIXELS}"),
    "animation": (animated("webp"), "", "bars/many.webp is not valid: holds 2 pictures (an animation, or pages)"),
    "pages": (animated("tif"), "", "bars/many.tif is not valid: holds 2 pictures (an animation, or pages)"),
    "link": (link, "", "bars/x.png is not valid: it is a link, and links are not followed"),
    "linked class": (linked_class, "", "own/bars is not valid: it is a link, and links are not followed"),
    "pipe": (lambda root: os.mkfifo(root / "bars" / "x.png"), "", "bars/x.png is not valid: is no regular file"),
    "one part lacks a class": (parts, "", "class noise has 0 pictures to test with"),
    "no test": (renamed_test, "", "; train/ is there, and beside it must be test/ (rename val/)"),
    "a folder above": (within, "", "; or give the folder above the classes, data.path=/"),
    "parts and more": (parts_and_more, "", "pictures must lie in train/CLASS/ or test/CLASS/"),
    "side 0": (nothing, "data.side=0", "data.side=0 is not valid: must be at least 1 pixel"),
    "side too large": (nothing, "data.side=30", "data.side=30 is not valid: "),
    "channels": (nothing, "data.channels=2", "data.channels=2 is not valid: must be 1 (grey) or 3 (RGB)"),
    "share": (nothing, "data.test_share=1.5", "must be above 0 and below 1"),
    "too many drawn": (nothing, "data.train_images=99", "data.train_images=99 is not valid: 12 pictures are there"),
    "other classes": (nothing, "data.classes=4", "has classes=3"),
    "CSV: no file": (nothing, CSV, "there is no such file, nor one of that name in"),
    "CSV: in the folder": (
        write("names.csv", "name,label\nx.png,a\n"),
        "data.labels=names.csv",
        "line 2 names 'x.png'",
    ),
    "CSV: no header": (write("../own.csv", "bars/0.png,bars\n"), CSV, "its first line must be name,label, not bars/0"),
    "CSV: unknown name": (write("../own.csv", "name,label\nx.png,a\n"), CSV, "line 2 names 'x.png', and there is no"),
    "CSV: above": (write("../own.csv", "name,label\n../x.png,a\n"), CSV, "line 2 names '../x.png', and there is no"),
    "CSV: twice": (
        write("../own.csv", "name,label\nbars/0.png,a\nbars/0.png,b\n"),
        CSV,
        "line 3 names bars/0.png again",
    ),
    "CSV: columns": (write("../own.csv", "name,label\nbars/0.png,a,b\n"), CSV, "line 2 has 3 columns, not 2"),
    "CSV: no label": (write("../own.csv", "name,label\nbars/0.png, \n"), CSV, "line 2 has no label"),
    "CSV: binary": (write("../own.csv", b"\xff\xfe\x00"), CSV, "must be a CSV file in UTF-8"),
    "CSV: empty": (write("../own.csv", ""), CSV, "its first line must be name,label"),
    "CSV: no rows": (write("../own.csv", "name,label\n"), CSV, "it names no pictures"),
}

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 8, 8), np.uint8)
LABELS = np.arange(30) % 3


def arrays(how: Callable[..., None] = np.savez, **changes: Any) -> Spoil:
    """Write a whole file with these arrays in it; None takes one out."""
    held = {"images": IMAGES, "labels": LABELS} | changes
    return lambda file: how(file, **{name: value for name, value in held.items() if value is not None})


def floats(at: float) -> np.ndarray:
    images = IMAGES / 255
    images[3, 4, 5] = at
    return images


def zeros(file: Path) -> None:
    """A file of some kilobytes that would unpack to gigabytes."""
    import zipfile

    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("images.npy", "labels.npy"):
            archive.writestr(name, b"\0" * 1000)
    raw = bytearray(file.read_bytes())
    for place in range(len(raw) - 4):
        if raw[place : place + 4] == b"PK\x01\x02":  # the directory's word for the unpacked size
            raw[place + 24 : place + 28] = (0xF0000000).to_bytes(4, "little")
    file.write_bytes(raw)


def pickled(file: Path) -> None:
    np.savez(file, images=IMAGES, labels=np.array([{"a": 1}] * 30, dtype=object), allow_pickle=True)


def cut(file: Path) -> None:
    np.savez(file, images=IMAGES, labels=LABELS)
    raw = bytearray(file.read_bytes())
    raw[1000] ^= 1
    file.write_bytes(raw)


ARRAYS: dict[str, tuple[Spoil, str, str]] = {
    "no file": (nothing, "", "there is no such file"),
    "a folder": (lambda file: file.mkdir(), "", "a folder of pictures is read by data=folder"),
    "no archive": (lambda file: file.write_text("text"), "", "must be a .npz file, as numpy.savez makes it"),
    "no labels": (
        arrays(labels=None),
        "",
        "it must hold the arrays images and labels; test_images and test_labels may",
    ),
    "other names": (arrays(x_train=IMAGES), "", "it has images, labels, x_train"),
    "half a test set": (arrays(test_images=IMAGES), "", "test_images and test_labels may be added; it has"),
    "rank of images": (arrays(images=IMAGES[0]), "", "images have the shape (8, 8): must be (n, side, side) or"),
    "not square": (arrays(images=IMAGES[:, :7]), "", "images have the shape (30, 7, 8): must be"),
    "no images": (arrays(images=IMAGES[:0]), "", "images is empty: its shape is (0, 8, 8)"),
    "whole numbers": (arrays(images=IMAGES.astype(np.int64)), "", "images are int64: must be uint8 (0 to 255) or"),
    "NaN": (arrays(images=floats(np.nan)), "", "images have 1 values that are not finite"),
    "out of range": (arrays(images=floats(1.5)), "", "images are float64 from 0 to 1.5: floats must lie between"),
    "rank of labels": (arrays(labels=LABELS[:, None]), "", "labels have the shape (30, 1): must be (n,)"),
    "floats as labels": (arrays(labels=LABELS / 1), "", "labels are float64: must be whole numbers"),
    "negative labels": (arrays(labels=LABELS - 1), "", "labels are -1 to 1: must be 0 to classes - 1"),
    "far labels": (arrays(labels=LABELS * 10**9), "", "labels are 0 to 2000000000: must be 0 to classes - 1"),
    "labels from 1": (arrays(labels=LABELS + 1), "", "labels must be 0 to 3 without gaps: no image has 0"),
    "lengths": (arrays(labels=LABELS[:-1]), "", "30 images and 29 labels: there must be one label an image"),
    "other test": (
        arrays(test_images=IMAGES[:, :7, :7], test_labels=LABELS),
        "",
        "test_images have the shape (7, 7, 1), and images (8, 8, 1)",
    ),
    "objects": (pickled, "", "labels holds Python objects, and these are not read"),
    "bomb": (zeros, "", "bytes, more than"),
    "damaged": (cut, "", "Bad CRC-32"),
    "another side": (arrays(), "data.side=9", "data.side=9 is not valid: the arrays have side=8"),
    "CSV": (arrays(), "data.labels=x.csv", "is for data=folder; an npz file holds its labels"),
}


QUICK = (
    "no folder",
    "class of one",
    "copies",
    "truncated",
    "huge",
    "link",
    "one part lacks a class",
    "side too large",
    "too many drawn",
    "CSV: twice",
    "NaN",
    "far labels",
    "objects",
    "bomb",
)
"""Kinds that are tried in every run of the tests; composing a command line takes a quarter of a second."""


def kinds(table: dict[str, tuple[Spoil, str, str]]) -> list[Any]:
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in table]


def refused(ended: Ended, says: str, tmp_path: Path) -> None:
    """The command ended in one line, and wrote nothing."""
    assert ended.code == 2, ended
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert says in line, line
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "cache").exists()


@pytest.fixture
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: Any) -> None:
        raise AssertionError("a worker was started")

    monkeypatch.setattr(WorkerPool, "_worker", started)


@pytest.mark.parametrize("name", kinds(FOLDERS))
def test_a_broken_folder_is_one_line(name: str, pictures: Path, tmp_path: Path, door: Door, no_workers: None) -> None:
    spoil, more, says = FOLDERS[name]
    spoil(pictures)
    words = [more.format(root=pictures)] if more else []
    side = [] if "data.side" in more else ["data.side=8"]
    refused(door(run.main, "data=folder", f"data.path={pictures}", *words, *side, *SMALL), says, tmp_path)


@pytest.mark.parametrize("name", kinds(ARRAYS))
def test_a_broken_npz_is_one_line(name: str, tmp_path: Path, door: Door, no_workers: None) -> None:
    spoil, more, says = ARRAYS[name]
    spoil(tmp_path / "a.npz")
    words = [more] if more else []
    refused(door(run.main, "data=npz", f"data.path={tmp_path / 'a.npz'}", *words, *SMALL), says, tmp_path)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("data=folder",), "data.path is missing: give it, data.path="),
        (("data=npz", "data.path=''"), "must be the path of a file"),
        (("data=digits12", "data.path=x"), "data.path=x is not valid: it is a key of data=folder and data=npz"),
        (("data=tfds", "data.name=folder", "data.side=8", "data.classes=3"), "data.path is missing"),
    ],
)
def test_keys_of_own_pictures_are_for_them_alone(
    words: tuple[str, ...], says: str, tmp_path: Path, door: Door, no_workers: None
) -> None:
    refused(door(run.main, *words, *SMALL), says, tmp_path)


# The card.


def test_the_tasks_door_shows_the_card(pictures: Path, tmp_path: Path, door: Door) -> None:
    (pictures / "notes.txt").write_text("")
    shown = door(tasks.main, "data=folder", f"data.path={pictures}", "data.side=8")
    assert (shown.code, shown.err) == (0, "")
    for part in (
        "own pictures: folder_",
        "15 read, 15 used: 12 to train and validate with, 3 to test with",
        "3 (pool + test): bars 4+1, discs 4+1, noise 4+1",
        "1 no picture by name: notes.txt",
        "draws 9 to train and 3 to validate with; all test with the same",
    ):
        assert part in shown.out
    assert not (tmp_path / "cache").exists()
    wrong = door(tasks.main, "data=folder", f"data.path={pictures}", "phase")
    assert (wrong.code, wrong.out) == (2, "")


def test_the_card_loses_nothing_at_80_columns(pictures: Path, compose_own: Any) -> None:
    (pictures / "bars\n[x]").mkdir()
    for file in list((pictures / "bars").iterdir()):
        image = Image.open(file).convert("RGB").point(lambda value: value // 2)
        image.save(pictures / "bars\n[x]" / f"{file.stem}-a-rather-long-name-for-a-picture.png")
    task = compose_own(pictures)
    console = Console(width=80, file=io.StringIO(), markup=False, highlight=False)
    dataset_card.show([task], console)
    printed = console.file.getvalue()
    assert max(map(len, printed.splitlines())) <= 80
    card = content.card(task.name)
    assert card is not None
    squeezed = "".join(printed.split())
    for _, how in card.rows:
        assert "".join(how.replace("\n", "\\n").split()) in squeezed
    assert "…" not in printed


@pytest.fixture
def compose_own(composed: Compose, tmp_path: Path) -> Any:
    from experiments.config.grid import grid

    def made(path: Path, *words: str) -> Any:
        kind = "npz" if path.suffix == ".npz" else "folder"
        words = (*words, f"cache={tmp_path / 'cache'}", *(["data.side=8"] if kind == "folder" else []))
        return grid([f"data={kind}", f"data.path={path}", "tracker=off", "scale=smoke", *words]).points[0].arm.task

    return made


# Training.


@pytest.mark.slow
def test_a_folder_and_an_npz_train_and_their_records_name_the_content(
    sixty_pictures: Path, tmp_path: Path, door: Door
) -> None:
    """Moved, the same pictures are found done; changed, they are another arm."""
    moved = Path(shutil.copytree(sixty_pictures, tmp_path / "elsewhere"))
    store = Store(tmp_path / "results" / "runs")

    def keys() -> set[str]:
        return {path.parent.name for path in store.root.glob("*/record.json")}

    def own(path: Path, *words: str) -> Ended:
        return door(run.main, "data=folder", f"data.path={path}", "data.side=12", *SMALL, *words)

    first = own(sixty_pictures)
    assert (first.code, first.err) == (0, "")
    assert "own pictures: folder_" in first.out
    (key,) = keys()
    record = store.read(key)
    assert record.test_images == 12
    assert str(tmp_path) not in (store.root / key / "record.json").read_text()
    assert record.config["task"]["name"] in first.out
    assert "trained 0 arms, found 1 done" in own(moved).out

    with np.load(next((tmp_path / "cache" / "data").glob("folder_*/stacked.npz"))) as kept:
        parts = {name: kept[name] for name in kept.files}
    file = tmp_path / "own.npz"
    names = {"images": "pool_images", "labels": "pool_labels"}
    tests = {"test_images": "test_images", "test_labels": "test_labels"}
    np.savez(file, **{name: parts[old] for name, old in (names | tests).items()})
    second = door(run.main, "data=npz", f"data.path={file}", *SMALL)
    assert (second.code, second.err) == (0, "")
    (other,) = keys() - {key}
    assert other.startswith("npz_")
    assert store.read(other).rates == record.rates, "the same arrays, hence the same numbers"

    (moved / "noise" / "0.png").unlink()
    third = own(moved)
    assert "trained 1 arms, found 0 done" in third.out
    assert len(keys()) == 3


@pytest.mark.slow
def test_a_sweep_runs_on_own_pictures(sixty_pictures: Path, tmp_path: Path, door: Door, untrained: list[str]) -> None:
    words = ("+sweep=pool_position", "data=folder", f"data.path={sixty_pictures}", "data.side=12", *SMALL)
    done = door(run.main, *words)
    assert (done.code, done.err) == (0, "")
    assert untrained
    assert all(key.startswith("folder_") for key in untrained)
    assert done.out.count("own pictures: ") == 1
    assert json.dumps(str(sixty_pictures)) not in "".join(
        path.read_text() for path in (tmp_path / "results").rglob("record.json")
    )
