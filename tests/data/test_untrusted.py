"""Datasets that somebody else has put there: they are read as data, and what contradicts itself is one line."""

import gzip
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnlab import data
from cnnlab.data import MissingDataError, Source, cache, connectivity, raw, tfds
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.task import Task

MakeTask = Callable[..., Task]
NAME = "fashion_mnist"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connectivity, "reachable", lambda urls: False)


@pytest.fixture(scope="module")
def prepared_once(tmp_path_factory: pytest.TempPathFactory, small_idx: Path, small_contents: dict[str, str]) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(raw.CONTENT, NAME, small_contents)
        tfds.stacked(NAME, Source(cache_dir=folder, raw_dir=small_idx))
    return folder


@pytest.fixture
def kept(prepared_once: Path, tmp_path: Path) -> Source:
    """A copy to tamper with, whose decoded file is there."""
    shutil.copytree(prepared_once, tmp_path / "copy")
    return Source(cache_dir=tmp_path / "copy")


@pytest.fixture
def records(kept: Source) -> Source:
    """The same without the decoded file: TFDS reads its own."""
    cache.path(NAME, kept.cache_dir).unlink()
    return kept


def refused(step: Callable[[Task, Source], object], task: Task, source: Source) -> str:
    with pytest.raises(InvalidError) as caught:
        step(task, source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What TFDS reads.


def features(source: Source) -> Path:
    return source.cache_dir / NAME / "3.0.1" / "features.json"


def plant(source: Source, key: str, folder: Path) -> Path:
    """Have the description name a type of a module that leaves a file when it is imported; returns that file."""
    proof = folder / "proof"
    (folder / "planted_feature.py").write_text(f"open({str(proof)!r}, 'w').close()\n")
    content = json.loads(features(source).read_text())
    content = {"type": "planted_feature.Feature", "content": {}} if key == "type" else content
    if key != "type":
        del content["pythonClassName"]
        content[key] = "planted_feature.Feature"
    features(source).write_text(json.dumps(content))
    return proof


@pytest.mark.parametrize("key", ["type", "pythonClassName", "python_class_name"])
def test_a_prepared_folder_runs_no_code(
    make_task: MakeTask, records: Source, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By doing. The twin: without the look beforehand TFDS imports the module."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(tfds.sys.modules, "planted_feature", raising=False)
    proof = plant(records, key, tmp_path)
    for step in (data.check, data.load):
        said = refused(step, make_task(NAME), records)
        assert "planted_feature.Feature, no feature type of TFDS itself" in said
    assert not proof.exists()
    monkeypatch.setattr(tfds, "_require_data_alone", lambda name, folder: None)
    refused(data.check, make_task(NAME), records)
    assert proof.exists()


def test_a_type_deep_inside_is_seen_and_one_that_only_looks_like_ours(make_task: MakeTask, records: Source) -> None:
    whole = json.loads(features(records).read_text())
    for kind in ("os.path", "tensorflow_datasets.scripts.cli.main.Main", "xtensorflow_datasets.core.features.A"):
        whole["featuresDict"]["features"]["image"]["pythonClassName"] = kind
        features(records).write_text(json.dumps(whole))
        assert f"names {kind}" in refused(data.check, make_task(NAME), records)


def as_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def nested(path: Path) -> None:
    path.write_text("[" * 100_000)


def nested_less(path: Path) -> None:
    path.write_text("[" * 900 + "]" * 900)


def huge(path: Path) -> None:
    os.truncate(path, tfds.MOST_BYTES + 1)


def binary(path: Path) -> None:
    path.write_bytes(b"\xff\x00" * 99)


SPOILED = [as_fifo, as_folder, as_link, nested, nested_less, huge, binary]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("spoil", SPOILED)
@pytest.mark.parametrize("file", ["features.json", "dataset_info.json"])
def test_a_spoiled_description_is_one_line(
    make_task: MakeTask, records: Source, spoil: Callable[[Path], None], file: str
) -> None:
    spoil(features(records).with_name(file))
    assert NAME in refused(data.check, make_task(NAME), records)


def info(source: Source) -> Path:
    return features(source).with_name("dataset_info.json")


def edited(change: Callable[[dict[str, Any]], object], file: Callable[[Source], Path]) -> Callable[[Source], None]:
    def spoil(source: Source) -> None:
        content = json.loads(file(source).read_text())
        change(content)
        file(source).write_text(json.dumps(content))

    return spoil


def each_split(change: Callable[[dict[str, Any]], object]) -> Callable[[Source], None]:
    return edited(lambda content: [change(split) for split in content["splits"]], info)


def image(change: Callable[[dict[str, Any]], object]) -> Callable[[Source], None]:
    return edited(lambda content: change(content["featuresDict"]["features"]["image"]), features)


def default_configuration(said: object) -> Callable[[Source], None]:
    """Named as TFDS does where a dataset has several."""

    def spoil(source: Source) -> None:
        path = source.cache_dir / NAME / ".config" / "metadata.json"
        path.parent.mkdir()
        path.write_text(json.dumps({"default_config_name": said}))

    return spoil


def beside(name: str, spoil: Callable[[Path], None]) -> Callable[[Source], None]:
    """Another file of the prepared folder, spoiled."""

    def plant(source: Source) -> None:
        path = features(source).with_name(name)
        path.touch()
        spoil(path)

    return plant


CONTRADICTING: dict[str, tuple[Callable[[Source], None], str]] = {
    "records elsewhere": (
        each_split(lambda split: split.update(filepathTemplate="../../../{DATASET}-{SPLIT}.{FILEFORMAT}")),
        "is missing",
    ),
    "records by no template": (each_split(lambda split: split.update(filepathTemplate="{NO_SUCH}")), "cannot be had"),
    "records of a text": (each_split(lambda split: split.update(shardLengths=["x"])), "half prepared"),
    "no records": (each_split(lambda split: split.update(shardLengths=[])), "cannot be had"),
    "records below zero": (each_split(lambda split: split.update(shardLengths=["-9"])), "cannot be had"),
    "records without end": (each_split(lambda split: split.update(shardLengths=["999999999999"])), "cannot be read"),
    "no such format": (edited(lambda content: content.update(fileFormat="nope"), info), "half prepared"),
    "another format": (edited(lambda content: content.update(fileFormat="tfrecord"), info), "as tfrecord"),
    "a split less": (edited(lambda content: content["splits"].pop(), info), "no official"),
    "no keys": (edited(lambda content: content.pop("supervisedKeys"), info), "must be a TFDS dataset"),
    "other keys": (
        edited(lambda content: content.update(supervisedKeys={"input": "image", "output": "nope"}), info),
        "must be a TFDS",
    ),
    "a huge side": (image(lambda one: one["image"]["shape"].update(dimensions=["99999", "99999", "1"])), "side"),
    "a side below zero": (image(lambda one: one["image"]["shape"].update(dimensions=["-1", "-1", "1"])), "of one size"),
    "an image alone": (
        edited(lambda content: content.update(content.pop("featuresDict")["features"]["image"]), features),
        NAME,
    ),
    "a pipe beside": (beside("label.labels.txt", as_fifo), "is no regular file"),
    "labels without end": (beside("label.labels.txt", huge), "more than"),
    "a link beside": (beside("label.labels.txt", as_link), "links are not followed"),
    "a configuration elsewhere": (default_configuration("../../../elsewhere"), "name of a folder"),
    "a configuration of a number": (default_configuration(3), "name of a folder"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "case",
    [pytest.param(name, marks=() if place % 5 == 0 else pytest.mark.slow) for place, name in enumerate(CONTRADICTING)],
)
def test_a_prepared_folder_that_contradicts_itself_is_one_line(make_task: MakeTask, records: Source, case: str) -> None:
    spoil, said = CONTRADICTING[case]
    spoil(records)
    assert said in refused(lambda task, at: (data.check(task, at), data.load(task, at)), make_task(NAME), records)


def test_a_class_named_beside_the_features_is_not_imported(
    make_task: MakeTask, records: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dataset_info.json` may hold features, too. The twin: without the look beforehand TFDS imports their module."""
    monkeypatch.syspath_prepend(str(tmp_path))
    proof = tmp_path / "proof"
    (tmp_path / "planted_beside.py").write_text(f"open({str(proof)!r}, 'w').close()\n")
    edited(lambda content: content.update(features={"pythonClassName": "planted_beside.Feature"}), info)(records)
    assert "planted_beside.Feature, no feature type of TFDS itself" in refused(data.check, make_task(NAME), records)
    assert not proof.exists()
    monkeypatch.setattr(tfds, "_require_data_alone", lambda name, folder: None)
    refused(data.check, make_task(NAME), records)
    assert proof.exists()


def test_a_configuration_elsewhere_runs_no_code(
    make_task: MakeTask, records: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder that is looked at is the one that is read. The twin: without the look TFDS goes elsewhere."""
    monkeypatch.syspath_prepend(str(tmp_path))
    elsewhere = tmp_path / "elsewhere"
    proof = plant(records, "type", tmp_path)
    monkeypatch.delitem(tfds.sys.modules, "planted_feature", raising=False)
    shutil.move(records.cache_dir / NAME / "3.0.1", elsewhere / "3.0.1")
    default_configuration("../../elsewhere")(records)
    assert "name of a folder" in refused(data.check, make_task(NAME), records)
    assert not proof.exists()
    monkeypatch.setattr(tfds, "_require_data_alone", lambda name, folder: None)
    refused(data.check, make_task(NAME), records)
    assert proof.exists()


def test_nothing_is_left_of_a_wrong_name(
    make_task: MakeTask, nowhere: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TFDS makes a folder for each dataset that it describes; the twin: it is left there without ours around it."""
    import tensorflow_datasets

    monkeypatch.setattr(tfds.tempfile, "tempdir", str(tmp_path))
    refused(data.check, make_task("tf_flowers"), nowhere)
    assert not list(tmp_path.iterdir())
    tensorflow_datasets.builder_cls("tf_flowers")(data_dir=str(nowhere.cache_dir))
    assert [path for path in tmp_path.iterdir() if path.name.endswith("tfds")]


# What was prepared elsewhere, and is not decoded yet: nothing is written, and nothing trains, before it was looked at.


def prepared(folder: Path, images: dict[str, np.ndarray], labels: dict[str, np.ndarray], feature: Any = None) -> Source:
    """A folder as TFDS makes it, of the dataset `mine`, whose records anyone may have made.

    Args:
        images: (n, height, width, channels) of the splits train and test. labels: (n,). feature: TFDS's, of an image.
    """
    import tensorflow_datasets

    features, core = tensorflow_datasets.features, tensorflow_datasets.core
    kind = feature or features.Image(shape=images["train"].shape[1:], dtype=images["train"].dtype.type)

    def png(image: np.ndarray) -> bytes:
        file = io.BytesIO()
        Image.fromarray(np.squeeze(image)).save(file, "PNG")
        return file.getvalue()

    class Mine(core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = core.Version("1.0.0")
        name = "mine"

        def _info(self) -> Any:
            both = features.FeaturesDict({"image": kind, "label": features.ClassLabel(num_classes=3)})
            return core.DatasetInfo(builder=self, features=both, supervised_keys=("image", "label"))

        def _split_generators(self, manager: Any) -> Any:
            return {split: self._generate_examples(split) for split in images}

        def _generate_examples(self, split: str) -> Any:
            for place, (image, label) in enumerate(zip(images[split], labels[split], strict=True)):
                yield place, {"image": image if feature else png(image), "label": int(label)}

    before = os.umask(0o022)
    try:
        with tfds._quiet():
            Mine(data_dir=str(folder), file_format="array_record").download_and_prepare()
    finally:
        os.umask(before)
    return Source(cache_dir=folder)


SIZES = {"train": 60, "test": 30}
Parts = dict[str, np.ndarray]


def random_images(shape: tuple[int, ...] = (8, 8, 1)) -> Parts:
    random = np.random.default_rng(0)
    return {split: random.integers(0, 256, (count, *shape), np.uint8) for split, count in SIZES.items()}


def in_turn() -> Parts:
    return {split: np.arange(count) % 3 for split, count in SIZES.items()}


def flat(images: Parts, *splits: str) -> Parts:
    return {split: np.full_like(array, 7) if split in splits else array for split, array in images.items()}


def not_numbers(images: Parts) -> Parts:
    return {
        split: np.where(np.arange(8)[:, None] == 3, np.nan, array / np.float32(255)) for split, array in images.items()
    }


PREPARED: dict[str, tuple[Parts, Parts, str]] = {
    "one colour": (flat(random_images(), *SIZES), in_turn(), "all pixels of all images are the same"),
    "one colour to test": (flat(random_images(), "test"), in_turn(), "pixels must"),
    "one class": (random_images(), {split: array * 0 for split, array in in_turn().items()}, "balanced"),
    "a class is nowhere to test": (random_images(), {**in_turn(), "test": np.arange(30) % 2}, "balanced"),
    "one class nearly everywhere": (random_images(), {**in_turn(), "train": np.arange(60) // 27}, "balanced"),
    "few": (
        {split: array[:6] for split, array in random_images().items()},
        {split: array[:6] for split, array in in_turn().items()},
        "mine has 6 images to draw from",
    ),
    "oblong": (random_images((8, 6, 1)), in_turn(), "must be a TFDS dataset of square 8-bit images"),
    "16 bits": (
        {split: array.astype(np.uint16) for split, array in random_images().items()},
        in_turn(),
        "must be a TFDS dataset of square 8-bit images",
    ),
    "not a number": (not_numbers(random_images()), in_turn(), "must be a TFDS dataset of square 8-bit images"),
}


@pytest.mark.parametrize("case", PREPARED)
def test_what_was_prepared_and_is_of_no_use_is_told_before_anything_is_written(
    make_task: MakeTask, case: str, tmp_path: Path
) -> None:
    import tensorflow_datasets

    images, labels, said = PREPARED[case]
    floats = tensorflow_datasets.features.Tensor(shape=(8, 8, 1), dtype=np.float32) if case == "not a number" else None
    source = prepared(tmp_path / "data", images, labels, floats)
    before = sorted(tmp_path.rglob("*"))
    assert said in refused(data.check, make_task("mine", side=8, classes=3), source)
    assert sorted(tmp_path.rglob("*")) == before


def test_twin_what_was_prepared_well_is_decoded_once_and_kept(
    make_task: MakeTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of the first cases, too: without a look at what is decoded, workers would find out."""
    source, task = prepared(tmp_path / "data", random_images(), in_turn()), make_task("mine", side=8, classes=3)
    data.check(task, source)
    assert not cache.path("mine", source.cache_dir).exists()
    monkeypatch.setattr(tfds, "_decoded", lambda builder: pytest.fail("decoded again"))
    data.keep(task, source)
    assert len(data.load(task, source).pool) == SIZES["train"]


# What is kept.

Arrays = dict[str, Any]


def saved(file: Path, arrays: Arrays, how: Callable[..., None] = np.savez) -> None:
    with file.open("wb") as handle:
        how(handle, **arrays)


def changed(**values: Callable[[Any], Any]) -> Callable[[Path], None]:
    def spoil(file: Path) -> None:
        with np.load(file) as old:
            arrays = dict(old)
        for name, change in values.items():
            arrays[name] = change(arrays[name])
        saved(file, arrays)

    return spoil


def without(name: str) -> Callable[[Path], None]:
    def spoil(file: Path) -> None:
        with np.load(file) as old:
            arrays = dict(old)
        del arrays[name]
        saved(file, arrays)

    return spoil


def compressed(file: Path) -> None:
    with np.load(file) as old:
        arrays = dict(old)
    saved(file, arrays, np.savez_compressed)


def claiming(shape: str) -> Callable[[Path], None]:
    """The pool's images said to have another shape than there are bytes for."""

    def spoil(file: Path) -> None:
        with zipfile.ZipFile(file) as old:
            members = {name: old.read(name) for name in old.namelist()}
        text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
        members["pool_images.npy"] = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + b"few"
        with zipfile.ZipFile(file, "w") as new:
            for name, content in members.items():
                new.writestr(name, content)

    return spoil


def twice(file: Path) -> None:
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("classes.npy", b"")


WRONG: dict[str, Callable[[Path], None]] = {
    "three dimensions": changed(pool_images=lambda images: images[..., 0]),
    "no images": changed(test_images=lambda images: images[:0], test_labels=lambda labels: labels[:0]),
    "oblong": changed(pool_images=lambda images: images[:, :, :14], test_images=lambda images: images[:, :, :14]),
    "other sides": changed(test_images=lambda images: images[:, :14, :14]),
    "floats": changed(pool_images=lambda images: images.astype(np.float32)),
    "not a number": changed(pool_images=lambda images: np.full(images.shape, np.nan, np.float32)),
    "text": changed(pool_labels=lambda labels: labels.astype(str)),
    "objects": changed(pool_labels=lambda labels: labels.astype(object)),
    "float labels": changed(test_labels=lambda labels: labels.astype(float)),
    "few labels": changed(test_labels=lambda labels: labels[1:]),
    "a label too many": changed(pool_labels=lambda labels: labels + 1),
    "a label below zero": changed(test_labels=lambda labels: labels - 1),
    "no classes": changed(classes=lambda classes: np.int32(0)),
    "classes of an array": changed(classes=lambda classes: np.full(3, classes)),
    "an array less": without("test_labels"),
    "compressed": compressed,
    "a name twice": twice,
    "huge": claiming("(1000000000000, 28, 28, 1)"),
    "overflowing": claiming("(4294967296, 4294967296, 28, 1)"),
    "negative": claiming("(-1, 28, 28, 1)"),
    "code for a shape": claiming("__import__('os').system('true')"),
    "a header without end": claiming("(" * 60_000),
    "a fifo": as_fifo,
    "a folder": as_folder,
    "a link": as_link,
    "binary": binary,
    "a text": lambda file: file.write_text("hello") and None,
    "another user's": lambda file: os.chown(file, 12345, 12345),
    "writable by others": lambda file: file.chmod(0o666),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("case", WRONG)
def test_a_kept_file_that_contradicts_itself_is_one_line(make_task: MakeTask, kept: Source, case: str) -> None:
    if case.startswith("another user") and os.geteuid():
        pytest.skip("only root gives files away")
    file = cache.path(NAME, kept.cache_dir)
    WRONG[case](file)
    for step in (data.check, data.load):
        said = refused(step, make_task(NAME), kept)
        assert str(file) in said
        assert "pickle" not in said


UNUSABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a class is nowhere to test": (changed(test_labels=lambda labels: labels % 9), "balanced"),
    "a class is nowhere to train": (changed(pool_labels=lambda labels: labels % 9), "balanced"),
    "few test images": (
        changed(test_images=lambda images: images[:5], test_labels=lambda labels: labels[:5]),
        "balanced",
    ),
    "one class nearly everywhere": (
        changed(pool_labels=lambda labels: np.where(np.arange(len(labels)) < 40, 0, labels)),
        "balanced",
    ),
    "one colour": (changed(pool_images=np.zeros_like, test_images=np.zeros_like), "pixels must"),
    "one colour to train": (changed(pool_images=np.zeros_like), "pixels must"),
    "one colour to test": (changed(test_images=np.zeros_like), "pixels must"),
}
"""What a file holds that is whole, and that nothing can be trained on."""


@pytest.mark.parametrize("name", [NAME, "fashion14"])
@pytest.mark.parametrize("case", UNUSABLE)
def test_a_kept_file_of_no_use_is_told_before_anything_trains(
    make_task: MakeTask, kept: Source, case: str, name: str
) -> None:
    spoil, said = UNUSABLE[case]
    data.check(make_task(name), kept)  # the twin
    spoil(cache.path(NAME, kept.cache_dir))
    for step in (data.check, data.load):
        assert said in refused(step, make_task(name), kept)


def test_an_odd_side_has_no_blocks(make_task: MakeTask, kept: Source) -> None:
    wider = {"pool_images": lambda images: np.pad(images, ((0, 0), (0, 1), (0, 1), (0, 0)))}
    wider["test_images"] = wider["pool_images"]
    changed(**wider)(cache.path(NAME, kept.cache_dir))
    assert "multiple of 2" in refused(data.check, make_task("fashion14"), kept)


def test_a_kept_file_larger_than_memory_is_not_read(
    make_task: MakeTask, kept: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = cache.path(NAME, kept.cache_dir).stat().st_size
    for total, fits in ((size, False), (8 * size, True)):
        monkeypatch.setattr(cache.psutil, "virtual_memory", lambda total=total: SimpleNamespace(total=total))
        if fits:
            data.check(make_task(NAME), kept)
        else:
            assert "this machine's memory" in refused(data.check, make_task(NAME), kept)


def test_a_kept_file_written_anew_is_right(make_task: MakeTask, kept: Source) -> None:
    """The twin of every case above: what is done to the file there does no harm by itself."""
    changed(pool_labels=lambda labels: labels)(cache.path(NAME, kept.cache_dir))
    assert len(data.load(make_task(NAME), kept).pool) == 60


class Planted:
    """Leaves a file where it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return os.mkdir, (str(self.proof),)


def test_a_kept_file_runs_no_code(make_task: MakeTask, kept: Source, tmp_path: Path) -> None:
    """By doing. The twin: NumPy runs it where it is allowed to."""
    file, proof = cache.path(NAME, kept.cache_dir), tmp_path / "proof"
    changed(pool_labels=lambda labels: np.array([Planted(proof)] * len(labels)))(file)
    refused(data.check, make_task(NAME), kept)
    assert not proof.exists()
    with np.load(file, allow_pickle=True) as arrays:
        assert len(arrays["pool_labels"]) == 60
    assert proof.exists()


def test_what_is_kept_nobody_else_may_write(kept: Source, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        found = cache.read(NAME, kept.cache_dir)
        assert found is not None
        cache.write(found, NAME, tmp_path / "open")
    finally:
        os.umask(before)
    assert cache.path(NAME, tmp_path / "open").stat().st_mode & 0o777 == 0o644


def test_what_killed_processes_leave_goes_and_what_is_being_written_stays(
    kept: Source, small_idx: Path, small_known: None, tmp_path: Path
) -> None:
    """The next to prepare or to keep a dataset clears it away."""
    folder = tmp_path / "new"
    old, young = ([folder / f"{tfds.DRAFTS}x-{age}", folder / NAME / f".stacked.npz-{age}"] for age in ("old", "young"))
    for draft in (*old, *young):
        draft.mkdir(parents=True)
    for draft in old:
        os.utime(draft, (1, 1))
    tfds.stacked(NAME, Source(cache_dir=folder, raw_dir=small_idx))
    assert not any(draft.exists() for draft in old)
    assert all(draft.exists() for draft in young)


# What was published.


def test_a_gzip_bomb_is_not_unpacked_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(b"\0\0\x08\x01" + (996).to_bytes(4, "big") + bytes(996)))
    assert raw.read_idx(bomb).shape == (996,), "the twin"
    monkeypatch.setattr(raw, "MOST_BYTES", 1000)
    with pytest.raises(InvalidError, match="unpacks to more than 1000 bytes"):
        raw.read_idx(bomb)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0",
        b"\0\0\x08",
        b"\0\0\x08\x00",
        b"\0\0\x08\x03abc",
        b"\0\0\x0d\x01\0\0\0\x01a",
        b"\0\0\x08\x01" + b"\xff" * 9,
    ],
)
def test_what_is_no_idx_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(content))
    with pytest.raises(InvalidError, match="no IDX file"):
        raw.read_idx(tmp_path / "x.gz")


def test_a_missing_kept_file_is_none(tmp_path: Path) -> None:
    assert cache.read(NAME, tmp_path) is None
    cache.path(NAME, tmp_path).mkdir(parents=True)
    with pytest.raises(MissingDataError):
        cache.read(NAME, tmp_path)


# Whose they are.


@pytest.mark.parametrize("which", ["", "3.0.1", "3.0.1/features.json"])
def test_a_prepared_folder_that_others_may_write_to_is_not_read(
    make_task: MakeTask, records: Source, which: str
) -> None:
    path = records.cache_dir / NAME / which
    data.check(make_task(NAME), records)  # the twin: as it was made, it is
    path.chmod(path.stat().st_mode | 0o022)
    assert "may be written by others" in refused(data.check, make_task(NAME), records)


@pytest.mark.skipif(os.geteuid() != 0, reason="only an administrator may give a file away")
def test_a_prepared_folder_of_another_user_is_not_read(
    make_task: MakeTask, records: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = next((records.cache_dir / NAME / "3.0.1").glob("*array_record*"))
    os.chown(record, 12345, 12345)
    assert "belongs to another user" in refused(data.check, make_task(NAME), records)


def test_what_is_prepared_is_the_owners_whatever_the_umask(
    tmp_path: Path, small_idx: Path, small_contents: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(raw.CONTENT, NAME, small_contents)
    before = os.umask(0)
    try:
        tfds.stacked(NAME, Source(cache_dir=tmp_path / "data", raw_dir=small_idx))
    finally:
        os.umask(before)
    made = [path for path in (tmp_path / "data" / NAME).rglob("*") if "downloads" not in path.parts]
    assert made
    assert [path for path in (tmp_path / "data" / NAME, *made) if path.stat().st_mode & 0o022] == []


def test_temporary_files_of_tfds_are_found_again_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfds.tempfile, "tempdir", str(tmp_path))
    old, young = tmp_path / f"{tfds.SCRATCH}old", tmp_path / f"{tfds.SCRATCH}young"
    for folder in (old, young):
        (folder / "x").mkdir(parents=True)
    os.utime(old, (0, 0))
    with tfds._scratch():
        assert Path(tfds.tempfile.mkdtemp("tfds")).parent.parent == tmp_path
    assert list(tmp_path.iterdir()) == [young], "what may still be in use stays"
