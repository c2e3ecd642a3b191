"""Members' accuracies stand where they were read, and the scale holds them."""

from dataclasses import replace

import pytest

from cnnlab.spec.curve import AtRate, finals, reading
from cnnlab.spec.invalid import InvalidError
from experiments.page.trials import HIGH, LEFT, RIGHT, WIDTH, Arm, Trial, members, percent, rates, scale

SEEDS = (7, 8, 9)


def curve(best: float, *, lost_at: int | None = None) -> list[AtRate]:
    """Three members at three rates; the middle one is the best of the means."""
    found = []
    for place in range(3):
        values = tuple(best - 0.04 * abs(place - 1) + 0.01 * member for member in range(3))
        lost = tuple(place == lost_at and member > 0 for member in range(3))
        accuracy = tuple(0.1 if gone else value for gone, value in zip(lost, values, strict=True))
        loss = tuple(None if gone else 0.5 for gone in lost)
        found.append(
            AtRate(
                learning_rate=0.01 * 2**place,
                validation_accuracy=accuracy,
                test_accuracy=accuracy,
                test_loss=loss,
                train_loss=loss,
                diverged=lost,
            )
        )
    return found


def planted(**settings: int) -> Trial:
    """Two arms of three members."""
    arms = (
        Arm(title="a", better=True, seeds=SEEDS, curve=curve(0.9, **settings)),
        Arm(title="b", better=False, seeds=SEEDS, curve=curve(0.85)),
    )
    return Trial(where="a against b on digits12", arms=arms)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.901, 0.912], (0.9, 0.915, [0.9, 0.905, 0.91, 0.915])),
        ([0.5, 0.5], (0.5, 0.505, [0.5, 0.505])),
        ([0.1, 0.97], (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])),
    ],
)
def test_an_axis_ends_at_whole_steps(values: list[float], expected: tuple[float, float, list[float]]) -> None:
    low, high, labels = scale(values)
    assert (low, high) == pytest.approx(expected[:2])
    assert labels == pytest.approx(expected[2])


def test_every_member_stands_at_the_accuracy_that_is_read() -> None:
    trial = planted()
    shown = members(trial)
    reads = [finals(arm.curve).test_accuracy for arm in trial.arms]
    low, high, _ = scale([value for read in reads for value in read])
    for row, read in zip(shown["rows"], reads, strict=True):
        for dot, value in zip(row["dots"], read, strict=True):
            assert dot["x"] == pytest.approx(LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low), abs=0.06)
            assert percent(value) in dot["told"]
    assert len(shown["pairs"]) == 3


def test_a_members_own_seed_stands_beside_it() -> None:
    first = members(planted())["rows"][0]["dots"][0]
    assert first["told"].startswith("seed 7: 90 % at rate 0.02")


def test_the_marks_over_rates_are_where_members_are_read() -> None:
    trial = planted()
    for arm, shown in zip(trial.arms, rates(trial)["arms"], strict=True):
        assert shown["read"] == [shown["lines"][member][place] for member, place in enumerate(reading(arm.curve))]


def test_lost_members_stand_at_the_lower_edge_and_do_not_stretch_the_scale() -> None:
    whole, lost = rates(planted()), rates(planted(lost_at=2))
    assert whole["ticks"] == lost["ticks"]
    assert len(lost["arms"][0]["lost"]) == 2
    assert {y for _, y in lost["arms"][0]["lost"]} == {max(y for y, _ in lost["ticks"])}
    assert max(y for y, _ in lost["ticks"]) < HIGH


def test_one_rate_alone_stands_in_the_middle() -> None:
    single = [Arm(title="a", better=True, seeds=SEEDS, curve=curve(0.9)[:1])]
    shown = rates(Trial(where="a", arms=tuple(single)))
    assert len(shown["rates"]) == 1


def test_arms_of_another_number_of_members_are_refused() -> None:
    with pytest.raises(InvalidError, match="2 members, as seeds"):
        replace(planted().arms[0], seeds=(1, 2))


def test_lines_join_equal_seeds_where_an_arm_has_more_members() -> None:
    first, second = planted().arms
    trial = Trial(where="a", arms=(first, replace(second, seeds=(8, 9, 10))))
    shown = members(trial)
    dots = [{dot["told"].partition(":")[0]: dot["x"] for dot in row["dots"]} for row in shown["rows"]]
    assert trial.count == 2
    assert [(ours[0], theirs[0]) for ours, theirs in shown["pairs"]] == [
        (dots[0][name], dots[1][name]) for name in ("seed 8", "seed 9")
    ]
