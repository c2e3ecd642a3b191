"""Verdicts on strides by computation, pinned by counting, by gradients and by JAX; and the faults that turn them."""

import itertools
from collections import Counter
from math import prod
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cnnlab.geometry.axis import Slide
from cnnlab.geometry.coverage import coverage, interior, sliding
from cnnlab.inference.family import Family, judge
from cnnlab.inference.rules.all_of import AllOf
from cnnlab.probes.input_energy import log_slope
from experiments.analysis.verdicts import claim_case
from experiments.claims.strides import (
    st2_accumulation,
    st2_blurs,
    st2_coverage_counts,
    st2_coverage_uneven,
    st_bad_when_detail_needed,
    st_covers_more_than_once,
    st_info_loss,
    st_ok_simple_problem,
    st_size_drastic,
)


def judged(module):
    found = {"claim": claim_case("claim", module.CLAIM, {}, Path("nowhere"))}
    return judge(found, Family(claims=27, moderator_contrasts=40))["claim"]


def part(verdict, name):
    """The word of one part."""
    return verdict.evidence[name]["word"]


def convolved(image, kernel, stride, padding):
    """JAX's own convolution of one image [side, side] by [k, k], in float64."""
    with jax.enable_x64(True):
        images, weights = jnp.asarray(image)[None, :, :, None], jnp.asarray(kernel)[:, :, None, None]
        numbers = ("NHWC", "HWIO", "NHWC")
        return np.asarray(lax.conv_general_dilated(images, weights, (stride,) * 2, padding, dimension_numbers=numbers))[
            0, :, :, 0
        ]


# ----------------------------------------------------------------------------------------------------- st-size-drastic


def test_sizes_after_strides_are_those_of_jax():
    for side, kernel, stride, padding in itertools.product((1, 7, 28), (2, 3), (1, 2, 3), ("same", "valid")):
        if padding == "same" or kernel <= side:
            shape = lax.padtype_to_pads((side,), (kernel,), (stride,), padding.upper())
            out = (side + sum(shape[0]) - kernel) // stride + 1
            assert st_size_drastic.convolved(side, kernel, stride, padding) == out
            assert st_size_drastic.pooled(side, kernel, stride, padding) == out


def test_strides_shrink_maps_and_no_more_than_pools_do():
    verdict = judged(st_size_drastic)
    assert verdict.word == "qualified"
    assert part(verdict, "taken by itself") == "qualified"
    assert part(verdict, "against a pool of that stride") == "refuted"
    assert "14x14 by a 3x3 convolution of stride 2 and 14x14 by a 2x2 max-pool" in (verdict.nearest_true or "")


def test_stride_two_pretending_to_be_three_leaves_less_than_its_share(monkeypatch):
    real = st_size_drastic.convolved
    monkeypatch.setattr(
        st_size_drastic, "convolved", lambda side, k, stride, padding: real(side, k, stride + 1, padding)
    )
    assert part(judged(st_size_drastic), "taken by itself") == "refuted"


# --------------------------------------------------------------------------------------------- st-covers-more-than-once


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (2, 3), (5, 4), (7, 2)])
def test_mean_coverage_is_the_ratio_of_areas(kernel, stride):
    assert st_covers_more_than_once.mean_coverage(kernel, stride) == pytest.approx((kernel / stride) ** 2, abs=1e-12)


def test_strides_cover_some_pixels_twice_and_less_than_stride_one():
    verdict = judged(st_covers_more_than_once)
    assert verdict.word == "qualified"
    assert part(verdict, "taken by itself") == "qualified"
    assert part(verdict, "more than at stride 1") == "refuted"
    assert "2.25 times on average at stride 2" in (verdict.nearest_true or "")


def test_were_strides_to_cover_more_the_claim_would_hold(monkeypatch):
    def generous(length, kernel, stride, padding):
        return tuple(count * stride**2 + 1 for count in coverage(length, kernel, stride, padding))

    monkeypatch.setattr(st_covers_more_than_once, "coverage", generous)
    assert judged(st_covers_more_than_once).word == "supported"


# -------------------------------------------------------------------------------------------------- st2-coverage-counts


def check_counts(module, side, padding):
    """Compare the counts with the gradient of the real net, all of whose weights are 1."""
    pads = module.PADDINGS[padding]
    both = pads.upper() if isinstance(pads, str) else (pads, pads)
    kernel = jnp.ones((1, 1, 3, 3))
    read = jax.grad(lambda image: jax.lax.conv_general_dilated(image, kernel, (2, 2), both).sum())
    expected = Counter(int(count) for count in np.asarray(read(jnp.zeros((1, 1, side, side)))).ravel())
    return module.counts(side, padding) == expected


