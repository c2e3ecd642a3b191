"""What claims read off records: probes by path, gradient decay and the lead over a linear classifier."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest

from cnnlab.spec.arm import Arm, plain
from cnnlab.spec.curve import AtRate
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.net import Classic, ConvNet
from cnnlab.spec.recipe import Recipe
from cnnlab.spec.record import PROTOCOL, Measured, Record
from cnnlab.spec.task import Task
from experiments.analysis.metrics import gradient_decay, measured

TASK = Task(name="digits12", side=12, channels=1, classes=10, train_images=96, validation_images=50)
FINALS = AtRate(
    learning_rate=0.1,
    test_accuracy=(0.9, 0.1, 0.8),
    test_loss=(0.25, None, 0.5),
    validation_accuracy=(0.875, 0.1, 0.7),
    train_loss=(0.125, None, 0.25),
    diverged=(False, True, False),
)


def record(net: ConvNet | Classic = ConvNet(depth=12), **more: Any) -> Record:  # noqa: B008
    arm = Arm(net=net, recipe=Recipe(), task=TASK)
    made = Record(
        protocol=PROTOCOL,
        arm=arm.key,
        config=plain(arm),
        members=(0, 1, 2),
        rates=(FINALS,),
        test_images=1000,
        linear_accuracy=(0.3, 0.4),
        histories=(),
        probes=({"linear_probe/last/drop": 0.25, "pair_auc/auc": 1.0}, {}, {"linear_probe/last/drop": -0.5}),
        geometry=Measured(params=1, macs=1, receptive_field=(1, 1), output_size=(1, 1), activation_elements=1),
    )
    return dataclasses.replace(made, **more)


def test_a_probe_is_a_metric_and_members_without_it_are_nan() -> None:
    values = measured(record(), "probe:linear_probe/last/drop")
    assert values[::2] == (0.25, -0.5)
    assert math.isnan(values[1])
    assert all(map(math.isnan, measured(record(probes=({}, {}, {})), "probe:linear_probe/last/drop")))


@pytest.mark.parametrize(
    ("metric", "says"), [("probe:linear_probe/lst/drop", "linear_probe/last/drop"), ("no_such_metric", "test_accuracy")]
)
def test_what_is_not_there_is_refused_with_what_is(metric: str, says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        measured(record(), metric)


def test_accuracies_are_compared_by_errors() -> None:
    """100, 900 and 200 of 1000 images; a half is added, so that none at all has a log, too."""
    expected = [-math.log(100.5), -math.log(900.5), -math.log(200.5)]
    assert measured(record(), "test_accuracy") == pytest.approx(expected)
    perfect = dataclasses.replace(FINALS, test_accuracy=(1.0, 1.0, 1.0))
    assert measured(record(rates=(perfect,)), "test_accuracy") == pytest.approx([-math.log(0.5)] * 3)


def test_over_linear_and_over_chance_are_ratios_to_the_errors_of_those() -> None:
    assert measured(record(), "over_linear") == pytest.approx(
        [math.log(650.5 / errors) for errors in (100.5, 900.5, 200.5)]
    )
    assert measured(record(), "over_chance") == pytest.approx(
        [math.log(900.5 / errors) for errors in (100.5, 900.5, 200.5)]
    )


def test_a_loss_that_a_diverged_member_has_not_is_nan() -> None:
    values = measured(record(), "test_loss")
    assert values[::2] == (0.25, 0.5)
    assert math.isnan(values[1])


def histories(factor: float, depth: int = 12) -> tuple[dict[str, Any], ...]:
    """Norms that change by a factor with every layer on the way down, named as by a step: in alphabetical order."""
    norms = {f"activation_grad_norm/act{place}": [factor ** (depth - place) * 7, 1.0] for place in range(1, depth + 1)}
    alphabetical = dict(sorted(norms.items()))
    return tuple({"stats": {"images_seen": [0, 96], **alphabetical}} for _ in range(3))


def check_decay(values: Callable[[Record], tuple[float, ...]]) -> bool:
    """Twelve layers, each of which leaves a quarter of the gradient, and each of which doubles it."""
    expected = {0.25: math.log10(0.25), 2.0: math.log10(2.0)}
    found = {factor: values(record(histories=histories(factor))) for factor in expected}
    return all(found[factor] == pytest.approx((slope,) * 3) for factor, slope in expected.items())


def test_the_decay_is_the_log_of_the_factor_of_one_layer() -> None:
    assert check_decay(gradient_decay.values)


def test_layers_taken_in_alphabetical_order_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tenth activation would follow the first, and the ninth would be the last."""
    honest = gradient_decay.activations
    monkeypatch.setattr(gradient_decay, "activations", lambda made: tuple(sorted(honest(made))))
    assert not check_decay(gradient_decay.values)


def test_a_norm_that_is_zero_or_missing_has_no_decay() -> None:
    (first, second, third) = histories(0.5)
    first["stats"]["activation_grad_norm/act1"] = [0.0]
    second["stats"]["activation_grad_norm/act12"] = [None]
    values = gradient_decay.values(record(histories=(first, second, third)))
    assert [math.isnan(value) for value in values] == [True, True, False]


def test_the_layers_of_a_classic_net_are_its_own() -> None:
    small = dataclasses.replace(TASK, side=28)
    made = record(Classic(name="lenet5"))
    made = dataclasses.replace(made, config={**made.config, "task": plain(small)})
    assert len(gradient_decay.activations(made)) >= 3
