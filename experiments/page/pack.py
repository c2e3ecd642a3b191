"""Arrays as text: 16-bit integers with one scale a channel, in base64."""

import base64

import numpy as np
from numpy.typing import NDArray

from experiments.page.view import Json

LARGEST = 32767
"""Of a 16-bit integer: a number is kept to one part in this of the largest in its channel, or half of it."""


def packed(values: NDArray[np.floating]) -> dict[str, Json]:
    """Pack [..., channels] as {"scales": [channel], "data": base64}: value = scale * integer, channels last."""
    found = scales(values)
    whole = np.rint(np.asarray(values, np.float64) / np.where(found, found, 1)).astype("<i2")
    return {"scales": found, "data": base64.b64encode(whole.tobytes()).decode("ascii")}


def scales(values: NDArray[np.floating]) -> list[float]:
    """The largest number of each channel, channels last, in parts of `LARGEST`."""
    flat = np.abs(np.asarray(values, np.float64)).reshape(-1, values.shape[-1])
    return rounded(flat.max(0) / LARGEST)


def rounded(values: NDArray[np.floating]) -> list[float]:
    """Numbers to nine digits, as many as 32-bit floats have."""
    return [float(f"{value:.9g}") for value in values]


def unpacked(content: Json, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """What a script reads from `packed`, [..., channels]."""
    whole = np.frombuffer(base64.b64decode(content["data"]), "<i2").reshape(shape)
    read: NDArray[np.float64] = whole * np.asarray(content["scales"])
    return read