@pytest.mark.parametrize("padding", st2_coverage_counts.PADDINGS)
@pytest.mark.parametrize("side", [7, 8])
def test_counts_are_those_of_gradients(side, padding):
    assert check_counts(st2_coverage_counts, side, padding)


def test_a_stride_of_three_that_poses_as_two_is_noticed(monkeypatch):
    monkeypatch.setattr(st2_coverage_counts, "STRIDE", 3)
    assert not check_counts(st2_coverage_counts, 8, "JAX SAME")
    monkeypatch.setattr(st2_coverage_counts, "PADDINGS", dict.fromkeys(st2_coverage_counts.PADDINGS, "same"))
    assert judged(st2_coverage_counts).word == "supported"


def test_pixels_are_covered_four_times_and_never_thrice():
    verdict = judged(st2_coverage_counts)
    assert verdict.word == "refuted"
    assert "1 (25%), 2 (50%), 4 (25%)" in (verdict.nearest_true or "")
    assert "3 occurs 0 times" in (verdict.nearest_true or "")
    # counted window by window: the only map of the 186 that has no 4 and no 0 is 3x3 without padding, one window
    assert verdict.evidence["counterexamples"] == 3 * len(st2_coverage_counts.SIDES) - 1


# -------------------------------------------------------------------------------------------------- st2-coverage-uneven


def hyperbinary(number, digits):
    """Count, one by one, the ways to write a number with that many binary digits 0, 1 and 2."""
    return sum(
        sum(digit << place for place, digit in enumerate(written)) == number
        for written in itertools.product((0, 1, 2), repeat=digits)
    )


def stern(last):
    values = [0, 1]
    while len(values) <= last:
        half, odd = divmod(len(values), 2)
        values.append(values[half] + values[half + 1] if odd else values[half])
    return values


def check_law(count_paths, depth):
    """Geometry, Stern's recurrence at the place that the proof says, and brute force must agree pixel by pixel."""
    size = 2**depth
    counts, row = count_paths(16 * size, depth), stern(2 * size)
    first = 4 * size
    by_geometry = list(counts[first : first + size])
    by_recurrence = [row[size + 1 + pixel] for pixel in range(size)]
    by_force = [hyperbinary(pixel, depth) + hyperbinary(pixel + size, depth) for pixel in range(size)]
    return by_geometry == by_recurrence == by_force


def paths(length, depth):
    return coverage(length, 3, 2, "same", depth=depth)


@pytest.mark.parametrize("depth", range(1, 7))
def test_counts_are_hyperbinary_representations_and_stern_s_sequence(depth):
    assert check_law(paths, depth)


@pytest.mark.parametrize("depth", [1, 3])
def test_other_kernels_strides_and_paddings_break_the_law(depth):
    assert not check_law(lambda length, layers: coverage(length, 4, 2, depth=layers), depth)
    assert not check_law(lambda length, layers: coverage(length, 5, 2, depth=layers), depth)
    assert not check_law(lambda length, layers: coverage(length, 3, 3, depth=layers), depth)
    assert not check_law(lambda length, layers: coverage(length, 3, 2, (1, 1), depth=layers), depth)


@pytest.mark.parametrize("depth", range(1, 13))
def test_the_largest_number_of_a_row_is_fibonacci_s_at_the_places_of_the_proof(depth):
    row = stern(2 ** (depth + 1))[2**depth :]
    fibonacci, places = [1, 2], [1, 3]
    while len(places) <= depth:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
        places.append(places[-1] + 2 * places[-2])
    assert min(row) == 1
    assert max(row) == fibonacci[depth] == stern(places[depth])[-1] == st2_coverage_uneven.fibonacci(depth + 2)


def test_the_largest_over_the_least_in_the_plane():
    assert [st2_coverage_uneven.uneven(depth) for depth in range(1, 7)] == [4, 9, 25, 64, 169, 441]
    rows = {row[0]: row for row in st2_coverage_uneven.stacked().rows}
    assert all(row[2] is True and row[3] == row[4] for row in rows.values())


@pytest.mark.parametrize(("kernel", "stride"), list(itertools.product(range(1, 10), range(2, 7))))
def test_counts_are_equal_exactly_where_the_stride_divides_the_kernel(kernel, stride):
    by_class = {sum(tap % stride == place for tap in range(kernel)) for place in range(stride)}
    found = set(st2_coverage_uneven.line(kernel, stride))
    assert found == by_class
    assert (len(found) == 1) == (kernel % stride == 0)


@pytest.fixture(scope="module")
def uneven():
    return judged(st2_coverage_uneven)


