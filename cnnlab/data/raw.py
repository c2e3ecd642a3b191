"""Datasets from their files as published, read without TensorFlow: MNIST and its relatives, CIFAR-10 and -100.

The stock TFDS builders of these extract archives with TensorFlow, which is no dependency of the suite. A subclass
keeps the builder's name, features, keys and so the order of its records, and reads the files itself.
"""

import gzip
import hashlib
import math
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnlab.files import FileError, is_folder, open_regular
from cnnlab.spec.invalid import InvalidError, require

IDX = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}

CONTENT = {
    "fashion_mnist": {
        "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    "mnist": {
        "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
}
"""SHA-256 of the decompressed files, where known: Debian's Fashion-MNIST has other gzip headers than the published."""

DEBIAN = {"fashion_mnist": "Debian: apt install dataset-fashion-mnist, then dpkg -L dataset-fashion-mnist names DIR"}

MOST_BYTES = 1 << 28
"""Of a decompressed file: the largest that is published has 47 million."""

Examples = Iterator[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class RawFile:
    """One published file: its name, where TFDS downloads it, and the SHA-256 TFDS has registered for it."""

    name: str
    url: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a family of datasets lays out its files.

    Attributes:
        train_images: number of images in its training part.
        examples: (builder, files by name, `train` or `test`) -> the records of that part, in their published order.
    """

    train_images: int
    examples: Callable[[Any, Mapping[str, Path], str], Examples]


def layout(stock: Any) -> Layout | None:
    """Tell how a stock TFDS builder class lays out its files; None if only TensorFlow can read them."""
    from tensorflow_datasets.image_classification import cifar, mnist

    if issubclass(stock, cifar.Cifar10):
        return Layout(train_images=50_000, examples=_cifar_examples)
    if issubclass(stock, mnist.MNIST) and not issubclass(stock, mnist.EMNIST):
        return Layout(train_images=60_000, examples=_idx_examples)
    return None


def published(stock: Any) -> tuple[RawFile, ...]:
    """List the files a stock builder class downloads."""
    return tuple(
        RawFile(name=url.rsplit("/", 1)[-1], url=url, sha256=info.checksum)
        for url, info in sorted((stock.url_infos or {}).items())
    )


def found(stock: Any, raw_dir: Path) -> dict[str, Path]:
    """Find the dataset's files, by name, in `raw_dir/<dataset>` or else in `raw_dir`.

    Raises:
        InvalidError: a file is missing or has not the published content.
    """
    require(is_folder(raw_dir), "data.raw_dir", raw_dir, "must be a folder")
    folder = raw_dir / stock.name if (raw_dir / stock.name).is_dir() else raw_dir
    names = [file.name for file in published(stock)]
    for name in names:
        exists = (folder / name).is_file()
        require(exists, "data.raw_dir", folder, f"{name} is missing; {stock.name} needs {', '.join(names)}")
    files = {name: folder / name for name in names}
    verify(stock, files)
    return files


def verify(stock: Any, files: Mapping[str, Path]) -> None:
    """Raise `InvalidError`, naming the file and what was expected, unless every file is the published one.

    A file passes by its own SHA-256, or, where `CONTENT` knows it, by that of what it decompresses to.
    """
    for file in published(stock):
        path = files[file.name]
        try:
            with open_regular(path.resolve(), MOST_BYTES) as content:
                own = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
        except (FileError, OSError) as error:
            raise InvalidError("data.raw_dir", path, f"it cannot be read ({error})") from error
        if own == file.sha256:
            continue
        contents = CONTENT.get(stock.name, {})
        if file.name not in contents:
            raise InvalidError("data.raw_dir", path, f"its SHA-256 is {own}, that of {stock.name} is {file.sha256}")
        inner = hashlib.sha256(_decompressed(path)).hexdigest()
        expected = contents[file.name]
        valid = f"the SHA-256 of its decompressed content is {inner}, that of {stock.name} is {expected}"
        require(inner == expected, "data.raw_dir", path, valid)


def _decompressed(path: Path) -> bytes:
    """What a gzip file unpacks to. Raises `InvalidError` for anything else, or for more than `MOST_BYTES`."""
    try:
        with open_regular(path.resolve(), MOST_BYTES) as packed, gzip.open(packed) as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error, FileError, RuntimeError) as error:  # a link to itself: RuntimeError
        raise InvalidError("data.raw_dir", path, f"it is no whole gzip file ({error})") from error
    require(len(content) <= MOST_BYTES, "data.raw_dir", path, f"it unpacks to more than {MOST_BYTES} bytes")
    return content


def builder_class(stock: Any, arranged: Layout, files: Mapping[str, Path] | None) -> Any:
    """Derive from a stock builder class one that reads the files itself.

    Where `files` is None, TFDS downloads them and compares their registered checksums.
    """
    from tensorflow_datasets.core import registered

    with registered.skip_registration():  # it stands in for the registered class, under the same name

        class WithoutTensorFlow(stock):  # type: ignore[misc]
            """The stock dataset, its files read by NumPy."""

            name = stock.name

            def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
                paths = files
                if paths is None:
                    urls = {file.name: file.url for file in published(stock)}
                    paths = {name: Path(path) for name, path in dl_manager.download(urls).items()}
                parts = {split: arranged.examples(self, paths, split) for split in ("train", "test")}
                return {split: self._generate_examples(examples) for split, examples in parts.items()}

            def _generate_examples(self, examples: Examples) -> Iterator[tuple[int, dict[str, Any]]]:
                # The stock builders' key, which decides the order of the records.
                yield from enumerate(examples)

    return WithoutTensorFlow


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Read the array in a gzipped IDX file of bytes: magic (0, 0, 8, dimensions), big-endian sizes, then the bytes.

    Raises `InvalidError` for anything else.
    """
    content = _decompressed(path)
    dimensions = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    start = 4 + 4 * dimensions
    shape = np.frombuffer(content[4:start], ">u4").tolist() if len(content) >= start else []
    fits = len(shape) == dimensions > 0 and math.prod(shape) == len(content) - start
    require(fits, "data.raw_dir", path, "it is no IDX file of bytes: magic number, sizes and content do not fit")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _idx_examples(builder: Any, files: Mapping[str, Path], split: str) -> Examples:
    from PIL import Image

    images, labels = (read_idx(files[name]) for name in IDX[split])
    for image, label in zip(images, labels, strict=True):
        yield {"image": Image.fromarray(image), "label": int(label)}


def _cifar_examples(builder: Any, files: Mapping[str, Path], split: str) -> Examples:
    """Read records of label bytes, then 32x32 pixels of red, of green and of blue."""
    from PIL import Image

    info = builder._cifar_info
    (archive,) = files.values()
    with tarfile.open(archive) as tar:
        members = {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}  # type: ignore[union-attr]
    keys, index = info.label_keys, 0
    for key, name in zip(keys, info.label_files, strict=True):
        builder.info.features[key].names = members[info.prefix + name].decode().split()
    for name in info.train_files if split == "train" else info.test_files:
        records = np.frombuffer(members[info.prefix + name], np.uint8).reshape(-1, len(keys) + 3 * 32 * 32)
        for record in records:
            labels = {key: int(label) for key, label in zip(keys, record[: len(keys)], strict=True)}
            image = record[len(keys) :].reshape(3, 32, 32).transpose(1, 2, 0)
            yield {**labels, "id": f"{split}_{index:05d}", "image": Image.fromarray(np.ascontiguousarray(image))}
            index += 1
