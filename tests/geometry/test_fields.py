"""Receptive fields worked by hand: rational strides, symmetric padding, unknown sizes, outgrown images."""

from fractions import Fraction

import pytest

from cnnlab.geometry.fields import AlignmentError, Field, fields, outgrown, unproductive
from cnnlab.geometry.windows import window
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.network import (
    Add,
    Blur,
    Concat,
    Conv,
    Dense,
    Flatten,
    GlobalAveragePool,
    GroupPad,
    Input,
    Network,
    Pad,
    Pool,
    Resize,
    SpaceToDepth,
    TransposedConv,
)


def network_of(*nodes, channels=1):
    return Network(
        nodes=(Input(name="image", channels=channels), *nodes), output=nodes[-1].name, features=nodes[-1].name
    )


def conv(name, source, kernel, stride=1, padding="same", filters=1):
    return Conv(
        name=name, inputs=(source,), filters=filters, kernel=(kernel, kernel), stride=(stride, stride), padding=padding
    )


def unet(up):
    """One level of a U-Net: pool, convolution, `up` by two, joined to the skip."""
    return network_of(
        conv("down", "image", 3),
        Pool(name="pool", inputs=("down",), kind="max", kernel=(2, 2), stride=(2, 2)),
        conv("deep", "pool", 3),
        up,
        Concat(name="join", inputs=("down", "up")),
        conv("end", "join", 3),
    )


def test_a_unet_is_aligned_and_its_stride_returns_to_one():
    network = unet(TransposedConv(name="up", inputs=("deep",), filters=1, kernel=(2, 2), stride=(2, 2)))
    found = fields(network, (16, 16))
    assert found["deep"] == Field(rf=(8, 8), shortest=(8, 8), stride=(2, 2), padding=(3, 3))
    half = Fraction(7, 2)
    assert found["up"] == Field(rf=(8, 8), shortest=(8, 8), stride=(1, 1), padding=(half, half))
    assert [window(network, (16, 16), "up", (u, u))[0] for u in (0, 1, 2)] == [(-3, 4), (-3, 4), (-1, 6)]
    assert (found["join"].rf, found["join"].shortest) == ((8, 8), (3, 3))
    assert (found["end"].rf, found["end"].shortest) == ((10, 10), (5, 5))


@pytest.mark.parametrize("kind", ["nearest", "bilinear"])
def test_a_unet_that_interpolates_is_aligned_too(kind):
    network = unet(Resize(name="up", inputs=("deep",), scale=(Fraction(2), Fraction(2)), kind=kind))
    assert fields(network, (16, 16))["up"].rf == {"nearest": (8, 8), "bilinear": (10, 10)}[kind]


def test_a_unet_whose_skip_is_shifted_is_refused():
    network = unet(TransposedConv(name="up", inputs=("deep",), filters=1, kernel=(3, 3), stride=(2, 2)))
    with pytest.raises(AlignmentError, match="join: centre 0 vs -1/2 along the height"):
        fields(network, (16, 16))


def test_transposed_convolutions_divide_the_stride():
    network = network_of(
        conv("small", "image", 3, 2, "valid"),
        TransposedConv(name="up", inputs=("small",), filters=1, kernel=(4, 4), stride=(3, 3), padding="valid"),
    )
    found = fields(network, (9, 9))["up"]
    assert (found.rf, found.stride) == ((5, 5), (Fraction(2, 3), Fraction(2, 3)))
    # the small map's pixels -1 (padding), 0 and 1 paint outputs -3..0, 0..3 and 3..6
    assert [window(network, (9, 9), "up", (u, 0))[0] for u in range(5)] == [(-2, 2), (0, 2), (0, 2), (0, 4), (2, 4)]


def test_a_transposed_convolution_with_gaps_shows_nothing_there():
    up = TransposedConv(name="up", inputs=("image",), filters=1, kernel=(1, 1), stride=(2, 2))
    network = network_of(up, conv("end", "up", 3))
    assert window(network, (4, 4), "up", (0, 1)) == ((0, 0), None)
    assert fields(network, (4, 4))["up"].rf == (1, 1)
    assert [window(network, (4, 4), "end", (u, u))[0] for u in (0, 1, 2)] == [(0, 0), (0, 1), (1, 1)]


def test_blur_space_to_depth_and_cropping_move_the_field_like_windows():
    network = network_of(
        Pad(name="crop", inputs=("image",), padding=((-2, -1), (1, 1)), mode="circular"),
        SpaceToDepth(name="squeeze", inputs=("crop",), block=2),
        Blur(name="blur", inputs=("squeeze",), kernel=(3, 3), stride=(2, 2), padding=((1, 1), (1, 1))),
    )
    found = fields(network, (11, 10))["blur"]
    assert found == Field(rf=(6, 6), shortest=(6, 6), stride=(4, 4), padding=(0, 3))


