"""Decoders that differ in their up-sampling alone: their parts, what is measured, and the same bytes again."""

import dataclasses
import gzip
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest
from numpy.typing import NDArray

from cnnlab.data import raw
from cnnlab.geometry.cost import cost
from cnnlab.geometry.sizes import maps
from cnnlab.geometry.windows import window
from cnnlab.probes import upsampling
from cnnlab.probes.upsampling import (
    ARMS,
    ICNR,
    KERNELS,
    MAPS,
    MARGIN,
    RESIZED,
    SUB_PIXEL,
    Painted,
    Pictures,
    decoder,
    digit_mosaics,
    fashion,
    halved,
    painted,
    train,
)
from cnnlab.spec.invalid import InvalidError


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    whole = digit_mosaics()
    return dataclasses.replace(whole, train=whole.train[:64], test=whole.test[:8])


@pytest.mark.parametrize("arm", ARMS)
def test_every_decoder_doubles_the_side_and_differs_in_one_place(arm: str) -> None:
    network = decoder(arm)
    found = maps(network, (12, 12))
    assert (found["conv1"].size, found[MAPS].size, found["output"].size) == ((12, 12), (24, 24), (24, 24))
    assert (found["conv1"].channels, found[MAPS].channels, found["output"].channels) == (8, 8, 1)
    names = [node.name for node in network.nodes]
    assert names[:3] + names[-2:] == ["image", "conv1", "act1", "act2", "output"]


def test_parameters_by_hand() -> None:
    rest = (9 * 8 + 8) + (8 + 1)
    expected = {f"transposed {size}": size * size * 64 + 8 for size in KERNELS}
    expected |= {SUB_PIXEL: 9 * 8 * 32 + 32, ICNR: 9 * 8 * 32 + 32, RESIZED[0]: 9 * 64 + 8, RESIZED[1]: 9 * 64 + 8}
    assert {arm: cost(decoder(arm), (12, 12)).params - rest for arm in ARMS} == expected


def reach_of_the_border(arm: str) -> int:
    """Pixels of the maps, from the border, whose window leaves the image."""
    network = decoder(arm)
    inside = []
    for unit in range(24):
        seen = window(network, (12, 12), MAPS, (unit, unit))[0]
        inside.append(seen is not None and seen[0] >= 0 and seen[1] < 12)
    return max(inside.index(True), inside[::-1].index(True))


def test_the_margin_is_what_the_border_reaches() -> None:
    assert max(map(reach_of_the_border, ARMS)) == MARGIN


def test_mosaics_are_digits_and_halving_is_the_mean_of_blocks() -> None:
    made = digit_mosaics()
    assert (made.train.shape, made.test.shape) == ((1024, 24, 24), (64, 24, 24))
    assert (made.train.min(), made.train.max()) == (0, 1)
    np.testing.assert_array_equal(made.test, digit_mosaics().test)
    small = halved(made.test)
    assert small[3, 4, 5] == pytest.approx(made.test[3, 8:10, 10:12].mean())


def test_random_transposed_convolutions_have_the_energy_of_their_counts() -> None:
    for size in KERNELS:
        found = painted(size)
        assert abs(found.mean_net - found.predicted) < 3 * found.error
        # place by place, not only their spread
        expected = found.counts / found.counts.mean()
        scale = found.energies.mean()
        error = found.energies.std(0, ddof=1) / np.sqrt(60) / scale
        assert (np.abs(found.energies.mean(0) / scale - expected) < 3 * error).all()
        if size % 2:
            wrong = Painted(kernel=size, counts=painted(size + 1, nets=2).counts, energies=found.energies)
            assert abs(wrong.mean_net - wrong.predicted) > 3 * wrong.error
        else:
            # the chance of its weights makes a single net uneven where the counts are not
            assert found.median > found.mean_net + 3 * found.error


def test_icnr_starts_without_a_board_and_plain_phases_with_one(pictures: Pictures) -> None:
    equal, plain = (train(arm, pictures, seeds=(0,), steps=0)[0] for arm in (ICNR, SUB_PIXEL))
    assert abs(equal.init.pattern_maps) < 0.01
    assert equal.init.flat_maps == equal.init.flat_output == 0
    assert equal.init.dispersion_maps < 1e-3
    assert plain.init.pattern_maps > 0.1
    assert plain.init.flat_maps > 0.3
    assert equal.init == equal.trained


def test_training_lowers_the_error_and_the_same_seed_gives_the_same_bytes(pictures: Pictures) -> None:
    (begun,) = train("transposed 3", pictures, seeds=(4,), steps=0)
    other, once = train("transposed 3", pictures, seeds=(5, 4), steps=12)
    (again,) = train("transposed 3", pictures, seeds=(4,), steps=12)
    assert (once.init, once.trained, once.mse) == (again.init, again.trained, again.mse)
    assert all(once.shown[name].tobytes() == again.shown[name].tobytes() for name in once.shown)
    assert once.mse < 0.8 * begun.mse
    assert once.init == begun.init
    assert other.trained != once.trained
    assert set(once.shown) == {"init maps", "init output", "trained maps", "trained output"}
    assert once.shown["trained output"].shape == (24, 24)


def test_an_unknown_arm_and_images_too_small_are_refused() -> None:
    with pytest.raises(InvalidError, match="arm=cubic is not valid: choose one of transposed 2"):
        decoder("cubic")
    with pytest.raises(InvalidError, match="at least 16 pixels"):
        Pictures(name="small", train=np.zeros((1, 8, 8)), test=np.zeros((1, 8, 8)))


def idx(images: NDArray[np.uint8]) -> bytes:
    head = bytes([0, 0, 8, images.ndim]) + b"".join(side.to_bytes(4, "big") for side in images.shape)
    return gzip.compress(head + images.tobytes())


def test_fashion_is_read_from_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidError, match="is missing; fashion_mnist needs"):
        fashion(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, size=(70, 28, 28)).astype(np.uint8)
    for part in raw.IDX.values():
        for name in part:
            (tmp_path / name).write_bytes(idx(images))
    with pytest.raises(InvalidError, match="SHA-256"):
        fashion(tmp_path)
    accept: Callable[..., None] = lambda *_: None  # noqa: E731
    monkeypatch.setattr(raw, "verify", accept)
    made = fashion(tmp_path)
    # `found` compares nothing, so that only the reading is tried here
    assert (made.train.shape, made.test.shape) == ((70, 28, 28), (64, 28, 28))
    np.testing.assert_allclose(made.test[5] * 255, images[5])


@pytest.mark.slow
def test_every_arm_trains_and_resizing_has_no_board(pictures: Pictures) -> None:
    whole = digit_mosaics()
    for arm in ARMS:
        for member in train(arm, whole, seeds=(0, 1), steps=60):
            assert member.mse < 0.05
            board = member.trained.pattern_maps
            assert abs(board) < 0.01 if arm in RESIZED else board > 0.005
            assert jax.tree.all(jax.tree.map(np.isfinite, dataclasses.asdict(member.trained)))
    assert upsampling.PERIOD == 2
