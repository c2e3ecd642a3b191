"""Lines stand where the records' numbers are, and nothing is shown that the records do not hold."""

import itertools
import math
from dataclasses import replace

import pytest

from experiments.page.view import Context
from experiments.page.views import health
from experiments.page.views.health import (
    BELOW,
    HIGH,
    LEFT,
    RIGHT,
    WIDTH,
    Watched,
    lines,
    make,
    picture,
    probes,
    watched,
)


@pytest.fixture(scope="module")
def arm(context: Context) -> Watched:
    (found,) = watched(context.views)
    return found


def test_watched_arms_alone_are_found(context: Context, arm: Watched) -> None:
    (view,) = context.views.values()
    assert sum(cell.record is not None for cell in view.cells) == 1
    assert arm.title.startswith("pool_position: ")
    bare = replace(view, cells=tuple(replace(cell, record=None) for cell in view.cells))
    assert watched({"pool_position": bare}) == []


def test_every_members_values_are_kept_by_layer(arm: Watched) -> None:
    found = lines(arm.record)
    assert set(found) == {"activation_grad_norm", "dead_fraction"}
    assert list(found["dead_fraction"]) == ["act1", "act2", "act3"]
    for member, history in enumerate(arm.record.histories[: health.MOST_MEMBERS]):
        assert found["activation_grad_norm"]["act2"][member] == history["stats"]["activation_grad_norm/act2"]
    assert found["activation_grad_norm"]["act1"][0][2] is None


def test_biases_and_histograms_are_no_layers() -> None:
    stats = {"grad_norm/conv1/kernel": [1.0], "grad_norm/conv1/bias": [2.0], "log2_histogram/conv1/kernel": [[1, 2]]}

    class Bare:
        histories = ({"stats": stats},)

    assert lines(Bare()) == {"grad_norm": {"conv1": [[1.0]]}}  # type: ignore[arg-type]


def test_layers_stand_in_the_order_of_their_numbers() -> None:
    """Records sort by letters; the finding compares the first layer with the last."""

    class Deep:
        histories = ({"stats": {f"grad_norm/conv{n}/kernel": [float(n)] for n in (1, 10, 11, 2, 9)}},)

    assert list(Deep.histories[0]["stats"]) == sorted(Deep.histories[0]["stats"])
    assert list(lines(Deep())["grad_norm"]) == ["conv1", "conv2", "conv9", "conv10", "conv11"]  # type: ignore[arg-type]


def test_norms_stand_by_their_logarithm_and_looks_by_their_step(arm: Watched) -> None:
    shown = picture(arm.record, "activation_grad_norm", lines(arm.record)["activation_grad_norm"])
    looked = health.steps(arm.record)
    line = shown["layers"][1]["lines"][0]
    assert [x for x, _ in line] == [
        round(LEFT + (WIDTH - LEFT - RIGHT) * math.log2(1 + step) / math.log2(1 + looked[-1]), 1) for step in looked
    ]
    values = arm.record.histories[0]["stats"]["activation_grad_norm/act2"]
    (low_y, low), (high_y, high) = ((y, float(label)) for y, label in (shown["ticks"][0], shown["ticks"][-1]))
    scale = (low_y - high_y) / (math.log10(high) - math.log10(low))
    assert [y for _, y in line] == pytest.approx(
        [low_y - scale * (math.log10(value) - math.log10(low)) for value in values], abs=0.11
    )


def test_a_value_that_is_not_finite_leaves_a_gap_not_a_zero(arm: Watched) -> None:
    shown = picture(arm.record, "activation_grad_norm", lines(arm.record)["activation_grad_norm"])
    first, second = (shown["layers"][place]["lines"][0] for place in (0, 1))
    assert len(first) == len(second) - 1
    assert max(y for _, y in first) < HIGH - BELOW - 8


def test_shares_stand_between_0_and_1(arm: Watched) -> None:
    shown = picture(arm.record, "dead_fraction", lines(arm.record)["dead_fraction"])
    assert [label for _, label in shown["ticks"]] == ["0 %", "25 %", "50 %", "75 %", "100 %"]
    assert [round(layer["last"], 3) for layer in shown["layers"]] == [0.05, 0.1, 0.15]


def test_labels_do_not_lie_on_one_another(arm: Watched) -> None:
    shown = picture(arm.record, "dead_fraction", lines(arm.record)["dead_fraction"])
    labels = sorted(layer["label"] for layer in shown["layers"])
    assert all(high - low >= 12.9 for low, high in itertools.pairwise(labels))


def test_probes_are_means_over_members(arm: Watched) -> None:
    (found,) = probes([arm])
    values = [member["linear_probe/head/accuracy"] for member in arm.record.probes]
    assert found["rows"] == [
        ("linear_probe/head/accuracy", f"{sum(values) / len(values):.3g}", f"{min(values):.3g}", f"{max(values):.3g}")
    ]
    assert found["n"] == len(values)


def test_the_finding_compares_the_first_layer_with_the_last(context: Context) -> None:
    content = make(context)
    assert content is not None
    assert "the gradient at act1 is 4 times that at act3 before training" in content.finding
    assert content.static["arms"]
    assert len(content.static["depth"]) == 1


def test_without_records_and_surveys_the_view_is_left_out(context: Context) -> None:
    assert make(Context()) is None
    assert make(replace(context, views={})) is not None  # the members on the page are enough
