"""One picture: its formats, its turns, its averaging, against slow oracles."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, features

from cnnlab.data.own import picture
from cnnlab.data.own.picture import ORIENTATION, PictureError, averaged, decoded, middle_square

LOSSLESS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True, "exact": True}}


def pixels_of(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(height * 100 + width).integers(0, 256, (height, width, channels), np.uint8)


def saved(image: Image.Image, kind: str = "PNG", **more: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **more)
    return file.getvalue()


# Areas.


def by_areas(pixels: np.ndarray, side: int) -> np.ndarray:
    """Every old pixel as `side` times `side` tiles, every new one as the mean of its tiles; a half is rounded up."""
    size, _, channels = pixels.shape
    tiles = pixels.astype(np.int64).repeat(side, axis=0).repeat(side, axis=1)
    totals = tiles.reshape(side, size, side, size, channels).sum(axis=(1, 3))
    return np.floor(totals / size**2 + 0.5).astype(np.uint8)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 17), st.data())
def test_averages_are_those_of_areas(size: int, more: st.DataObject) -> None:
    side = more.draw(st.integers(1, size))
    pixels = pixels_of(size, size, more.draw(st.sampled_from([1, 3])))
    np.testing.assert_array_equal(averaged(pixels, side), by_areas(pixels, side))


def test_bands_of_rows_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = pixels_of(29, 29)
    whole = averaged(pixels, 11)
    for band in (1, 2, 7):
        monkeypatch.setattr(picture, "BAND", band)
        np.testing.assert_array_equal(averaged(pixels, 11), whole)


@pytest.mark.parametrize("other", [Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.NEAREST])
def test_another_way_to_resize_is_noticed(other: Image.Resampling) -> None:
    """The twin: Pillow's filters are not areas where the sides do not divide each other."""
    pixels = pixels_of(17, 17)
    resized = np.asarray(Image.fromarray(pixels).resize((7, 7), other))
    assert (resized != by_areas(pixels, 7)).any()


def test_the_middle_square_is_cut() -> None:
    pixels = pixels_of(5, 8)
    np.testing.assert_array_equal(middle_square(pixels), pixels[:, 1:6])
    np.testing.assert_array_equal(middle_square(pixels.transpose(1, 0, 2)), pixels.transpose(1, 0, 2)[1:6])


# Turns.


def held(kind: str, orientation: int) -> tuple[bytes, np.ndarray]:
    """A file whose EXIF says how the camera was held, and the picture upright."""
    upright = Image.fromarray(pixels_of(6, 9))
    back = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}  # the turn that undoes each
    exif = Image.Exif()
    exif[ORIENTATION] = back[orientation]
    as_held = upright.copy()
    as_held.getexif()[ORIENTATION] = back[orientation]
    as_held = ImageOps.exif_transpose(as_held)
    exif[ORIENTATION] = orientation
    return saved(as_held, kind, exif=exif, **LOSSLESS[kind]), np.asarray(upright)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("kind", LOSSLESS)
def test_pictures_are_turned_upright(kind: str, orientation: int) -> None:
    content, upright = held(kind, orientation)
    found = decoded(content, 3)
    assert found.turned
    np.testing.assert_array_equal(found.pixels, upright)


