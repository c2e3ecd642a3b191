"""TFDS datasets without TensorFlow: the three ways in, and everything that can be wrong with them."""

import functools
import gzip
import hashlib
import http.server
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cnnlab import data
from cnnlab.data import Dataset, MissingDataError, Source, cache, connectivity, digits, raw, tfds
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.task import Task

MakeTask = Callable[..., Task]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connectivity, "reachable", lambda urls: False)


@pytest.fixture(scope="module")
def prepared_once(tmp_path_factory: pytest.TempPathFactory, small_idx: Path, small_contents: dict[str, str]) -> Path:
    """Make a cache folder with the small Fashion-MNIST prepared and kept."""
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(raw.CONTENT, "fashion_mnist", small_contents)
        tfds.stacked("fashion_mnist", Source(cache_dir=folder, raw_dir=small_idx))
    return folder


@pytest.fixture
def prepared(prepared_once: Path, tmp_path: Path) -> Source:
    """Copy it, to tamper with; no raw files beside it."""
    shutil.copytree(prepared_once, tmp_path / "copy")
    return Source(cache_dir=tmp_path / "copy")


def pairs(images: np.ndarray, labels: np.ndarray) -> list[tuple[bytes, int]]:
    return sorted((image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True))


def digest(dataset: Dataset) -> str:
    parts = (dataset.pool.images, dataset.pool.labels, dataset.test.images, dataset.test.labels)
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def assert_one_line(step: Callable[[Task, Source], object], task: Task, source: Source, *parts: str) -> None:
    with pytest.raises(InvalidError) as caught:
        step(task, source)
    line = str(caught.value)
    assert "\n" not in line
    for part in parts:
        assert part in line, line


def test_raw_files_become_exactly_the_arrays(prepared: Source, small_idx: Path) -> None:
    arrays = tfds.stacked("fashion_mnist", prepared)
    for split, images, labels in (
        ("train", arrays.pool_images, arrays.pool_labels),
        ("test", arrays.test_images, arrays.test_labels),
    ):
        published = [raw.read_idx(small_idx / name) for name in raw.IDX[split]]
        assert pairs(images[..., 0], labels) == pairs(*published)
    assert int(arrays.classes) == 10


def test_fashion14_is_the_mean_of_two_by_two_blocks(make_task: MakeTask, prepared: Source) -> None:
    whole = tfds.stacked("fashion_mnist", prepared)
    small = data.load(make_task("fashion14"), prepared)
    means = whole.pool_images.reshape(60, 14, 2, 14, 2, 1).astype(float).mean(axis=(2, 4))
    assert small.pool.images == pytest.approx((means - means.mean()) / means.std(), abs=1e-5)
    assert np.array_equal(small.pool.labels, data.load(make_task("fashion_mnist"), prepared).pool.labels)


def test_every_way_in_gives_the_same_bytes(
    make_task: MakeTask, prepared: Source, small_idx: Path, small_known: None, tmp_path: Path
) -> None:
    task = make_task("fashion_mnist")
    from_kept = digest(data.load(task, prepared))
    cache.path("fashion_mnist", prepared.cache_dir).unlink()
    data.check(task, prepared)
    from_records = digest(data.load(task, prepared))
    (tmp_path / "raw" / "fashion_mnist").parent.mkdir()
    shutil.copytree(small_idx, tmp_path / "raw" / "fashion_mnist")
    from_raw = digest(data.load(task, Source(cache_dir=tmp_path / "new", raw_dir=tmp_path / "raw")))
    assert from_kept == from_records == from_raw


