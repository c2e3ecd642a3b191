import gzip
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from cnnlab.data import Source, raw
from cnnlab.spec.task import Task

TRAIN, TEST = 60, 20
CONF = Path(__file__).parents[2] / "conf" / "data"
UNSHIPPED = ("tfds", "folder", "npz")
"""Settings that a user completes."""


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def make_task() -> Callable[..., Task]:
    def make(name: str, **changes: object) -> Task:
        sides = {"digits8": 8, "digits12": 12, "vernier": 12, "fashion14": 14, "cifar10": 32, "opt_digits": 8}
        given: dict = {"name": name, "side": sides.get(name, 28), "channels": 3 if name == "cifar10" else 1}
        given |= {"classes": 10, "train_images": 20, "validation_images": 10}
        if name == "vernier":
            dials = (("contrast", 1.0), ("noise", 0.5), ("offset_px", 1.0))
            given |= {"classes": 2, "dials": dials, "real": False}
        return Task(**(given | changes))

    return make


@pytest.fixture
def nowhere(tmp_path: Path) -> Source:
    return Source(cache_dir=tmp_path / "cache")


@pytest.fixture(scope="session")
def small_idx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four IDX files as Fashion-MNIST's, of 60 and 20 random images, six and two of every class."""
    folder = tmp_path_factory.mktemp("raw")
    random = np.random.default_rng(0)
    for split, n in (("train", TRAIN), ("test", TEST)):
        images, labels = raw.IDX[split]
        (folder / images).write_bytes(gzip.compress(idx(random.integers(0, 256, (n, 28, 28), np.uint8))))
        (folder / labels).write_bytes(gzip.compress(idx(random.permutation(np.arange(n, dtype=np.uint8) % 10))))
    return folder


@pytest.fixture(scope="session")
def small_contents(small_idx: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() for path in small_idx.iterdir()}


@pytest.fixture
def small_known(small_contents: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the small files pass for Fashion-MNIST's and MNIST's."""
    for name in ("fashion_mnist", "mnist"):
        monkeypatch.setitem(raw.CONTENT, name, small_contents)


def read(name: str) -> dict:
    """A file of conf/data/ with those that it builds on, as Hydra merges them."""
    content = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    parent = content.pop("defaults")[0]
    if parent == "data_schema":
        return {"dials": {}} | content
    base = read(parent)
    return base | content | {"dials": base["dials"] | content.get("dials", {})}


def as_task(content: dict) -> Task:
    fields = {key: content[key] for key in content if key in Task.__dataclass_fields__}
    return Task(**{**fields, "dials": tuple(sorted(content["dials"].items()))})


@pytest.fixture
def shipped() -> Callable[..., Task]:
    """A setting of conf/data/ as a task, with changes; changed dials are merged."""

    def make(name: str, **changes: object) -> Task:
        content = read(name)
        dials = content["dials"] | changes.pop("dials", {})
        return as_task(content | changes | {"dials": dials})

    return make


@pytest.fixture(scope="session")
def settings() -> dict[str, Task]:
    """Every setting of conf/data/ that names its data."""
    return {path.stem: as_task(read(path.stem)) for path in CONF.glob("*.yaml") if path.stem not in UNSHIPPED}
