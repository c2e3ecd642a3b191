"""One picture: from a file's bytes to a square of the side that is asked for."""

import io
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
"""By which a file in a folder counts as a picture."""
MOST_PIXELS = 1 << 26
"""Of a picture, told from its header before anything is unpacked: 8192x8192."""
ORIENTATION = 0x0112
"""The EXIF tag that says how a camera was held; 1 is upright."""
BAND = 256
"""Rows that are averaged at once: bounds the memory of large photographs."""

Pixels = npt.NDArray[np.uint8]


class PictureError(ValueError):
    """A file that is no picture of use; says in a phrase why."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A decoded picture, upright.

    Attributes:
        pixels: uint8 (height, width, channels).
        turned: it was turned as EXIF says. transparent: it was laid on white.
    """

    pixels: Pixels
    turned: bool
    transparent: bool

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width, _ = self.pixels.shape
        return width, height


def decoded(content: bytes, channels: int) -> Picture:
    """Decode a file.

    Grey of 16 bits is rounded to 8. Colour becomes grey by ITU-R 601 luma. Colour profiles are not applied. Of a
    camera's JPEG that holds further pictures (MPO), the first is taken.

    Args:
        channels: 1 (grey) or 3 (RGB).

    Raises:
        PictureError: it is no picture of these formats, is damaged or too large, or holds several pictures.
    """
    from PIL import Image, UnidentifiedImageError

    if not content:
        raise PictureError("is empty")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd EXIF and the like; sizes are looked at below
        try:
            image = Image.open(io.BytesIO(content), formats=FORMATS)
        except UnidentifiedImageError as error:
            raise PictureError("is no PNG, JPEG, WebP or TIFF picture, or is damaged") from error
        except Image.DecompressionBombError as error:
            raise PictureError(f"has more than {MOST_PIXELS} pixels") from error
        except Exception as error:  # whatever Pillow makes of a broken file
            raise PictureError(f"is damaged ({_reason(error)})") from error
        if image.width * image.height > MOST_PIXELS:
            raise PictureError(f"has {image.width}x{image.height} pixels, more than {MOST_PIXELS}")
        try:
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            if frames == 1:
                return _upright(image, channels)
        except PictureError:
            raise
        except Exception as error:
            raise PictureError(f"is damaged ({_reason(error)})") from error
    raise PictureError(f"holds {frames} pictures (an animation, or pages), and one is needed")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _upright(image: Any, channels: int) -> Picture:
    """Turn an opened image as EXIF says, lay it on white, and make it grey or RGB."""
    from PIL import Image, ImageOps

    turned = image.getexif().get(ORIENTATION, 1) in range(2, 9)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        wide = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((wide + 128) // 257).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise PictureError(f"has pixels of 32 bits (Pillow's mode {image.mode}): save it with 8 or 16")
    transparent = image.has_transparency_data
    if transparent:
        above = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return Picture(pixels=pixels.reshape(*pixels.shape[:2], channels), turned=turned, transparent=transparent)


def middle_square(pixels: Pixels) -> Pixels:
    """The largest square in the middle; where a pixel is over, there is one more at the right or the bottom."""
    height, width, _ = pixels.shape
    size = min(height, width)
    top, left = (height - size) // 2, (width - size) // 2
    return pixels[top : top + size, left : left + size]


def averaged(pixels: Pixels, side: int) -> Pixels:
    """Average a square over areas: every new pixel is the mean of what it covers, pixels on its rim in part.

    Pillow's BOX weighs a pixel on the rim by all or nothing. Sums are of whole numbers below 2**53, hence exact in
    float64: the same bytes on every machine. A half is rounded up.

    Args:
        pixels: (size, size, channels), `size` at least `side`.
    """
    size, _, channels = pixels.shape
    if size == side:
        return pixels
    shares = _shares(size, side)
    rows = np.zeros((side, size * channels))
    for first in range(0, size, BAND):
        last = min(first + BAND, size)
        onto = slice(first * side // size, -(-last * side // size))
        rows[onto] += shares[onto, first:last] @ pixels[first:last].reshape(last - first, -1).astype(np.float64)
    totals = np.tensordot(shares, rows.reshape(side, size, channels), axes=(1, 1)).transpose(1, 0, 2)
    means = (2 * totals.astype(np.int64) + size**2) // (2 * size**2)
    rounded: Pixels = means.astype(np.uint8)
    return rounded


def _shares(size: int, side: int) -> npt.NDArray[np.float64]:
    """How much of each old pixel each new one covers, in units of 1/side of an old pixel: (side, size)."""
    new, old = size * np.arange(side)[:, None], side * np.arange(size)
    overlap: npt.NDArray[np.int64] = np.minimum(new + size, old + side) - np.maximum(new, old)
    return np.maximum(overlap, 0).astype(np.float64)
