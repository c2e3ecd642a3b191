"""Verdicts on 1x1 convolutions, pinned by linear algebra on the weights alone; and the faults that must turn them."""

from pathlib import Path

import numpy as np
import pytest

from cnnlab.inference.family import Family, judge
from experiments.claims.pointwise import pw_filters_background, pw_merges_cooccurring, pw_one_number, pw_weighted_sum
from experiments.claims.pointwise.pw_weighted_sum import PointwiseCase


def judged(module):
    from experiments.analysis.verdicts import claim_case

    found = {"claim": claim_case("claim", module.CLAIM, {}, Path("nowhere"))}
    return judge(found, Family(claims=27, moderator_contrasts=40))["claim"]


def test_a_weighted_sum_it_is():
    """Pixel by pixel, by hand."""
    random = np.random.default_rng(5)
    images, weights, bias = random.normal(size=(1, 3, 2, 3)), random.normal(size=(3, 2)), random.normal(size=2)
    found = pw_weighted_sum.pointwise(PointwiseCase(images=images, weights=weights, bias=bias))
    for row, column in np.ndindex(3, 2):
        np.testing.assert_allclose(found[0, row, column], weights.T @ images[0, row, column] + bias, atol=1e-14)
    assert judged(pw_weighted_sum).word == "supported"


FAULTS = {
    "an activation": lambda make: lambda case: np.maximum(make(case), 0),
    "a neighbour": lambda make: lambda case: make(case) + np.roll(make(case), 1, 1),
    "no bias": lambda make: lambda case: make(PointwiseCase(images=case.images, weights=case.weights, bias=None)),
    "one weight wrong": lambda make: lambda case: make(case) * (1 + 1e-8),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_layer_that_is_no_weighted_sum_is_refuted(monkeypatch, name):
    monkeypatch.setattr(pw_weighted_sum, "pointwise", FAULTS[name](pw_weighted_sum.pointwise))
    assert judged(pw_weighted_sum).word == "refuted"


def test_one_number_is_enough_for_one_channel_only():
    verdict = judged(pw_one_number)
    assert verdict.word == "qualified"
    assert "reads a single channel" in (verdict.condition or "")
    assert verdict.n == len(pw_one_number.CHANNELS) ** 2 * pw_one_number.DRAWS


def test_what_one_number_leaves_is_that_of_least_squares():
    random = np.random.default_rng(6)
    images, weights = random.normal(size=(1, 5, 4, 3)), random.normal(size=(3, 2))
    made = images @ weights
    shares = []
    for channel in range(2):
        target = made[..., channel].ravel()
        fits = [np.linalg.lstsq(images[..., [read]].reshape(-1, 1), target, rcond=None)[1][0] for read in range(3)]
        shares.append(np.sqrt(min(fits) / (target @ target)))
    assert pw_one_number.left_over(images, made) == pytest.approx(max(shares), rel=1e-12)


def test_a_layer_of_one_number_a_channel_supports(monkeypatch):
    """Were a 1x1 convolution to scale its first channel alone, the notes would be right."""
    monkeypatch.setattr(pw_one_number, "pointwise", lambda images, weights: images[..., :1] * weights[:1])
    assert judged(pw_one_number).word == "supported"


def test_a_mixture_of_a_single_channel_is_refuted(monkeypatch):
    """A fault that breaks the condition: one channel, but a bias that no number gives."""
    monkeypatch.setattr(pw_one_number, "pointwise", lambda images, weights: images @ weights + 1)
    assert judged(pw_one_number).word == "refuted"


@pytest.mark.parametrize(
    ("module", "sweep"),
    [(pw_merges_cooccurring, "pointwise_merging"), (pw_filters_background, "pointwise_filtering")],
    ids=["merging", "filtering"],
)
def test_trained_halves_wait_for_their_sweep(module, sweep):
    verdict = judged(module)
    assert verdict.word == "untested"
    assert sweep in verdict.reason
