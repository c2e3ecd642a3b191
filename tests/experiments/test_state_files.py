"""Files that a command finds, spoiled in a thousand ways: each is read, or told in one line by its own error."""

import contextlib
import gzip
import json
import os
import random
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from cnnlab.data import MissingDataError, Source, cache, raw, tfds
from cnnlab.data.own import content as own
from cnnlab.geometry import graph_json
from cnnlab.geometry.fields import AlignmentError
from cnnlab.records import RecordError, Store, lease, manifest
from cnnlab.records.coding import encode
from cnnlab.spec.arm import digest
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.task import Task
from cnnlab.tracking import service
from cnnlab.training import compiled
from experiments.cli.errors import UsageError
from experiments.page.member import reader_image
from experiments.paths import ROOT
from experiments.timing import timings

from .conftest import composed_grid, planted_record

QUICK, SLOW = 6, 50
"""Spoiled files of each kind."""
NAME, ARM = "toy", "arm-0123456789"
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    10**30,
    "",
    "x" * 9999,
    "[/x]\n\x1b[31m",
    "../../etc",
    [],
    {},
    [[[]]],
    {"": {}},
    "\ud800",
)
GRAPH = {
    "nodes": [
        {"name": "x", "op": "input", "channels": 3},
        {
            "name": "a",
            "op": "conv",
            "inputs": ["x"],
            "kernel": [3, 3],
            "stride": [2, 2],
            "padding": "SAME",
            "filters": 4,
        },
        {
            "name": "b",
            "op": "pool",
            "inputs": ["a"],
            "kind": "max",
            "kernel": [2, 2],
            "stride": [2, 2],
            "padding": "VALID",
        },
        {"name": "r", "op": "resize", "inputs": ["b"], "scale": [2, [3, 2]], "kind": "bilinear"},
        {"name": "f", "op": "flatten", "inputs": ["r"]},
        {"name": "d", "op": "dense", "inputs": ["f"], "units": 10},
    ],
    "output": "d",
    "input_size": [32, 32],
}


def record(folder: Path) -> Path:
    (point,) = composed_grid("", "smoke").points
    path = Store(folder).folder(ARM) / "record.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(encode(planted_record(point, 0.8)))
    return path


def packed(folder: Path) -> Path:
    path = record(folder)
    path.with_name("record.json.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return path.with_name("record.json.gz")


def provenance(folder: Path) -> Path:
    path = record(folder).with_name("provenance.json")
    path.write_text(json.dumps({"git": {"commit": "0" * 40, "dirty": False}, "packages": {"jax": "0.10.2"}}))
    return path


def held(folder: Path) -> Path:
    (folder / "lease").write_text("host process 1")
    return folder / "lease"


def timed(folder: Path) -> Path:
    source = ROOT / "results" / "published" / "costs" / "relu-cheap"
    shutil.copytree(source, folder / "costs")
    return next((folder / "costs").iterdir())


def listed(folder: Path) -> Path:
    timed(folder)
    (folder / "costs").rename(folder / "relu-cheap")
    (folder / "costs").mkdir()
    (folder / "relu-cheap").rename(folder / "costs" / "relu-cheap")
    return manifest.write(folder)


def kept(folder: Path) -> Path:
    images, labels = np.zeros((20, 4, 4, 1), np.uint8), np.arange(20, dtype=np.int32) % 10
    arrays = cache.Stacked(
        pool_images=images, pool_labels=labels, test_images=images, test_labels=labels, classes=np.asarray(10, np.int32)
    )
    cache.write(arrays, NAME, folder)
    return cache.path(NAME, folder)


def drawn(folder: Path) -> Path:
    (folder / "net.json").write_text(json.dumps(GRAPH))
    return folder / "net.json"


def program(folder: Path) -> Path:
    compiled.clean(folder / "compiled")
    (folder / "compiled" / f"x{compiled.SUFFIX}").write_bytes(zlib.compress(os.urandom(2000)))
    return folder / "compiled" / f"x{compiled.SUFFIX}"


def published(folder: Path) -> Path:
    images = np.zeros((3, 4, 4), np.uint8)
    content = bytes((0, 0, 8, 3)) + np.array(images.shape, ">u4").tobytes() + images.tobytes()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(content))
    return folder / "train-images-idx3-ubyte.gz"


