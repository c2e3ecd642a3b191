import dataclasses
import math
import statistics
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.gradients.snapshot import Snapshot
from cnnlab.gradients.statistics import log2_histogram
from cnnlab.spec.record import Record
from cnnlab.tracking import series
from cnnlab.tracking.members import each
from cnnlab.tracking.series import AXIS, Histogram, Row, best, rows, summary

HISTOGRAM = "log2_histogram/conv1/kernel"


def expected_rows() -> list[Row]:
    """The rows of the example record, worked out by hand."""

    def histogram(*first: int) -> Histogram:
        return Histogram(counts=(*first, *[0] * (50 - len(first))), edges=tuple(range(-41, 10)))

    return [
        {AXIS: 0, "grad_norm/conv1/kernel": 2.0, HISTOGRAM: histogram(3, 3)},
        {AXIS: 50, "grad_norm/conv1/kernel": 4.0, HISTOGRAM: histogram(0, 9)},
        {AXIS: 100, "loss/train": 3.0, "lowest/loss/train": 2.0, "highest/loss/train": 4.0, "counted/loss/train": 3},
        {
            AXIS: 200,
            "loss/train": 0.75,
            "lowest/loss/train": 0.5,
            "highest/loss/train": 1.0,
            "counted/loss/train": 2,
            "accuracy/validation": 0.25,
            "lowest/accuracy/validation": 0.0,
            "highest/accuracy/validation": 0.5,
            "counted/accuracy/validation": 3,
            HISTOGRAM: histogram(15),
        },
    ]


def test_rows_hold_every_series_once_at_its_own_moments(make: Callable[..., Record]) -> None:
    assert rows(make()) == expected_rows()


def test_the_check_of_rows_notices_nulls_taken_for_zeros(
    make: Callable[..., Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "_known", lambda values: [0.0 if value is None else value for value in values])
    assert rows(make()) != expected_rows()


def test_summary_holds_finals_geometry_and_last_values(make: Callable[..., Record]) -> None:
    got = summary(make())
    assert got == pytest.approx(
        {
            "members": 3,
            "final/learning_rate": 0.1,
            "final/diverged": 1,
            "final/test_accuracy/mean": 1.6 / 3,
            "final/test_accuracy/std": statistics.stdev([0.1, 0.7, 0.8]),
            "final/test_loss/mean": 0.5,
            "final/test_loss/std": math.sqrt(0.125),
            "final/validation_accuracy/mean": 0.4,
            "final/validation_accuracy/std": statistics.stdev([0.1, 0.5, 0.6]),
            "final/train_loss/mean": 0.375,
            "final/train_loss/std": math.sqrt(0.03125),
            "geometry/params": 10,
            "geometry/macs": 20,
            "geometry/activation_elements": 9,
            "geometry/receptive_field_height": 5,
            "geometry/receptive_field_width": 7,
            "geometry/output_height": 2,
            "geometry/output_width": 3,
            "probe/edge_index/share": 0.5,
            "probe/pair_auc/auc": 0.5,
            "learning_rate/tried": 2,
            "learning_rate/capped": False,
            "at_chance": False,
            "grad_norm/conv1/kernel": None,
        }
    )


def test_accuracies_are_summed_up_by_their_highest_and_losses_by_their_lowest(make: Callable[..., Record]) -> None:
    record = make()
    assert best(record) == {"accuracy/validation": "max", "loss/train": "min"}
    lost = tuple(history | {"accuracy/validation": [None, None]} for history in record.histories)
    diverged = dataclasses.replace(record, histories=lost)
    assert best(diverged) == {"loss/train": "min"}
    assert summary(diverged)["accuracy/validation"] is None


def test_each_member_alone_has_its_own_values_and_no_extremes(make: Callable[..., Record]) -> None:
    record = make()
    apart = each(record)
    assert [one.members for one in apart] == [(12,), (13,), (14,)]
    assert [one.finals.test_accuracy for one in apart] == [(0.1,), (0.7,), (0.8,)]
    assert [one.finals.diverged for one in apart] == [(True,), (False,), (False,)]
    assert [one.finals.learning_rate for one in apart] == [(0.1,)] * 3
    assert [one.probes for one in apart] == [({},), (record.probes[1],), (record.probes[2],)]
    assert [row["loss/train"] for row in rows(apart[2]) if "loss/train" in row] == [3.0, 0.5]
    assert [row["loss/train"] for row in rows(apart[0]) if "loss/train" in row] == [4.0]
    assert not any(name.startswith(("lowest/", "highest/", "counted/")) for row in rows(apart[2]) for name in row)
    assert (
        dataclasses.replace(
            apart[1], members=record.members, rates=record.rates, probes=record.probes, histories=record.histories
        )
        == record
    )


def test_a_member_that_stopped_early_is_missing_afterwards(make: Callable[..., Record]) -> None:
    record = make()
    short = {"images_seen": [100], "loss/train": [4.0], "accuracy/validation": [0.5]}
    late = rows(dataclasses.replace(record, histories=(short, *record.histories[1:])))
    assert [row["counted/loss/train"] for row in late if "loss/train" in row] == [3, 2]
    assert late[-1]["counted/accuracy/validation"] == 2


def test_one_member_has_no_standard_deviation(make: Callable[..., Record]) -> None:
    record = make()
    got = summary(each(record)[2])
    assert got["final/test_accuracy/mean"] == 0.8
    assert "final/test_accuracy/std" not in got


def test_series_of_another_length_than_their_axis_are_refused(make: Callable[..., Record]) -> None:
    record = make()
    torn = {"images_seen": [100, 200], "loss/train": [4.0]}
    with pytest.raises(ValueError, match="shorter"):
        rows(dataclasses.replace(record, histories=(torn,)))


def drawn_octaves(record: Record) -> dict[int, int]:
    """Lower exponent and count of every filled bin, for entries of known sizes that were really counted."""
    sizes = np.exp2(np.array([[-40.0, -39.5, -3.0, 0.5, 7.5]]))
    gradient = {"conv1": {"kernel": jnp.asarray(sizes, jnp.float32)}}
    step = Snapshot(params={}, grads=gradient, updates={}, activations={}, activation_grads={}, activation_name="relu")
    counts = [int(count) for count in log2_histogram.statistic(step)["conv1/kernel"]]
    history = {"images_seen": [0], "stats": {"images_seen": [0], HISTOGRAM: [counts]}}
    drawn = rows(dataclasses.replace(record, histories=(history,)))[0][HISTOGRAM]
    assert isinstance(drawn, Histogram)
    return {edge: count for edge, count in zip(drawn.edges[:-1], drawn.counts, strict=True) if count}


def test_histograms_are_drawn_over_the_octaves_they_were_counted_in(make: Callable[..., Record]) -> None:
    assert drawn_octaves(make()) == {-40: 2, -3: 1, 0: 1, 7: 1}


def test_the_check_of_octaves_notices_edges_that_are_one_off(
    make: Callable[..., Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "LOWEST_EXPONENT", series.LOWEST_EXPONENT - 1)
    assert drawn_octaves(make()) != {-40: 2, -3: 1, 0: 1, 7: 1}