@pytest.mark.slow
def test_unevenness_is_qualified_seen_at_init_and_awaits_training(uneven):
    assert uneven.word == "inconclusive"
    assert part(uneven, "counts") == "qualified"
    assert part(uneven, "gradient at init") == "supported"
    assert uneven.evidence["gradient at init"]["low"] > 0.9
    assert uneven.evidence["gradient at init"]["high"] < 1.1
    assert "gradient after training" in uneven.reason


@pytest.mark.slow
def test_measured_gradient_energy_follows_the_counts(uneven):
    for name, predicted in zip(st2_coverage_uneven.LOTTERY, (4, 9, 25), strict=True):
        counts, energies = st2_coverage_uneven.at_init()[name]
        mean = energies.mean(0)
        assert counts.max() / counts.min() == predicted
        assert mean[counts == counts.max()].mean() / mean[counts == counts.min()].mean() == pytest.approx(
            predicted, rel=0.2
        )
        assert np.corrcoef(counts.ravel(), mean.ravel())[0, 1] > 0.95


@pytest.mark.slow
def test_nets_whose_stride_divides_their_kernel_do_not_pass_for_the_lottery(uneven):
    counts, _ = st2_coverage_uneven.at_init()["3x3, stride 2, 2 deep"]
    _, energies = st2_coverage_uneven.at_init()["4x4, stride 2, 2 deep"]
    slopes = st2_coverage_uneven.Slopes(values=tuple(log_slope(energy, counts) for energy in energies), what="slope")
    assert st2_coverage_uneven.Slope(above=0.25).conclude(slopes, None).word == "refuted"


def test_a_net_that_covers_evenly_turns_the_counts(monkeypatch):
    real = st2_coverage_uneven.line
    monkeypatch.setattr(st2_coverage_uneven, "line", lambda kernel, stride, depth=1: real(stride, stride, depth))
    assert st2_coverage_uneven.CLAIM.rule.parts[0][1].conclude(st2_coverage_uneven.compute(), None).word == "refuted"


def test_classic_nets_without_strided_odd_kernels_are_even():
    found = st2_coverage_uneven.real()
    assert found["VGG-16"] == 1
    # the stem's 7x7 and 3x3 of stride 2, each damped by what follows: uneven, less than a bare pair of them
    assert 1 < found["ResNet-18"] < found["AlexNet"] < found["MobileNet-V1"]
    strided = prod([(2 / 1) ** 2] * 5)
    assert found["MobileNet-V1"] < strided


# ----------------------------------------------------------------------------------------------------- st2-accumulation


def test_impulses_reach_what_jax_says():
    kernel = np.random.default_rng(2).normal(size=(3, 3))
    for stride, (row, column) in itertools.product((1, 2), itertools.product((4, 5), repeat=2)):
        image = np.zeros((12, 12))
        image[row, column] = 1
        expected = convolved(image, kernel, stride, "SAME")
        found = st2_accumulation.responses(kernel, 12, stride, st2_accumulation.JAX)[:, row, column]
        assert np.allclose(found, expected.ravel())


def test_an_impulse_is_dispersed_unevenly_and_less_than_at_stride_one():
    verdict = judged(st2_accumulation)
    assert verdict.word == "qualified"
    assert part(verdict, "as to evenness") == "qualified"
    assert part(verdict, "as to amount, against stride 1") == "refuted"
    assert "9 outputs at stride 1 and 1, 2 or 4 at stride 2" in (verdict.nearest_true or "")


def test_the_four_places_of_an_impulse_share_the_energy_of_stride_one():
    for kernel, side, padding in st2_accumulation.cases():
        strided, plain = (
            (st2_accumulation.inner(st2_accumulation.responses(kernel, side, stride, padding)) ** 2).sum(0)
            for stride in (2, 1)
        )
        assert strided[:2, :2].sum() == pytest.approx(plain[0, 0], rel=1e-10)


def test_a_stride_of_one_that_poses_as_two_turns_the_verdict(monkeypatch):
    real = st2_accumulation.window
    monkeypatch.setattr(
        st2_accumulation, "window", lambda side, kernel, stride, padding: real(side, kernel, 1, padding)
    )
    assert judged(st2_accumulation).word == "refuted"


# ------------------------------------------------------------------------------------------------------------ st2-blurs


def test_stride_two_is_every_second_output_and_awaits_trained_kernels():
    verdict = judged(st2_blurs)
    assert verdict.word == "inconclusive"
    assert part(verdict, "the stride itself") == "refuted"
    assert verdict.number.value == pytest.approx(50)
    assert isinstance(st2_blurs.CLAIM.rule, AllOf)
    assert st2_blurs.CLAIM.rule.together
    kernel, image = np.random.default_rng(0).normal(size=(3, 3)), np.random.default_rng(1).normal(size=(10, 10))
    one, two = (convolved(image, kernel, stride, [(1, 1)] * 2) for stride in (1, 2))
    assert np.allclose(two, one[::2, ::2], rtol=1e-12)
    one, two = (convolved(image, kernel, stride, "SAME") for stride in (1, 2))
    assert np.allclose(two, one[1::2, 1::2], rtol=1e-12)