def described(folder: Path) -> Path:
    """Of a prepared dataset: one feature, and what it holds."""
    kind = "tensorflow_datasets.core.features.image_feature.Image"
    content = {"pythonClassName": kind, "featuresDict": {"features": {"image": {"pythonClassName": kind}}}}
    path = folder / NAME / "1.0.0" / "features.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
    return path


def picture(folder: Path) -> Path:
    Pillow.fromarray(np.arange(144, dtype=np.uint8).reshape(12, 12)).save(folder / "cat.png")
    return folder / "cat.png"


def own_arrays(folder: Path) -> Path:
    images, labels = np.arange(720, dtype=np.uint8).reshape(20, 6, 6), np.arange(20) % 4
    np.savez(folder / "own.npz", images=images, labels=labels, test_images=images[:8] + 1, test_labels=labels[:8])
    return folder / "own.npz"


def asked(kind: str, path: Path, side: int) -> own.Asked:
    channels = 3 if kind == "folder" else 0
    return own.Asked(kind=kind, path=path, labels=None, side=side, channels=channels, test_share=0.5, split_seed=0)


def own_pictures(folder: Path) -> Path:
    for place in range(8):
        (folder / "own" / "ab"[place % 2]).mkdir(parents=True, exist_ok=True)
        pixels = np.full((5, 5, 3), 30 * place, np.uint8) + np.arange(75, dtype=np.uint8).reshape(5, 5, 3)
        Pillow.fromarray(pixels).save(folder / "own" / "ab"[place % 2] / f"{place}.png")
    return folder / "own" / "a" / "0.png"


def own_card(folder: Path) -> Path:
    path = own_arrays(folder)
    found = own.identified(asked("npz", path, 0), folder)
    sizes = {"side": found.side, "channels": found.channels, "classes": found.classes}
    own.keep(Task(name=found.name, train_images=2, validation_images=2, **sizes), Source(cache_dir=folder))
    own.forget()
    (card,) = (folder / own.CARDS).iterdir()
    return card


def look_again(kind: str, path: Path, folder: Path, side: int = 0) -> None:
    own.forget()
    own.identified(asked(kind, path, side), folder)


def left(folder: Path) -> Path:
    """Of W&B, by a process that was killed."""
    (folder / ".scratch-host-1").mkdir()
    (folder / ".scratch-host-1" / "file").write_text("x")
    return folder / ".scratch-host-1" / "file"


def report(path: Path) -> None:
    graph = graph_json.load(path)
    json.dumps(graph_json.report(graph.network, graph.input_size))


Reader = Callable[[Path], object]
KINDS: dict[str, tuple[Callable[[Path], Path], Reader, tuple[type[Exception], ...]]] = {
    "record": (record, lambda path: Store(path.parents[1]).read(ARM), (RecordError, FileNotFoundError)),
    "packed record": (packed, lambda path: Store(path.parents[1]).read(ARM), (RecordError, FileNotFoundError)),
    "provenance": (provenance, lambda path: Store(path.parents[1]).provenance(ARM), ()),
    "lease": (held, lease.holder, ()),
    "timings": (timed, lambda path: timings.read(path, "relu-cheap"), (timings.TimingsError,)),
    "manifest": (listed, lambda path: manifest.check(path.parent), (manifest.ManifestError,)),
    "dataset": (kept, lambda path: cache.read(NAME, path.parents[1]), (MissingDataError,)),
    "graph": (drawn, report, (InvalidError, AlignmentError)),
    "published images": (published, raw.read_idx, (InvalidError,)),
    "prepared dataset": (described, lambda path: tfds._require_data_alone(NAME, path.parents[1]), (MissingDataError,)),
    "picture": (picture, lambda path: reader_image(path, 12), (UsageError,)),
    "own arrays": (own_arrays, lambda path: look_again("npz", path, path.parent), (InvalidError,)),
    "own picture": (
        own_pictures,
        lambda path: look_again("folder", path.parents[1], path.parents[2], 4),
        (InvalidError,),
    ),
    "own card": (
        own_card,
        lambda path: look_again("npz", path.parents[1] / "own.npz", path.parents[1]),
        (InvalidError,),
    ),
    "left by W&B": (left, lambda path: service.clean(path.parents[1]), ()),
    "compiled program": (program, lambda path: compiled.clean(path.parent), ()),
}


