"""Make `files/fashion12.npz` from the files of Fashion-MNIST: `python -m cnnlab.data.freeze_fashion12 FOLDER`.

The folder is where Debian's package `dataset-fashion-mnist` puts them; the files as published will do as well.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cnnlab.data import raw
from cnnlab.data.tasks.fashion12 import CLASSES, FILE, POOL_IMAGES, SIDE
from cnnlab.spec.invalid import require

BLOCK = 3


def thirds(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Mean of every 3x3 block of all but the first row and column, rounded; (n, 28, 28) to (n, 9, 9).

    The first row and column are the emptiest of the rim.
    """
    blocks = images[:, 1:, 1:].reshape(-1, SIDE, BLOCK, SIDE, BLOCK).astype(np.uint16)
    means: npt.NDArray[np.uint16] = (blocks.sum(axis=(2, 4)) + BLOCK**2 // 2) // BLOCK**2
    return means.astype(np.uint8)


def first_of_each(labels: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.int64]:
    """Places of the first `count` images of every class, in their published order."""
    return np.sort(np.concatenate([np.flatnonzero(labels == label)[:count] for label in range(CLASSES)]))


def frozen_anew(folder: Path) -> dict[str, npt.NDArray[np.uint8]]:
    """Take the content of the file from the published files again. Raises `InvalidError` if a file is another."""
    parts = {}
    for part, names in raw.IDX.items():
        for kind, name in zip(("images", "labels"), names, strict=True):
            array = raw.read_idx(folder / name)
            content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
            found = hashlib.sha256(content).hexdigest()
            require(found == raw.CONTENT["fashion_mnist"][name], name, found, "must be Fashion-MNIST's as published")
            parts[part, kind] = array
    chosen = first_of_each(parts["train", "labels"], POOL_IMAGES // CLASSES)
    return {
        "pool_images": thirds(parts["train", "images"][chosen]),
        "pool_labels": parts["train", "labels"][chosen],
        "test_images": thirds(parts["test", "images"]),
        "test_labels": parts["test", "labels"],
    }


if __name__ == "__main__":
    np.savez_compressed(FILE, allow_pickle=False, **frozen_anew(Path(sys.argv[1])))
    print(f"wrote {FILE} ({FILE.stat().st_size} bytes)")
