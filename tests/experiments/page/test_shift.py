"""Shares of kept answers, against counting by hand."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.page.member_data import member_data
from experiments.page.view import Context
from experiments.page.views.shift import make, near, row, share, unchanged


def planted(answers: list[list[list[int]]], classes: int = 3) -> np.ndarray:
    """Shares that give these answers, [images, down, right, classes]."""
    return np.eye(classes)[np.array(answers)]


def test_shares_by_hand(context: Context) -> None:
    one = [[0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    member = replace(context.members[0], shifted=planted([one]))
    same = unchanged(member)
    assert share(same) == pytest.approx(12 / 15)
    # the eight neighbours of no shift lie around the corner (0, 0): of rows and columns 3, 0 and 1 two differ
    assert share(near(same)) == pytest.approx(6 / 8)
    assert row(member)["shares"] == ["75 %", "67 %", "67 %", "80 %"]
    assert row(member)["classes"] == "0 1 2"


def test_a_net_of_one_answer_keeps_it(context: Context) -> None:
    member = replace(context.members[0], shifted=planted([[[1, 1], [1, 1]], [[1, 1], [1, 1]]]))
    assert share(unchanged(member)) == 1


def test_scripts_read_the_answers_that_python_counts(context: Context) -> None:
    for member in context.members:
        data = member_data(member)["shifted"]
        assert data["answers"] == member.shifted.argmax(-1).reshape(len(member.images), -1).tolist()
        assert [answers[0] for answers in data["answers"]] == member.maps[member.network.output].argmax(-1).tolist()


def test_without_members_the_view_is_left_out() -> None:
    assert make(Context()) is None
