"""Verdicts on kernels, stacks, padding and receptive fields, each by a second way; and faults that must turn them."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.signal import convolve2d

from cnnlab.geometry.coverage import sliding
from cnnlab.geometry.windows import window
from cnnlab.inference.family import Family, judge
from cnnlab.spec.net import Classic, ConvNet
from cnnlab.spec.network import Conv
from cnnlab.zoo.lowering import network
from cnnlab.zoo.module import Net
from experiments.claims.remember import (
    depth_learn_slowly,
    fft_before_cnn,
    k3_stack_five,
    k3_symmetry_finer,
    k5_trim_to_four,
    kern_count_output,
    kern_indep_input,
    pad_keeps_size,
    rf_plus_two,
)


def judged(module):
    from experiments.analysis.verdicts import claim_case

    found = {"claim": claim_case("claim", module.CLAIM, {}, Path("nowhere"))}
    return judge(found, Family(claims=27, moderator_contrasts=40))["claim"]


def word_of(module, part):
    """Verdict word of one part of a claim."""
    source = dict(module.CLAIM.evidence)[part]
    return dict(module.CLAIM.rule.parts)[part].conclude(source.compute(), None).word


# k3-symmetry-finer


@pytest.mark.slow
def test_even_kernels_drift_half_a_pixel_a_layer():
    """A window of k pixels, k // 2 of them after the output, is centred (k - 1) / 2 - (k - 1) // 2 beside it."""
    for kernel in k3_symmetry_finer.KERNELS:
        expected = {layers: layers * ((kernel - 1) / 2 - (kernel - 1) // 2) for layers in k3_symmetry_finer.LAYERS}
        assert k3_symmetry_finer.centre(kernel, "same") == expected
    assert word_of(k3_symmetry_finer, "drift") == "supported"


@pytest.mark.slow
def test_the_whole_waits_for_its_sweep():
    verdict = judged(k3_symmetry_finer)
    assert verdict.word == "inconclusive"
    assert "even_kernels" in verdict.reason


def test_repaired_padding_passed_off_as_same_is_noticed(monkeypatch):
    centre = k3_symmetry_finer.centre
    repaired = lambda kernel, padding: centre(kernel, "alternating" if kernel % 2 == 0 else padding)  # noqa: E731
    monkeypatch.setattr(k3_symmetry_finer, "centre", repaired)
    assert word_of(k3_symmetry_finer, "drift") == "refuted"


def test_a_response_that_moves_otherwise_is_noticed(monkeypatch):
    response = k3_symmetry_finer.response
    moved = lambda kernel: {layers: value + 0.01 for layers, value in response(kernel).items()}  # noqa: E731
    monkeypatch.setattr(k3_symmetry_finer, "response", moved)
    assert word_of(k3_symmetry_finer, "drift") == "refuted"


# k3-stack-five


def test_a_stack_sees_five_pixels_and_is_not_any_kernel():
    verdict = judged(k3_stack_five)
    assert verdict.word == "inconclusive"
    assert "stacked_kernels" in verdict.reason
    words = [verdict.evidence[part]["word"] for part in ("what it sees", "what it can be")]
    assert words == ["supported", "qualified"]
    # 2 x 9 weights, of which one is lost: a factor moves from one layer to the other
    assert verdict.tables[0].rows[0] == (1, 1, 1, 2 * 9 - 1, 25)


def test_one_larger_kernel_of_seven_is_noticed(monkeypatch):
    monkeypatch.setattr(k3_stack_five, "SIDES", range(8, 12))
    monkeypatch.setattr(k3_stack_five, "LARGE", 7)
    assert word_of(k3_stack_five, "what it sees") == "refuted"


def test_a_family_that_is_always_full_supports(monkeypatch):
    monkeypatch.setattr(k3_stack_five, "dimensions", lambda first, second: 25 * first[2] * second[3])
    monkeypatch.setattr(k3_stack_five, "misfit", lambda target, middle: 0.0)
    assert word_of(k3_stack_five, "what it can be") == "supported"


@pytest.mark.slow
def test_a_condition_that_does_not_save_it_is_noticed(monkeypatch):
    monkeypatch.setattr(k3_stack_five, "misfit", lambda target, middle: 0.0)
    assert word_of(k3_stack_five, "what it can be") == "qualified"
    monkeypatch.setattr(k3_stack_five.KernelFamily, "wide", property(lambda family: True))
    assert word_of(k3_stack_five, "what it can be") == "refuted"


# k5-trim-to-four


def test_without_its_last_column_it_is_five_by_four():
    verdict = judged(k5_trim_to_four)
    assert verdict.word == "qualified"
    assert "last row" in (verdict.condition or "")
    random = np.random.default_rng(9)
    whole = convolve2d(random.normal(size=(3, 3)), random.normal(size=(3, 3)))
    assert whole[:, :4].shape == (5, 4)
    assert np.all(whole[:, :4].any(axis=0))
    assert np.all(whole[:, :4].any(axis=1))
    dimensions = [row[2] for row in verdict.tables[0].rows]
    # weights less one a factor that moves between the layers: 9 + 4 - 1 and 6 + 6 - 1
    assert dimensions == [None, None, 16, 12, 11]


def test_trimming_the_row_as_well_would_support(monkeypatch):
    trimmed = k5_trim_to_four.trimmed
    monkeypatch.setattr(k5_trim_to_four, "trimmed", lambda kernel, rows, columns: trimmed(kernel, columns, columns))
    assert judged(k5_trim_to_four).word == "supported"


def test_trimming_nothing_is_refuted(monkeypatch):
    monkeypatch.setattr(k5_trim_to_four, "trimmed", lambda kernel, rows, columns: kernel)
    assert judged(k5_trim_to_four).word == "refuted"


# pad-keeps-size


def test_padding_keeps_the_size_at_stride_one():
    assert word_of(pad_keeps_size, "size") == "qualified"
    verdict = judged(pad_keeps_size)
    assert verdict.word == "inconclusive"
    assert "coverage_padding" in verdict.reason
    for length, kernel, stride in ((28, 3, 1), (28, 4, 1), (9, 3, 2), (7, 2, 3)):
        image, weights = jnp.zeros((1, 1, length)), jnp.zeros((1, 1, kernel))
        made = jax.eval_shape(lambda x, w, s=stride: jax.lax.conv(x, w, (s,), "SAME"), image, weights)
        assert pad_keeps_size.after(length, kernel, stride, "same") == made.shape[-1]


@pytest.mark.parametrize(
    "fault",
    [
        lambda length, kernel, stride, padding: sliding(length, kernel, stride + 1, padding),
        lambda length, kernel, stride, padding: sliding(length, kernel, stride, (0, 0)),
        lambda length, kernel, stride, padding: sliding(length, kernel, stride, (kernel // 2, kernel // 2)),
    ],
    ids=["another stride", "no padding", "even kernels padded alike on both sides"],
)
def test_padding_that_does_not_keep_the_size_is_refuted(monkeypatch, fault):
    monkeypatch.setattr(pad_keeps_size, "sliding", fault)
    assert word_of(pad_keeps_size, "size") == "refuted"


# kern-indep-input, kern-count-output


@pytest.mark.slow
def test_kernels_are_as_deep_as_their_input_and_as_many_as_their_output():
    assert judged(kern_indep_input).word == "refuted"
    assert judged(kern_count_output).word == "supported"
    for reads, writes in ((1, 4), (3, 4), (3, 8)):
        graph = network(ConvNet(depth=1, width=writes, pools=()), 8, reads, 2)
        net = nnx.eval_shape(lambda graph=graph: Net(graph, jax.random.key(0)))
        assert net.layers["conv1"].kernel.shape == (3, 3, reads, writes)
        assert kern_indep_input.kernel(3, reads, writes) == (3, 3, reads, writes)
        assert kern_count_output.number(reads, writes) == writes


def test_kernels_that_ignore_their_input_would_support(monkeypatch):
    kernel = kern_indep_input.kernel
    monkeypatch.setattr(kern_indep_input, "SIDES", (3,))
    monkeypatch.setattr(kern_indep_input, "kernel", lambda side, reads, writes: kernel(side, 1, writes))
    assert judged(kern_indep_input).word == "refuted"  # the shape alone is not enough: they still do not run
    monkeypatch.setattr(kern_indep_input, "runs", lambda weights, channels: True)
    assert judged(kern_indep_input).word == "supported"


def test_a_kernel_runs_on_its_own_channels_alone():
    assert kern_indep_input.runs((3, 3, 3, 4), 3)
    assert not kern_indep_input.runs((3, 3, 3, 4), 1)


@pytest.mark.parametrize("what", ["one kernel too many", "a kernel that makes two channels"])
def test_kernels_that_are_not_one_a_channel_are_refuted(monkeypatch, what):
    counted, changed = kern_count_output.kernels_and_channels, kern_count_output.changed
    monkeypatch.setattr(kern_count_output, "SIDES", (3,))
    monkeypatch.setattr(kern_count_output, "STRIDES", (1,))
    assert judged(kern_count_output).word == "supported"
    if what == "one kernel too many":
        monkeypatch.setattr(kern_count_output, "kernels_and_channels", lambda given: (counted(given)[0] + 1, 1))
    else:
        monkeypatch.setattr(kern_count_output, "changed", lambda *of: (*changed(*of), 7))
    assert judged(kern_count_output).word == "refuted"


# rf-plus-two


@pytest.fixture(scope="module")
def plus_two():
    return judged(rf_plus_two)


@pytest.mark.slow
def test_the_field_grows_by_two_before_any_down_sampling(plus_two):
    assert plus_two.word == "qualified"
    assert "down-sampled" in (plus_two.condition or "")
    formula, gradients = (np.array([row[place] for row in plus_two.tables[1].rows]) for place in (3, 4))
    assert np.array_equal(formula, gradients)
    adds = [row[2] for row in plus_two.tables[1].rows if str(row[0]).startswith("conv")]
    assert adds == [2, 2, 2, 4, 4, 4, 8, 8, 8]


def test_what_a_layer_adds_is_that_of_following_windows_back():
    """Windows followed backwards, position by position: the other way than the recurrence."""
    net = network(Classic(name="tiny_vgg"), 64, 3, 10)
    expected = {}
    for node in net.nodes:
        if isinstance(node, Conv):
            spans = [window(net, net.size, name, (4, 4))[0] for name in (node.inputs[0], node.name)]
            before, behind = (last - first + 1 for first, last in spans)
            expected[node.name] = behind - before
    assert {step.layer: step.added for step in rf_plus_two.steps("tiny_vgg", net)} == expected


def only(monkeypatch, *nets):
    monkeypatch.setattr(rf_plus_two, "nets", lambda: iter(nets))
    monkeypatch.setattr(rf_plus_two, "staircase", lambda: rf_plus_two.by_net([]))


def test_nets_that_never_down_sample_would_support(monkeypatch):
    only(monkeypatch, ("flat", ConvNet(depth=4, width=1, pools=())))
    assert judged(rf_plus_two).word == "supported"


def test_a_stride_that_is_not_seen_is_refuted(monkeypatch):
    only(monkeypatch, ("pooled", ConvNet(depth=4, width=1, pools=(2,))))
    found = rf_plus_two.steps

    def blind(name, net):
        for step in found(name, net):
            yield rf_plus_two.Step(net=step.net, layer=step.layer, stride=1, added=step.added)

    assert judged(rf_plus_two).word == "qualified"
    monkeypatch.setattr(rf_plus_two, "steps", blind)
    assert judged(rf_plus_two).word == "refuted"


# those without data


def test_history_is_untestable_and_names_its_proxy():
    verdict = judged(fft_before_cnn)
    assert verdict.word == "untestable"
    assert verdict.reason.startswith("history: ")
    assert "fourier_features" in verdict.reason


def test_learning_slowly_waits_in_both_senses():
    verdict = judged(depth_learn_slowly)
    assert verdict.word == "untested"
    assert verdict.reason.count("learn_slowly") == 2