@pytest.mark.parametrize(
    ("channels", "rf", "padding"), [(4, (3, 3), (1, 1)), (3, (3, 3), (1, 1)), (2, (2, 3), (1, 1)), (1, (2, 2), (1, 1))]
)
def test_symmetric_padding_unites_the_shifts_of_the_groups_there_are(channels, rf, padding):
    pad = GroupPad(name="pad", inputs=("image",), total=(1, 1))
    network = network_of(pad, conv("conv", "pad", 2, padding="valid"), channels=channels)
    found = fields(network, (8, 8))["conv"]
    assert (found.rf, found.padding) == (rf, padding)


def test_symmetric_padding_is_aligned_with_a_skip_where_alternating_is_not():
    pad = GroupPad(name="pad", inputs=("image",), total=(1, 1))
    even = conv("conv", "pad", 2, padding="valid", filters=4)
    fields(network_of(pad, even, Add(name="sum", inputs=("image", "conv")), channels=4), (8, 8))
    lopsided = conv("conv", "image", 2, filters=4)
    with pytest.raises(AlignmentError, match="sum: centre 0 vs 1/2"):
        fields(network_of(lopsided, Add(name="sum", inputs=("image", "conv")), channels=4), (8, 8))


def head(*nodes):
    return network_of(conv("conv", "image", 5), *nodes)


@pytest.mark.parametrize("whole", [GlobalAveragePool, Flatten])
def test_behind_a_whole_map_every_output_sees_the_image(whole):
    network = head(whole(name="whole", inputs=("conv",)), Dense(name="out", inputs=("whole",), units=3))
    for name in ("whole", "out"):
        assert fields(network, (7, 9))[name] == Field(
            rf=(7, 9), shortest=(7, 9), stride=None, padding=(0, 0), axes=(True, True)
        )
        assert fields(network, None)[name].rf is None
    assert window(network, (7, 9), "out", (0, 0)) == ((-2, 8), (-2, 10))
    with pytest.raises(InvalidError, match="give an image size"):
        window(network, None, "out", (0, 0))


def test_padding_that_no_size_changes_is_known_without_one():
    network = network_of(conv("same", "image", 3), conv("point", "same", 1, 2), conv("pool", "point", 2, 2))
    assert fields(network, None)["pool"] == Field(rf=(5, 5), shortest=(5, 5), stride=(4, 4), padding=(1, 1))
    strided = network_of(conv("strided", "image", 3, 2))
    assert fields(strided, None)["strided"].padding == (None, None)
    assert fields(strided, (8, 8))["strided"].padding == (0, 0)
    assert fields(strided, (9, 9))["strided"].padding == (1, 1)


def stem_and_block(kernel):
    """Make a strided SAME stem of unknown padding, then a residual block whose paths share it."""
    return network_of(
        conv("stem", "image", 3, 2), conv("inner", "stem", kernel), Add(name="sum", inputs=("stem", "inner"))
    )


def test_paths_are_compared_where_they_share_what_is_unknown():
    assert fields(stem_and_block(3), None)["sum"].rf == (7, 7)
    assert fields(stem_and_block(3), None)["sum"].padding == (None, None)
    with pytest.raises(AlignmentError, match="sum: centre 1 vs 2"):
        fields(stem_and_block(2), None)


def test_paths_with_different_unknowns_are_not_judged():
    def fork(stride):
        return network_of(
            conv("three", "image", 3, 2), conv("one", "image", 1, stride), Add(name="sum", inputs=("three", "one"))
        )

    found = fields(fork(2), None)["sum"]
    assert (found.rf, found.stride, found.padding) == ((3, 3), (2, 2), (None, None))
    with pytest.raises(AlignmentError, match="sum: stride 2 vs 1"):
        fields(fork(1), None)


def test_windows_say_when_they_need_a_size_and_which_nodes_there_are():
    network = stem_and_block(3)
    with pytest.raises(InvalidError, match="the SAME padding of layer stem needs an image size"):
        window(network, None, "sum", (0, 0))
    with pytest.raises(InvalidError, match="choose one of image, stem, inner, sum"):
        window(network, (8, 8), "stam", (0, 0))


def test_layers_whose_input_sees_more_than_the_image_are_unproductive():
    network = network_of(*(conv(f"c{n}", f"c{n - 1}" if n else "image", 3) for n in range(4)), conv("point", "c3", 1))
    assert outgrown(network, (7, 7)) == {
        "image": False,
        "c0": False,
        "c1": False,
        "c2": False,
        "c3": True,
        "point": True,
    }
    assert unproductive(network, (7, 7)) == ()
    assert unproductive(network, (6, 6)) == ("c3",)
    assert not any(outgrown(network, (9, 9)).values())
