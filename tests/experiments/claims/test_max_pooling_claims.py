"""Verdicts on max-pooling by computation, pinned by Flax and by counting; and the faults that must turn them."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

from cnnlab.inference.family import Family, judge
from experiments.analysis.verdicts import claim_case
from experiments.claims.max_pooling import mp_discards_unneeded, mp_odd_drop, mp_shrinks_spatial


def judged(module):
    found = {"claim": claim_case("claim", module.CLAIM, {}, Path("nowhere"))}
    return judge(found, Family(claims=27, moderator_contrasts=40))["claim"]


# ------------------------------------------------------------------------------------------------- it shrinks the map


def flax_side(side, window, stride, padding):
    shape = jax.eval_shape(
        lambda x: linen.max_pool(x, (window, window), (stride, stride), padding.upper()),
        jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32),
    ).shape
    return shape[1], shape[3]


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_pooled_sizes_are_those_of_flax(padding):
    for side in (1, 2, 3, 7, 8, 28, 63, 64):
        for window, stride in ((2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (3, 3)):
            if padding == "same" or window <= side:
                found = mp_shrinks_spatial.pooled(side, window, stride, padding)
                assert found == flax_side(side, window, stride, padding)


def test_a_pool_shrinks_the_map_where_its_stride_does():
    verdict = judged(mp_shrinks_spatial)
    assert verdict.word == "qualified"
    assert "stride is 2 or more" in (verdict.condition or "")
    # Flax's pool without strides: 28 becomes 27
    shape = jax.eval_shape(lambda x: linen.max_pool(x, (2, 2)), jax.ShapeDtypeStruct((1, 28, 28, 1), jnp.float32)).shape
    assert f"of stride 1 into {shape[1]}x{shape[2]}" in (verdict.nearest_true or "")


def test_a_pool_that_forgets_its_stride_is_refuted(monkeypatch):
    real = mp_shrinks_spatial.pool
    monkeypatch.setattr(mp_shrinks_spatial, "pool", lambda window, stride, padding: real(window, 1, padding))
    assert judged(mp_shrinks_spatial).word == "refuted"


# -------------------------------------------------------------------------------------------- the last row of odd maps


def last_row_is_read(mode, side):
    """Say whether the pooled map changes with the last row, by Flax's own pool."""
    slide = mp_odd_drop.window(mode, side)
    pads = ((slide.low, slide.high),) * 2
    image = np.zeros((1, side, side, 1), np.float32)
    lit = image.copy()
    lit[0, -1] = 1
    one, two = (linen.max_pool(jnp.asarray(x), (slide.taps,) * 2, (2, 2), pads) for x in (image, lit))
    return bool((one != two).any())


def test_a_mode_reads_the_last_row_where_flax_s_pool_sees_it():
    for mode in mp_odd_drop.MODES:
        for side in (6, 7):
            assert last_row_is_read(mode, side) == (mp_odd_drop.read_by(mode, side)[-1] > 0)


def test_it_is_not_always_so_that_the_last_row_is_dropped():
    verdict = judged(mp_odd_drop)
    assert verdict.word == "refuted"
    assert "7x7 becomes 4x4" in (verdict.counterexample or "")
    # 49 - 36 pixels of 7x7, 28**2 - 24**2 of 28x28
    assert "26.5% of a 7x7 map" in (verdict.nearest_true or "")
    assert "26.5% of a 28x28" in (verdict.nearest_true or "")


def test_a_label_in_the_last_row_is_at_chance_or_at_the_ceiling():
    found = {mode: mp_odd_drop.accuracy(mode) for mode in mp_odd_drop.MODES}
    assert found.pop(mp_odd_drop.FLOOR) == pytest.approx(1 / mp_odd_drop.CLASSES)
    assert set(found.values()) == {1.0}


def test_were_flooring_the_only_mode_the_claim_would_hold(monkeypatch):
    monkeypatch.setattr(mp_odd_drop, "MODES", {mp_odd_drop.FLOOR: (2, "valid")})
    assert judged(mp_odd_drop).word == "supported"


def test_a_ceil_mode_that_floors_is_noticed(monkeypatch):
    monkeypatch.setattr(mp_odd_drop, "CEIL", "no mode")
    ceil = "2x2, ceil mode"
    assert mp_odd_drop.accuracy(ceil) == pytest.approx(1 / mp_odd_drop.CLASSES)


# -------------------------------------------------------------------------------------------------- what is thrown away


def test_what_survives_is_the_largest_of_each_window():
    maps = np.random.default_rng(1).permutation(8 * 8).reshape(1, 8, 8, 1) / 64
    share, same = mp_discards_unneeded.surviving(3, 2, maps)
    winners = {int(maps[0, row : row + 3, column : column + 3].max() * 64) for row in (0, 2, 4) for column in (0, 2, 4)}
    assert share[0] == pytest.approx(len(winners) / 64)
    assert same


def test_a_max_pool_throws_values_away_and_waits_for_probes():
    verdict = judged(mp_discards_unneeded)
    assert verdict.word == "inconclusive"
    assert verdict.evidence["it throws pixels away"]["word"] == "supported"
    assert verdict.number.value == pytest.approx(25)
    for part in ("not needed where the notes pool", "needed at the first layer"):
        assert part in verdict.reason


def test_an_average_that_poses_as_a_maximum_is_refuted(monkeypatch):
    real = mp_discards_unneeded.Pool
    monkeypatch.setattr(mp_discards_unneeded, "Pool", lambda **settings: real(**{**settings, "kind": "avg"}))
    assert judged(mp_discards_unneeded).word == "refuted"


def test_of_white_noise_a_quarter_is_left_by_subsampling_and_less_by_the_maximum():
    found = mp_discards_unneeded.decodability()
    assert found["every second pixel", "white"] == pytest.approx(0.25, abs=0.05)
    assert found["average-pool 2x2", "white"] == pytest.approx(0.25, abs=0.05)
    assert found["max-pool 2x2", "white"] < 0.2
    assert found["average-pool 2x2", "pink"] > found["every second pixel", "pink"]
