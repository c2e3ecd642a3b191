"""Verdicts on stride-1 coverage, pinned by counting windows one by one; and the faults that must turn them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from cnnlab.geometry.coverage import coverage
from cnnlab.inference.family import Family, judge
from experiments.analysis.verdicts import claim_case
from experiments.claims.coverage import cov_5x5_rule, cov_more_is_better, cov_s1_most_nine, cov_table


def judged(module):
    found = {"claim": claim_case("claim", module.CLAIM, {}, Path("nowhere"))}
    return judge(found, Family(claims=27, moderator_contrasts=40))["claim"]


def windows(side, pad):
    """Count, window by window, how often each pixel of a side x side image is read."""
    counts = np.zeros((side + 2 * pad, side + 2 * pad), int)
    for row, column in np.ndindex(side + 2 * pad - 2, side + 2 * pad - 2):
        counts[row : row + 3, column : column + 3] += 1
    return counts[pad : side + pad, pad : side + pad]


def test_the_smallest_images_are_those_of_counting():
    for pad, name in enumerate(cov_s1_most_nine.PADDINGS):
        shares = [(windows(side, pad) == 9).mean() for side in range(3, 40)]
        least = max((side + 1 for side, share in enumerate(shares, start=3) if share <= 0.5), default=3)
        assert cov_s1_most_nine.threshold(cov_s1_most_nine.PADDINGS[name]) == least


def test_most_pixels_are_read_nine_times_on_large_images():
    verdict = judged(cov_s1_most_nine)
    assert verdict.word == "qualified"
    # (n - 2)**2 > n**2 / 2 from n = 7 on, (n - 4)**2 > n**2 / 2 from n = 14 on
    assert "at least 14 with no padding, 7 with 1 pixel" in (verdict.condition or "")


def test_another_stride_is_noticed(monkeypatch):
    strided = lambda length, kernel, padding: coverage(length, kernel, 2, padding)  # noqa: E731
    monkeypatch.setattr(cov_s1_most_nine, "coverage", strided)
    assert judged(cov_s1_most_nine).word == "refuted"


def test_the_block_is_that_of_counting():
    for side in (3, 4, 5, 6, 7, 12):
        assert np.array_equal(cov_5x5_rule.nine((side, side)), windows(side, 0) == 9)
        assert cov_5x5_rule.block((side, side)).sum() == max(side - 4, 0) ** 2
    assert judged(cov_5x5_rule).word == "supported"


def test_a_rule_that_drops_one_row_is_refuted(monkeypatch):
    monkeypatch.setattr(cov_5x5_rule, "MARGIN", 1)
    assert judged(cov_5x5_rule).word == "refuted"


def test_padding_taken_for_pixels_is_refuted(monkeypatch):
    monkeypatch.setattr(cov_5x5_rule, "coverage", lambda length, kernel, padding: coverage(length, kernel))
    assert judged(cov_5x5_rule).word == "refuted"


def test_the_table_is_wrong_in_its_fourth_and_fifth_row():
    verdict = judged(cov_table)
    assert verdict.word == "refuted"
    rows = [row[-1] for row in verdict.tables[0].rows]
    assert [str(row).startswith("wrong") for row in rows] == [False, False, False, True, True]
    assert rows[2] == "right, the share to the nearest ten only"
    for row in cov_table.ROWS[:4]:
        count = int((windows(row.image, 1) == 9).sum())
        assert count == (row.image - 2) ** 2  # padded by one pixel the image loses its border only
    assert "7x7 of 9x9, 60.5 %" in (verdict.nearest_true or "")
    assert "110x110 of 112x112, 96.5 %" in (verdict.nearest_true or "")


def corrected():
    return tuple(
        dataclasses.replace(row, block=row.image - 2, percent=round(100 * (row.image - 2) ** 2 / row.image**2))
        for row in cov_table.ROWS
    )


def test_the_corrected_table_is_supported(monkeypatch):
    monkeypatch.setattr(cov_table, "ROWS", corrected())
    assert judged(cov_table).word == "supported"


@pytest.mark.parametrize("change", [{"block": 2}, {"percent": 12}, {"image": 4}], ids=str)
def test_an_altered_row_turns_the_verdict(monkeypatch, change):
    rows = corrected()
    monkeypatch.setattr(cov_table, "ROWS", (dataclasses.replace(rows[0], **change), *rows[1:]))
    verdict = judged(cov_table)
    assert verdict.word == "refuted"
    assert (verdict.counterexample or "").startswith("row 1")


def test_the_reading_is_the_one_that_spares_most_numbers():
    """Of the padded image, share of the image: the first three rows fit no other."""
    reading = cov_table.favourable(cov_table.ROWS)
    assert (reading.slides_over, reading.share_of) == ("padded", "image")
    wrongs = {
        each: sum(len(cov_table.wrong(row, cov_table.truth(row, each))) for row in cov_table.ROWS)
        for each in cov_table.READINGS
    }
    assert wrongs[reading] == 3
    assert min(count for each, count in wrongs.items() if each != reading) > 3


def test_more_coverage_waits_for_its_sweeps():
    verdict = judged(cov_more_is_better)
    assert verdict.word == "untested"
    assert "coverage_padding" in verdict.reason
    assert "stem_coverage" in verdict.reason
