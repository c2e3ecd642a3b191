"""Datasets of TensorFlow Datasets (TFDS), read without TensorFlow; any task without a module of its own.

Three ways in: prepared in `cache_dir` as array_record (parquet drops rows in TFDS 4.9.10, tfrecord needs TensorFlow
to be read); from the files as published in `raw_dir`; over the network. Records are decoded once and kept, see
`cnnlab.data.cache`. Whatever the way, the order is that of the records.
"""

import contextlib
import difflib
import importlib.util
import io
import json
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.data import cache, connectivity, raw, registry
from cnnlab.data.arrays import Dataset, MissingDataError, Source, from_pixels, require_fit, require_usable, verified
from cnnlab.data.cache import Stacked
from cnnlab.files import FileError, clear_left, keep_to_owner, open_regular, read_regular, require_own
from cnnlab.spec.invalid import InvalidError, require
from cnnlab.spec.task import Task

PARTS = {"pool": "train", "test": "test"}
"""Our words for the official splits."""

IMBALANCE = 4.0
"""A guess counts as 1 / classes: classes must not be further apart than this (svhn_cropped: 3.2, mnist: 1.3)."""

BATCH = 1000
"""Records decoded at once."""

UNKNOWN = sys.maxsize

RETRIES = 5
"""Attempts at a download: pauses of 6 seconds in all. TFDS's own 10 take 205 seconds to give up."""

DRAFTS, LONGEST = ".preparing-", 2 * 24 * 3600.0
"""How folders begin in which a dataset is prepared, and seconds after which whoever prepared it is gone."""
SCRATCH = "cnnlab-tfds-"
"""How the folder begins that holds TFDS's temporary files."""
CONFIG = ".config"
"""Folder in which a dataset of several configurations says which is the default: the name of a folder beside it."""
MOST_BYTES = 1 << 24
"""Of whatever a prepared dataset tells of itself: some hundred times the largest."""
RECORDS, MOST_RECORDS = "array_record", 1 << 36
"""In the names of its records, and their most bytes."""
PLAIN = re.compile(r"\w[\w.+-]*")
"""Name of a folder."""
OWN_FEATURES = re.compile(r"tensorflow_datasets\.(core\.)?features(\.\w+)+")
"""Feature types of TFDS itself. It imports the module of whatever type a description names, so that any other name
would have a dataset run code."""
CLASSES = ("pythonClassName", "python_class_name")
NAMES_OF_TYPES = {"features.json": ("type", *CLASSES), "dataset_info.json": CLASSES}
"""Files by which a prepared dataset tells what it is, and the keys under which TFDS looks for a feature's type."""

NEEDED = "must be a TFDS dataset of square 8-bit images of one size with one class label"

_unkept: dict[tuple[str, Path], Stacked] = {}
"""What `look` has decoded of a prepared dataset, by its name and folder: nothing is written until `stacked` does."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What can be said of a dataset before it is loaded; `pool` is `UNKNOWN` where only preparing it would tell."""

    side: int
    channels: int
    classes: int
    pool: int


def check(task: Task, source: Source) -> None:
    """Raise `MissingDataError` or `InvalidError` unless the task's dataset can be loaded and fits; prepares nothing."""
    _fit(task, facts(task.name, source))
    arrays = look(task.name, source)
    if arrays is not None:
        require_usable(arrays.pool, arrays.test, task, imbalance=IMBALANCE)


def keep(task: Task, source: Source) -> None:
    """Prepare, decode and keep the dataset unless that was done. Raises as `check`."""
    if not cache.path(task.name, source.cache_dir).exists():
        arrays = stacked(task.name, source)
        _fit(task, _facts_of(arrays))
        require_usable(arrays.pool, arrays.test, task, imbalance=IMBALANCE)


def load(task: Task, source: Source) -> Dataset:
    """Return the official test split, and the official training split as pool."""
    arrays = stacked(task.name, source)
    _fit(task, _facts_of(arrays))
    return verified(from_pixels(arrays.pool, arrays.test), task, imbalance=IMBALANCE)


