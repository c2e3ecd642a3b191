"""Grey pictures as data addresses."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow


def grey(values: NDArray[np.float64], low: float, high: float) -> str:
    """A map [height, width] as a PNG in a data address: black at `low` and below, white at `high` and above."""
    shares = (values - low) / ((high - low) or 1.0)
    file = io.BytesIO()
    Pillow.fromarray(np.rint(255 * shares.clip(0, 1)).astype(np.uint8)).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