def test_a_picture_that_is_not_turned_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: without EXIF the picture lies on its side."""
    content, upright = held("PNG", 6)
    monkeypatch.setattr(ImageOps, "exif_transpose", lambda image: image)
    assert decoded(content, 3).pixels.shape != upright.shape


def test_an_orientation_that_says_nothing_turns_nothing() -> None:
    exif = Image.Exif()
    for value in (0, 1, 9, 77):
        exif[ORIENTATION] = value
        found = decoded(saved(Image.fromarray(pixels_of(4, 5)), exif=exif), 3)
        assert not found.turned
        np.testing.assert_array_equal(found.pixels, pixels_of(4, 5))


# Colours.


def test_grey_becomes_three_equal_channels_and_colour_luma() -> None:
    grey = pixels_of(4, 4, 1)
    three = decoded(saved(Image.fromarray(grey[..., 0])), 3).pixels
    np.testing.assert_array_equal(three, np.repeat(grey, 3, axis=2))
    colour = pixels_of(4, 4)
    luma = decoded(saved(Image.fromarray(colour)), 1).pixels[..., 0]
    assert np.abs(luma - colour @ [0.299, 0.587, 0.114]).max() <= 0.51


def test_transparent_pictures_are_laid_on_white() -> None:
    pixels = np.full((3, 3, 4), 0, np.uint8)
    pixels[0, 0] = (10, 20, 30, 255)
    pixels[1, 1] = (0, 0, 0, 128)
    found = decoded(saved(Image.fromarray(pixels)), 3)
    assert found.transparent
    assert found.pixels[0, 0].tolist() == [10, 20, 30]
    assert found.pixels[2, 2].tolist() == [255, 255, 255]
    assert found.pixels[1, 1].tolist() == [127, 127, 127]


def test_palettes_and_bits_and_cmyk_are_read() -> None:
    colour = Image.fromarray(pixels_of(6, 6))
    for mode, kind in (("P", "PNG"), ("1", "PNG"), ("CMYK", "TIFF"), ("LA", "PNG")):
        image = colour.convert(mode)
        assert decoded(saved(image, kind), 3).pixels.shape == (6, 6, 3), mode


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_rounded_to_eight(kind: str) -> None:
    wide = np.array([[0, 128, 129, 65535], [257, 300, 65407, 65406]], np.uint16)
    found = decoded(saved(Image.fromarray(wide), kind), 1).pixels[..., 0]
    np.testing.assert_array_equal(found, np.floor(wide / 257 + 0.5))


# What is refused.


def frames(kind: str) -> bytes:
    images = [Image.fromarray(pixels_of(5, 5) // (2 + n)) for n in range(3)]
    return saved(images[0], kind, save_all=True, append_images=images[1:])


def bomb() -> bytes:
    """A PNG of a few bytes whose header tells of 30000x30000 pixels."""
    small = bytearray(saved(Image.new("L", (1, 1))))
    small[16:24] = (30_000).to_bytes(4, "big") * 2
    import zlib

    small[29:33] = zlib.crc32(bytes(small[12:29])).to_bytes(4, "big")
    return bytes(small)


def larger() -> bytes:
    return saved(Image.new("1", (picture.MOST_PIXELS // 1000 + 1, 1000)))


WHOLE = {
    kind: saved(Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)), kind)
    for kind in picture.FORMATS
}
REFUSED = {
    "empty": (b"", "is empty"),
    "text": (b"a text\n" * 50, "is no PNG, JPEG, WebP or TIFF picture"),
    "gif": (saved(Image.new("L", (4, 4)), "GIF"), "is no PNG, JPEG, WebP or TIFF picture"),
    "bomb": (bomb(), "pixels"),
    "larger": (larger(), "pixels, more than"),
    "floats": (saved(Image.new("F", (4, 4)), "TIFF"), "32 bits"),
    **{f"frames {kind}": (frames(kind), "holds 3 pictures") for kind in ("PNG", "WEBP", "TIFF")},
    **{f"truncated {kind}": (content[: len(content) // 2], "damaged") for kind, content in WHOLE.items()},
}


@pytest.mark.parametrize("name", REFUSED)
def test_broken_pictures_are_refused_in_a_phrase(name: str) -> None:
    content, says = REFUSED[name]
    with pytest.raises(PictureError, match=says) as caught:
        decoded(content, 3)
    assert "\n" not in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 10**6), st.binary(min_size=1, max_size=8), st.booleans())
def test_whatever_a_file_holds_it_is_a_picture_or_a_phrase(kind: str, at: int, more: bytes, cut: bool) -> None:
    whole = WHOLE[kind]
    at %= len(whole)
    content = whole[:at] + more + (b"" if cut else whole[at + len(more) :])
    try:
        ended = str(decoded(content, 3).pixels.ndim)
    except PictureError as error:
        ended = str(error)
    assert ended == "3" or ended.startswith(("is ", "has ", "holds "))
    assert "\n" not in ended


def test_a_cameras_several_pictures_count_as_the_first() -> None:
    images = [Image.fromarray(pixels_of(8, 8)), Image.fromarray(pixels_of(8, 9))]
    content = saved(images[0], "MPO", save_all=True, append_images=images[1:])
    assert decoded(content, 3).size == (8, 8)


def test_webp_is_there() -> None:
    assert features.check("webp")