def facts(name: str, source: Source) -> Facts:
    """Say what is known of the dataset, having made sure that it can be had; see `check` for what is raised."""
    arrays = cache.read(name, source.cache_dir)
    if arrays is not None:
        return _facts_of(arrays)
    builder = _prepared(name, source)
    if builder is not None:
        _require_writable(source.cache_dir / name)
        return _facts_in(builder.info, builder.info.splits["train"].num_examples)
    stock = _stock(name)
    with _described(name):
        info = stock(data_dir=str(source.cache_dir), file_format="array_record").info
    arranged = raw.layout(stock)
    known = _facts_in(info, arranged.train_images if arranged else UNKNOWN)
    _require_obtainable(stock, source)
    return known


def look(name: str, source: Source) -> Stacked | None:
    """Return the dataset's arrays, as kept or decoded from what is prepared; None if it is not. Writes nothing."""
    arrays = cache.read(name, source.cache_dir) or _unkept.get((name, source.cache_dir))
    builder = _prepared(name, source) if arrays is None else None
    if builder is not None:
        arrays = _unkept[name, source.cache_dir] = _decoded(builder)
    return arrays


def stacked(name: str, source: Source) -> Stacked:
    """Return the dataset's arrays: from the kept file if there is one, else prepared, decoded and kept."""
    arrays = cache.read(name, source.cache_dir)
    if arrays is not None:
        return arrays
    arrays = _unkept.pop((name, source.cache_dir), None) or _made(name, source)
    cache.write(arrays, name, source.cache_dir)
    return arrays


def _made(name: str, source: Source) -> Stacked:
    """Prepare the dataset unless it is, and decode it."""
    builder = _prepared(name, source)
    if builder is None:
        stock = _stock(name)
        _require_obtainable(stock, source)
        _prepare(stock, source)
        builder = _prepared(name, source)
    return _decoded(builder)


def _fit(task: Task, known: Facts) -> None:
    require_fit(task, side=known.side, channels=known.channels, classes=known.classes, pool=known.pool)


def _facts_of(arrays: Stacked) -> Facts:
    pool, side, _, channels = arrays.pool_images.shape
    return Facts(side=side, channels=channels, classes=int(arrays.classes), pool=pool)


def _facts_in(info: Any, pool: int) -> Facts:
    image, label = _keys(info)
    side, _, channels = info.features[image].shape
    return Facts(side=side, channels=channels, classes=info.features[label].num_classes, pool=pool)


def _keys(info: Any) -> tuple[str, str]:
    """Name the image and the label feature. Raises `InvalidError` unless it is classification of square images."""
    import tensorflow_datasets as tfds

    keys = info.supervised_keys
    named = (
        isinstance(info.features, tfds.features.FeaturesDict)
        and isinstance(keys, tuple)
        and len(keys) == 2
        and all(isinstance(key, str) and key in info.features for key in keys)
    )
    require(named, "data.name", info.name, NEEDED)
    image, label = (info.features[key] for key in keys)
    shape: Any = image.shape if isinstance(image, tfds.features.Tensor | tfds.features.Image) else ()
    square = len(shape) == 3 and None not in shape and shape[0] == shape[1] and image.np_dtype == np.uint8
    kinds = f"{type(image).__name__} and {type(label).__name__}"
    single = isinstance(label, tfds.features.ClassLabel) and label.num_classes
    require(square and single, "data.name", info.name, f"{NEEDED}; it has {kinds}, the images of shape {shape}")
    return keys[0], keys[1]


def _stock(name: str) -> Any:
    """Find the TFDS builder class of that name. Raises `InvalidError`, with close matches, if there is none."""
    import tensorflow_datasets as tfds

    known = (*registry.names(), *tfds.list_builders(with_community_datasets=False))
    if name not in known:
        close = difflib.get_close_matches(name, known, n=5) or registry.names()
        raise InvalidError(
            "data.name", name, f"no such task and no such TFDS dataset; did you mean {', '.join(close)}?"
        )
    with _described(name):
        return tfds.builder_cls(name)