def _fifo(path: Path, chance: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.mkdir()


def _link(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.symlink_to(chance.choice(["/dev/zero", "/etc/passwd", "/nowhere", path.name]))


def _sparse(path: Path, chance: random.Random) -> None:
    os.truncate(path, 2**40)


def _nested(path: Path, chance: random.Random) -> None:
    sign = chance.choice([b"[", b'{"a":'])
    path.write_bytes(sign * chance.choice([200, 990, 1000, 100_000]))


def _cut(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def _flipped(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 1, 3, 30])):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def _moved(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    first, last = sorted(chance.randrange(len(content)) for _ in range(2))
    path.write_bytes(content[:first] + content[last:] + content[first:last])


def _noise(path: Path, chance: random.Random) -> None:
    path.write_bytes(chance.randbytes(chance.choice([0, 1, 100, 10_000])))


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of plain data, as (container, key)."""
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        yield content, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _odd(path: Path, chance: random.Random) -> None:
    """A value, a key or an entry that is not what it should be, in what is JSON else."""
    zipped = path.suffix == ".gz"
    try:
        content = json.loads(gzip.decompress(path.read_bytes()) if zipped else path.read_bytes())
    except (ValueError, OSError):
        return _flipped(path, chance)
    for _ in range(chance.choice([1, 1, 2, 4])):
        places = list(_places(content))
        if not places:
            break
        where, key = places[chance.randrange(len(places))]
        if chance.random() < 0.2 and isinstance(where, dict):
            where["x" * chance.choice([1, 9999])] = where.pop(key)
        elif chance.random() < 0.2:
            del where[key]
        else:
            where[key] = chance.choice(ODD)
    if "digest" in content and path.parent.name == "costs":  # so that what it says is looked into
        content.pop("digest")
        content["digest"] = digest(content)
    text = json.dumps(content).encode()
    path.write_bytes(gzip.compress(text) if zipped else text)
    return None


WAYS = (_fifo, _folder, _link, _sparse, _nested, _cut, _flipped, _flipped, _moved, _noise, *[_odd] * 8)


def check(kind: str, number: int, folder: Path) -> None:
    make, read, errors = KINDS[kind]
    chance = random.Random(f"{kind} {number}")
    folder.mkdir()
    path = make(folder)
    chance.choice(WAYS)(path, chance)
    with contextlib.suppress(*errors):
        read(path)
    shutil.rmtree(folder)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", KINDS)
def test_a_spoiled_file_is_read_or_told(kind: str, tmp_path: Path) -> None:
    for number in range(QUICK):
        check(kind, number, tmp_path / str(number))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
def test_many_spoiled_files_are(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(SLOW):
        check(kind, number, tmp_path / str(number))
    with capsys.disabled():
        print(f"\n{kind}: {SLOW} spoiled files", end="")


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"record", "packed record"}))
def test_a_whole_file_is_read(kind: str, tmp_path: Path) -> None:
    """The twin: the file that is spoiled is right. Records of the suite's own protocol have theirs in the store's."""
    make, read, _ = KINDS[kind]
    path = make(tmp_path)
    read(path)
    assert path.exists()


def test_a_reader_that_lets_an_error_of_python_through_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of the readers."""
    monkeypatch.setitem(KINDS, "graph", (drawn, lambda path: json.loads(path.read_text())["nodes"][5]["name"], ()))
    odd = next(number for number in range(99) if random.Random(f"graph {number}").choice(WAYS) is _cut)
    with pytest.raises(ValueError, match="line 1 column"):
        check("graph", odd, tmp_path / "cut")