def test_the_finest_grating_becomes_constant():
    image = np.cos(np.pi * np.arange(8)) * np.ones((8, 1))
    assert np.array_equal(convolved(image, np.ones((1, 1)), 2, "VALID"), np.ones((4, 4)))
    assert np.allclose(st2_blurs.halved("average-pool 2x2", image[None]), 0)


def test_a_stride_that_blurs_turns_the_verdict(monkeypatch):
    real = st2_blurs.convolved

    def blurring(images, kernel, stride, padding):
        smooth = (images + jnp.roll(images, 1, axis=2)) / 2
        return real(smooth if stride == 2 else images, kernel, stride, padding)

    monkeypatch.setattr(st2_blurs, "convolved", blurring)
    st2_blurs.passed.cache_clear()
    try:
        assert part(judged(st2_blurs), "the stride itself") == "supported"
    finally:
        st2_blurs.passed.cache_clear()


# --------------------------------------------------------------------------------------------------------- st-info-loss


@pytest.mark.parametrize(("kernel", "stride", "widening"), [(3, 2, 1), (3, 2, 4), (1, 2, 4), (2, 3, 9), (3, 3, 9)])
def test_ranks_are_those_of_jax_s_jacobian(kernel, stride, widening):
    side = st_info_loss.BLOCKS * stride
    with jax.enable_x64(True):
        drawn = jnp.asarray(st_info_loss.drawn_kernel(kernel, 1, widening, seed=7))
        numbers = ("NHWC", "HWIO", "NHWC")
        jacobian = jax.jacobian(
            lambda x: lax.conv_general_dilated(
                x.reshape(1, side, side, 1), drawn, (stride, stride), "SAME", dimension_numbers=numbers
            ).ravel()
        )(jnp.zeros(side**2))
    rank = np.linalg.matrix_rank(np.asarray(jacobian))
    # windows that tile or overlap read every pixel; smaller ones read kernel^2 of every stride^2
    assert rank == st_info_loss.BLOCKS**2 * min(widening, kernel**2, stride**2)
    assert st_info_loss.rank(kernel, stride, widening)[0] == rank


def test_a_strided_convolution_can_be_undone_with_four_times_the_channels():
    verdict = judged(st_info_loss)
    assert verdict.word == "inconclusive"
    assert part(verdict, "it cannot be undone") == "qualified"
    assert "accuracy against a max-pool" in verdict.reason
    found = st_info_loss.decodability()
    assert found["conv 3x3, stride 2", 4, ""][0] > 0.97
    assert found["conv 3x3, stride 2", 4, "CReLU"][0] > 0.97
    assert found["conv 3x3, stride 2", 4, "ReLU"][1] == pytest.approx(0.5, abs=0.07)
    assert found["space to depth", 4, ""] == pytest.approx((1, 1), abs=1e-6)
    # of white noise, a quarter or half as many numbers cannot carry more than a quarter or half of the variance
    for widening in (1, 2):
        assert found["conv 3x3, stride 2", widening, ""][1] == pytest.approx(widening / 4, abs=0.05)


def test_filters_that_repeat_turn_the_verdict(monkeypatch):
    real = st_info_loss.drawn_kernel

    def repeated(kernel, channels, filters, seed=0):
        return np.repeat(real(kernel, channels, 1, seed), filters, axis=3)

    st_info_loss.decodability()
    monkeypatch.setattr(st_info_loss, "drawn_kernel", repeated)
    st_info_loss.matrix.cache_clear()
    st_info_loss.rank.cache_clear()
    try:
        assert part(judged(st_info_loss), "it cannot be undone") == "supported"
    finally:
        st_info_loss.matrix.cache_clear()
        st_info_loss.rank.cache_clear()


# ---------------------------------------------------------------------------------------------- what no sweep feeds yet


@pytest.mark.parametrize("module", [st_bad_when_detail_needed, st_ok_simple_problem])
def test_what_training_has_to_say_is_untested_and_says_what_it_waits_for(module):
    verdict = judged(module)
    assert verdict.word == "untested"
    assert "the sweep" in verdict.reason


def test_windows_that_tile_are_written_as_windows():
    assert sliding(8, 3, 2, "same") == Slide(taps=3, stride=2, low=0, high=1)
    assert set(interior(coverage(16, 2, 2), 2)) == {1}