@contextlib.contextmanager
def _described(name: str) -> Iterator[None]:
    """Turn what some builders raise, print and leave when they merely describe themselves into one line."""
    try:
        with _scratch(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    except Exception as error:  # they want TensorFlow, h5py, a configuration, a file that is not there
        raise MissingDataError(name, f"is a dataset that TFDS cannot even describe here ({_reason(error)})") from error


@contextlib.contextmanager
def _scratch() -> Iterator[None]:
    """Have temporary files made in a folder that goes: TFDS leaves one for each dataset that it describes."""
    before = tempfile.tempdir
    clear_left(Path(tempfile.gettempdir()), f"{SCRATCH}*", LONGEST)
    with tempfile.TemporaryDirectory(prefix=SCRATCH) as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before


def _reason(error: Exception) -> str:
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep TFDS from writing to stdout, from advice, and from progress bars where nobody watches."""
    import tensorflow_datasets as tfds

    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with _scratch(), contextlib.redirect_stdout(sys.stderr if sys.stderr.isatty() else io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def _prepared(name: str, source: Source) -> Any | None:
    """Open the dataset as prepared in `cache_dir`; None if it is not there. `MissingDataError` if it is of no use."""
    folder = source.cache_dir / name
    if not folder.is_dir():
        return None
    _require_data_alone(name, folder)
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import read_only_builder

    try:
        with _quiet():
            builder = read_only_builder.builder_from_files(name, data_dir=str(source.cache_dir))
    except Exception as error:  # whatever TFDS makes of a broken folder
        if any(folder.glob("[0-9]*.*.*")):
            raise MissingDataError(name, f"is only half prepared: delete {folder} and run again") from error
        return None
    kind = builder.info.file_format
    if kind != tfds.core.FileFormat.ARRAY_RECORD:
        said = kind.value if kind else "nothing that TFDS knows"
        how = f"is prepared in {builder.data_dir} as {said}, and array_record is needed: choose another cache"
        raise MissingDataError(name, how)
    for split in PARTS.values():
        require(split in builder.info.splits, "data.name", name, f"has no official {split} split")
        for file in _files(builder, split):
            if not file.is_file():
                raise MissingDataError(name, f"is only half prepared, {file} is missing: delete {folder} and run again")
            if not file.resolve().is_relative_to(folder.resolve()):
                raise MissingDataError(name, f"is not read: its {split} split lies elsewhere, in {file}")
    return builder


def _files(builder: Any, split: str) -> tuple[Path, ...]:
    """The files that a split names. Raises `MissingDataError` where it names none."""
    try:
        found = tuple(Path(file) for file in builder.info.splits[split].filepaths)
        if found and builder.info.splits[split].num_examples > 0:
            return found
        why = "it holds nothing"
    except Exception as error:  # whatever TFDS makes of a wrong template
        why = _reason(error)
    raise MissingDataError(builder.name, f"is of no use in {builder.data_dir}: its {split} split cannot be had ({why})")


def _require_data_alone(name: str, folder: Path) -> None:
    """Raise `MissingDataError` if a prepared folder could have TFDS import something, or read elsewhere or for ever."""
    for path in (folder, *sorted(folder.rglob("*"))):
        try:
            _require_plain(path)
        except (FileError, OSError) as error:
            why = f"cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error)
            raise MissingDataError(name, f"is not read: {path} {why}") from error


def _require_plain(path: Path) -> None:
    """Raise FileError unless a file or folder is data of bounded size, of this user or root, and no link."""
    facts = path.lstat()
    if path.is_symlink():
        raise FileError("is a link, and links are not followed")
    require_own(facts)
    if path.is_dir():
        return
    most = MOST_RECORDS if RECORDS in path.name else MOST_BYTES
    with open_regular(path, most):
        pass
    if path.name in NAMES_OF_TYPES:
        foreign = [kind for kind in _types(_said(path), NAMES_OF_TYPES[path.name]) if not OWN_FEATURES.fullmatch(kind)]
        if foreign:
            raise FileError(f"names {foreign[0]:.80}, no feature type of TFDS itself")
    if path.parent.name == CONFIG:
        said = _said(path)
        default = said["default_config_name"] if isinstance(said, dict) and "default_config_name" in said else ""
        if default and (not isinstance(default, str) or not PLAIN.fullmatch(default)):
            raise FileError(f"names {default!r:.80} for a configuration, and it is the name of a folder")


def _said(path: Path) -> Any:
    """What a description says; None where it is no JSON, which TFDS refuses itself. Raises FileError."""
    try:
        return json.loads(read_regular(path, MOST_BYTES))
    except FileError:
        raise
    except RecursionError:
        raise FileError("is nested too deeply") from None
    except (OSError, ValueError):
        return None


def _types(content: Any, keys: Sequence[str]) -> Iterator[str]:
    """The types of features that a description names, wherever it names them under such keys."""
    if isinstance(content, dict):
        yield from (content[key] for key in keys if key in content and isinstance(content[key], str))
        content = list(content.values())
    for item in content if isinstance(content, list) else ():
        yield from _types(item, keys)


def _require_obtainable(stock: Any, source: Source) -> None:
    """Raise unless the dataset can be prepared: from raw files if a folder of them is given, else over the network."""
    name, arranged, files = stock.name, raw.layout(stock), raw.published(stock)
    _require_writable(source.cache_dir)
    missing = f"is not prepared in {source.cache_dir}"
    if arranged is None and importlib.util.find_spec("tensorflow") is None:
        call = f'tensorflow_datasets.builder("{name}", data_dir="{source.cache_dir}", file_format="array_record")'
        call = f"{call}.download_and_prepare()"
        how = f"{missing}, and only TensorFlow can prepare it: where it is installed, run {call}"
        raise MissingDataError(name, how)
    if arranged is not None and source.raw_dir is not None:
        raw.found(stock, source.raw_dir)
    elif not connectivity.reachable(file.url for file in files):
        hint = raw.DEBIAN.get(name, f"holding {', '.join(file.name for file in files)}")
        other = f", or give the raw files with data.raw_dir=DIR ({hint})" if arranged else ""
        raise MissingDataError(name, f"{missing}, and there is no network: run once with a network{other}")


def _require_writable(folder: Path) -> None:
    exists = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    usable = exists.is_dir() and os.access(exists, os.W_OK)
    require(usable, "cache", folder.parent, f"{exists} cannot be written to: choose another folder")


def _prepare(stock: Any, source: Source) -> None:
    """Prepare in a folder of one's own, then move it into place whole: killed at any instant, nothing half stays."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import downloader

    downloader.MAX_RETRIES = RETRIES
    arranged = raw.layout(stock)
    files = raw.found(stock, source.raw_dir) if arranged and source.raw_dir else None
    reader = raw.builder_class(stock, arranged, files) if arranged else stock
    source.cache_dir.mkdir(parents=True, exist_ok=True)
    clear_left(source.cache_dir, f"{DRAFTS}*", LONGEST)
    scratch = Path(tempfile.mkdtemp(prefix=f"{DRAFTS}{stock.name}-", dir=source.cache_dir))
    try:
        with _scratch():
            builder = reader(data_dir=str(scratch), file_format="array_record")
        config = tfds.download.DownloadConfig(try_download_gcs=False)
        with _quiet():
            builder.download_and_prepare(download_dir=str(source.cache_dir / "downloads"), download_config=config)
        keep_to_owner(scratch)
        _move(Path(builder.data_dir), source.cache_dir / Path(builder.data_dir).relative_to(scratch))
        default = Path(stock.name, ".config")  # which configuration is the default, of a dataset that has several
        if (scratch / default).exists():
            shutil.copytree(scratch / default, source.cache_dir / default, dirs_exist_ok=True)
    except Exception as error:  # network gone, nonsense from a server, disk full
        raise MissingDataError(stock.name, f"could not be prepared ({_reason(error)})") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _move(made: Path, target: Path) -> None:
    if not target.parent.exists():
        keep_to_owner(target.parent)
    try:
        made.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was quicker, with the same result
            raise


def _decoded(builder: Any) -> Stacked:
    """Decode all records of both splits, in their order. Raises `MissingDataError` if one cannot be read."""
    image, label = _keys(builder.info)
    arrays: dict[str, Any] = {"classes": np.asarray(builder.info.features[label].num_classes, np.int32)}
    for part, split in PARTS.items():
        said = builder.info.splits[split].num_examples
        try:
            with _quiet():
                records = builder.as_data_source(split=split)
                rows = [
                    (record[image], record[label])
                    for start in range(0, said, BATCH)
                    for record in records.__getitems__(range(start, min(start + BATCH, said)))
                ]
            images, labels = zip(*rows, strict=True)
            arrays |= {f"{part}_images": np.stack(images), f"{part}_labels": np.asarray(labels, np.int32)}
        except Exception as error:  # array_record raises what its C++ raises
            how = f"cannot be read from {builder.data_dir}: delete that folder and run again"
            raise MissingDataError(builder.name, how) from error
    found = Stacked(**arrays)
    try:
        cache.require_whole(found)
    except ValueError as error:
        how = f"contradicts itself in {builder.data_dir} ({error}): delete that folder and run again"
        raise MissingDataError(builder.name, how) from error
    return found
