"""Make `files/textures12.npz` from scikit-image's wheel: `python -m cnnlab.data.freeze_textures12 WHEEL`.

`pip download --no-deps scikit-image` gets the wheel; the three photographs lie in it, and nothing of it is installed.
"""

import hashlib
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cnnlab.data.tasks.textures12 import FILE
from cnnlab.spec.invalid import require

CONTENT = {
    "brick": "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
    "grass": "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
    "gravel": "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12",
}
"""SHA-256 of the PNG files, as scikit-image registers them."""


def frozen_anew(wheel: Path) -> dict[str, npt.NDArray[np.uint8]]:
    """Take the photographs from the wheel again, (512, 512) each. Raises `InvalidError` if a file is another."""
    from PIL import Image

    photos = {}
    with zipfile.ZipFile(wheel) as archive:
        for name, expected in CONTENT.items():
            png = archive.read(f"skimage/data/{name}.png")
            found = hashlib.sha256(png).hexdigest()
            require(found == expected, f"{name}.png", found, "must be the photograph that scikit-image registers")
            photos[name] = np.asarray(Image.open(io.BytesIO(png)))
    return photos


if __name__ == "__main__":
    np.savez_compressed(FILE, allow_pickle=False, **frozen_anew(Path(sys.argv[1])))
    print(f"wrote {FILE} ({FILE.stat().st_size} bytes)")