def test_over_the_network(
    make_task: MakeTask, small_idx: Path, prepared: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(small_idx)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    files = tuple(
        raw.RawFile(name=path.name, url=f"http://127.0.0.1:{server.server_port}/{path.name}", sha256="")
        for path in sorted(small_idx.iterdir())
    )
    monkeypatch.setattr(raw, "published", lambda stock: files)
    monkeypatch.setattr(connectivity, "reachable", lambda urls: True)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    task, source = make_task("fashion_mnist"), Source(cache_dir=tmp_path / "new")
    data.check(task, source)
    assert not source.cache_dir.exists(), "a check prepares nothing"
    assert digest(data.load(task, source)) == digest(data.load(task, prepared))
    gone = tuple(raw.RawFile(name=file.name, url=f"{file.url}.gone", sha256="") for file in files)
    monkeypatch.setattr(raw, "published", lambda stock: gone)
    assert_one_line(data.load, task, Source(cache_dir=tmp_path / "other"), "could not be prepared", "404")
    assert not list((tmp_path / "other").glob(".preparing*"))
    server.shutdown()
    server.server_close()


def tampered(folder: Path, name: str, change: Callable[[bytes], bytes], to: Path) -> Path:
    shutil.copytree(folder, to)
    (to / name).write_bytes(change((to / name).read_bytes()))
    return to


def flipped(file: bytes) -> bytes:
    content = bytearray(gzip.decompress(file))
    content[-1] ^= 1
    return gzip.compress(bytes(content))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (flipped, "SHA-256 of its decompressed content is"),
        (lambda file: file[: len(file) // 2], "no whole gzip file"),
        (lambda file: b"<html>not found</html>", "no whole gzip file"),
    ],
)
def test_a_wrong_raw_file_is_named(
    make_task: MakeTask, small_idx: Path, small_known: None, tmp_path: Path, change: Callable[[bytes], bytes], says: str
) -> None:
    name = "train-images-idx3-ubyte.gz"
    source = Source(cache_dir=tmp_path / "cache", raw_dir=tampered(small_idx, name, change, tmp_path / "raw"))
    for step in (data.check, data.load):
        assert_one_line(step, make_task("fashion14"), source, name, says)
    assert not source.cache_dir.exists()


def test_other_gzip_headers_do_not_matter(
    make_task: MakeTask, small_idx: Path, small_known: None, tmp_path: Path
) -> None:
    again = tampered(
        small_idx, "t10k-images-idx3-ubyte.gz", lambda file: gzip.compress(gzip.decompress(file), 1), tmp_path / "raw"
    )
    data.check(make_task("mnist"), Source(cache_dir=tmp_path / "cache", raw_dir=again))


def test_a_missing_raw_file_is_named_and_all_that_are_needed(
    make_task: MakeTask, small_idx: Path, tmp_path: Path
) -> None:
    shutil.copytree(small_idx, tmp_path / "raw")
    (tmp_path / "raw" / "t10k-labels-idx1-ubyte.gz").unlink()
    source = Source(cache_dir=tmp_path / "cache", raw_dir=tmp_path / "raw")
    assert_one_line(data.check, make_task("mnist"), source, "t10k-labels-idx1-ubyte.gz is missing", "train-images-idx3")
    assert_one_line(data.check, make_task("cifar10"), source, "cifar-10-binary.tar.gz is missing")


def test_the_published_checksums_hold_without_a_table(make_task: MakeTask, small_idx: Path, tmp_path: Path) -> None:
    """Nobody pretends here: the small files are not MNIST, and KMNIST's content is known by its own files alone."""
    source = Source(cache_dir=tmp_path / "cache", raw_dir=small_idx)
    assert_one_line(data.check, make_task("mnist"), source, "0fa7898d509279e4")
    assert_one_line(data.check, make_task("kmnist"), source, "its SHA-256 is", "edd7a857845ad6bb")


def test_cifar_from_its_archive(make_task: MakeTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    batches = {f"data_batch_{i}.bin": 10 for i in range(1, 6)} | {"test_batch.bin": 20}
    records = {
        name: np.c_[random.permutation(np.arange(n) % 10), random.integers(0, 256, (n, 3072))].astype(np.uint8)
        for name, n in batches.items()
    }
    contents = {name: array.tobytes() for name, array in records.items()}
    contents["batches.meta.txt"] = b"\n".join(b"name%d" % i for i in range(10)) + b"\n\n"
    archive = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in contents.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    task, source = make_task("cifar10"), Source(cache_dir=tmp_path / "cache", raw_dir=tmp_path)
    assert_one_line(data.check, task, source, "cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a")
    known = raw.RawFile(name=archive.name, url="", sha256=hashlib.sha256(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(raw, "published", lambda stock: (known,))
    arrays = tfds.stacked("cifar10", source)
    train = np.concatenate([records[f"data_batch_{i}.bin"] for i in range(1, 6)])
    pixels = train[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    assert pairs(arrays.pool_images, arrays.pool_labels) == pairs(np.ascontiguousarray(pixels), train[:, 0])
    dataset = data.load(task, source)
    assert dataset.pool.images.mean(axis=(0, 1, 2)) == pytest.approx(0, abs=1e-4), "each channel by itself"
    assert dataset.pool.images.std(axis=(0, 1, 2)) == pytest.approx(1, abs=1e-4)


@functools.cache  # TFDS registers the class when it is defined, and refuses to do so twice
def tfds_builder() -> Any:
    """Define the plain digits as a TFDS builder class, registered as `opt_digits`; its `train` is our pool.

    Prepared as array_record, never as parquet: TFDS 4.9.10 drops rows there without a word.
    """
    import tensorflow_datasets as tfds

    class OptDigits(tfds.core.GeneratorBasedBuilder):
        """The 1797 digits of 8x8 pixels, a stratified third of them as test set."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            features = {
                # Not Image: encoding an array as PNG needs TensorFlow.
                "image": tfds.features.Tensor(shape=(digits.SIDE, digits.SIDE, 1), dtype=np.uint8),
                "label": tfds.features.ClassLabel(num_classes=digits.CLASSES),
            }
            return tfds.core.DatasetInfo(
                builder=self,
                description=self.__doc__,
                features=tfds.features.FeaturesDict(features),
                supervised_keys=("image", "label"),
            )

        def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
            test = digits.frozen().test
            return {"train": self._generate_examples(~test), "test": self._generate_examples(test)}

        def _generate_examples(self, chosen: NDArray[np.bool_]) -> Iterator[tuple[int, dict[str, Any]]]:
            every = digits.frozen()
            for index in np.flatnonzero(chosen):
                yield int(index), {"image": every.images[index][..., None], "label": int(every.labels[index])}

    return OptDigits


def test_the_packaged_digits_through_tfds(make_task: MakeTask, nowhere: Source) -> None:
    """A builder of one's own: prepared once, then found in the cache folder by its name alone."""
    builder = tfds_builder()(data_dir=str(nowhere.cache_dir), file_format="array_record")
    with tfds._quiet():
        builder.download_and_prepare()
    through, direct = data.load(make_task("opt_digits"), nowhere), data.load(make_task("digits8"), nowhere)
    for one, other in ((through.pool, direct.pool), (through.test, direct.test)):
        assert pairs(one.images, one.labels) == pairs(other.images, other.labels)


def assert_half_prepared_is_refused(task: Task, source: Source, damage: Callable[[Path], object]) -> None:
    version = source.cache_dir / "fashion_mnist" / "3.0.1"
    cache.path("fashion_mnist", source.cache_dir).unlink()
    damage(version)
    assert_one_line(data.load, task, source, "data=fashion_mnist", "delete", str(source.cache_dir), "run again")


@pytest.mark.parametrize(
    "damage",
    [
        lambda version: (version / "dataset_info.json").unlink(),
        lambda version: (version / "features.json").unlink(),
        lambda version: (version / "dataset_info.json").write_text('{"name": "fash'),
        lambda version: next(version.glob("*train*")).unlink(),
        lambda version: next(version.glob("*train*")).write_bytes(b""),
        lambda version: os.truncate(next(version.glob("*test*")), 5000),
    ],
    ids=["no info", "no features", "cut info", "no shard", "empty shard", "cut shard"],
)
def test_a_half_prepared_folder_is_not_used(
    make_task: MakeTask, prepared: Source, damage: Callable[[Path], object]
) -> None:
    assert_half_prepared_is_refused(make_task("fashion_mnist"), prepared, damage)


def test_the_half_prepared_check_sees_a_whole_folder(make_task: MakeTask, prepared: Source) -> None:
    with pytest.raises(pytest.fail.Exception):
        assert_half_prepared_is_refused(make_task("fashion_mnist"), prepared, lambda version: None)


def test_what_a_killed_process_leaves_is_not_used(
    make_task: MakeTask, prepared: Source, small_idx: Path, small_known: None
) -> None:
    folder = prepared.cache_dir / "fashion_mnist"
    cache.path("fashion_mnist", prepared.cache_dir).replace(folder / ".0123.npz")
    (folder / "3.0.1").rename(folder / "incomplete.ABCDEF_3.0.1")
    assert_one_line(data.check, make_task("fashion_mnist"), prepared, "is not prepared")
    data.load(make_task("fashion_mnist"), Source(cache_dir=prepared.cache_dir, raw_dir=small_idx))


def test_another_format_is_refused(make_task: MakeTask, prepared: Source) -> None:
    """Parquet loses rows in TFDS 4.9.10, tfrecord needs TensorFlow: neither is ever read."""
    cache.path("fashion_mnist", prepared.cache_dir).unlink()
    info = prepared.cache_dir / "fashion_mnist" / "3.0.1" / "dataset_info.json"
    for kind in ("parquet", "tfrecord"):
        info.write_text(json.dumps(json.loads(info.read_text()) | {"fileFormat": kind}))
        for step in (data.check, data.load):
            assert_one_line(step, make_task("fashion_mnist"), prepared, kind, "array_record is needed")


def test_records_are_array_records(prepared: Source) -> None:
    version = prepared.cache_dir / "fashion_mnist" / "3.0.1"
    assert json.loads((version / "dataset_info.json").read_text())["fileFormat"] == "array_record"
    assert not list(prepared.cache_dir.glob("**/*.parquet"))


def test_a_damaged_kept_file_is_named(make_task: MakeTask, prepared: Source) -> None:
    file = cache.path("fashion_mnist", prepared.cache_dir)
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    for content in (bytes(whole), bytes(whole[:1000]), b""):
        file.write_bytes(content)
        for step in (data.check, data.load):
            assert_one_line(step, make_task("fashion_mnist"), prepared, str(file), "damaged")


def test_a_kept_file_is_written_whole_or_not_at_all(
    prepared: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = tfds.stacked("fashion_mnist", prepared)

    def killed(file: io.BufferedWriter, **rest: object) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", killed)
        with pytest.raises(KeyboardInterrupt):
            cache.write(arrays, "x", tmp_path)
    assert not list((tmp_path / "x").iterdir())
    cache.write(arrays, "x", tmp_path)
    again = cache.read("x", tmp_path)
    assert again is not None
    assert np.array_equal(again.pool_images, arrays.pool_images)


WORKER = """
import json, sys, warnings
from pathlib import Path
warnings.simplefilter("error")
from cnnlab.data import Source, raw, tfds
contents, small, cache = json.loads(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
raw.CONTENT["fashion_mnist"] = contents
arrays = tfds.stacked("fashion_mnist", Source(cache_dir=cache, raw_dir=small))
assert not any(name.split(".")[0] == "tensorflow" for name in sys.modules), "TensorFlow was imported"
print(int(arrays.pool_images.sum(dtype="int64")), arrays.pool_labels.tolist()[:5])
"""


def test_two_processes_at_once_and_no_tensorflow(
    small_idx: Path, small_contents: dict[str, str], prepared: Source, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", WORKER, json.dumps(small_contents), str(small_idx), str(tmp_path / "cache")]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [worker.communicate(timeout=120) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    arrays = tfds.stacked("fashion_mnist", prepared)
    expected = f"{int(arrays.pool_images.sum(dtype='int64'))} {arrays.pool_labels.tolist()[:5]}\n"
    assert [stdout for stdout, _ in outputs] == [expected, expected], "stdout belongs to the caller"
    left = {path.name for path in (tmp_path / "cache").iterdir()}
    assert left == {"fashion_mnist", "downloads"}


def test_packaged_tasks_import_neither_tfds_nor_tensorflow() -> None:
    code = "import sys, cnnlab.data.tasks.digits12; print([m for m in sys.modules if m.startswith('tensorflow')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("fashion_mnsit", "did you mean fashion_mnist"),
        ("digits21", "digits12"),
        ("zzzz", "digits12, digits8"),
        ("tf_flowers", "square 8-bit images"),
        ("imdb_reviews", "square 8-bit images"),
        ("svhn_cropped", "only TensorFlow can prepare it"),
        ("abstract_reasoning", "cannot even describe"),
    ],
)
def test_other_names_are_one_line(
    make_task: MakeTask, nowhere: Source, name: str, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert_one_line(data.check, make_task(name), nowhere, name, says)
    assert capfd.readouterr() == ("", "")


def test_a_name_that_is_a_path_is_no_task(make_task: MakeTask) -> None:
    with pytest.raises(InvalidError, match=r"data\.name=mnist/x is not valid: must be the name of a task"):
        make_task("mnist/x")


@pytest.mark.parametrize("changes", [{"side": 14}, {"classes": 11}, {"channels": 3}, {"train_images": 60_001}])
def test_a_task_that_does_not_fit_is_refused_before_anything_is_prepared(
    make_task: MakeTask, nowhere: Source, changes: dict[str, int]
) -> None:
    assert_one_line(data.check, make_task("fashion_mnist", **changes), nowhere)
    with pytest.raises(InvalidError, match=f"data.{next(iter(changes))}"):
        tfds._fit(make_task("fashion_mnist", **changes), tfds.Facts(side=28, channels=1, classes=10, pool=60_000))


def test_more_images_than_there_are_is_refused(make_task: MakeTask, prepared: Source) -> None:
    for step in (data.check, data.load):
        assert_one_line(step, make_task("fashion_mnist", train_images=51), prepared, "60 images to draw from")


def test_a_cache_folder_that_cannot_be_is_refused(
    make_task: MakeTask, small_idx: Path, small_known: None, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    source = Source(cache_dir=tmp_path / "file" / "cache", raw_dir=small_idx)
    assert_one_line(data.check, make_task("mnist"), source, "cache=")


def test_the_line_survives_the_way_from_a_worker() -> None:
    error = pickle.loads(pickle.dumps(MissingDataError("mnist", "is not prepared")))
    assert str(error) == "data=mnist is not prepared"
    assert isinstance(error, MissingDataError)


@pytest.fixture(scope="module")
def debian() -> Path:
    """Fashion-MNIST's real files, where this machine has them."""
    folder = os.environ.get("CNNLAB_FASHION_DIR")
    if folder is None and shutil.which("dpkg"):
        listing = subprocess.run(["dpkg", "-L", "dataset-fashion-mnist"], capture_output=True, text=True).stdout
        folder = next((str(Path(line).parent) for line in listing.splitlines() if line.endswith("ubyte.gz")), None)
    if folder is None or not (Path(folder) / raw.IDX["train"][0]).is_file():
        pytest.skip("no Fashion-MNIST here: apt install dataset-fashion-mnist, or set CNNLAB_FASHION_DIR")
    return Path(folder)


def test_debians_fashion_mnist_is_the_published_one(make_task: MakeTask, debian: Path, tmp_path: Path) -> None:
    data.check(make_task("fashion14"), Source(cache_dir=tmp_path, raw_dir=debian))
    images, labels = (raw.read_idx(debian / name) for name in raw.IDX["train"])
    assert images.shape == (60_000, 28, 28)
    assert labels[:5].tolist() == [9, 0, 0, 3, 0], "an ankle boot comes first"
    assert np.bincount(labels).tolist() == [6000] * 10
    mean, deviation = data.arrays.moments(images[..., None])
    assert (mean[0] / 255, deviation[0] / 255) == pytest.approx((0.2860, 0.3530), abs=1e-4)
