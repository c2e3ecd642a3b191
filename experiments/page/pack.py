"""Arrays as text: 16-bit integers with one scale a channel, or 32-bit floats, in base64."""

import base64

import numpy as np
from numpy.typing import NDArray

from experiments.page.view import Json

LARGEST = 32767
"""Of a 16-bit integer: a number is kept to one part in this of the largest in its channel, or half of it."""


def packed(values: NDArray[np.floating]) -> Json:
    """Pack [..., channels] as {"scales": [channel], "data": base64}: value = scale * integer, channels last."""
    flat = np.asarray(values, np.float64).reshape(-1, values.shape[-1])
    scales = np.abs(flat).max(0) / LARGEST
    whole = np.rint(flat / np.where(scales == 0, 1, scales)).astype("<i2")
    return {"scales": [float(f"{scale:.9g}") for scale in scales], "data": _text(whole.tobytes())}


def unpacked(content: Json, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """What a script reads from `packed`, [..., channels]."""
    whole = np.frombuffer(base64.b64decode(content["data"]), "<i2").reshape(shape)
    read: NDArray[np.float64] = whole * np.asarray(content["scales"])
    return read


def floats(values: NDArray[np.floating]) -> str:
    """Pack all numbers, in the order of the array, as 32-bit floats."""
    return _text(np.asarray(values, "<f4").tobytes())


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
