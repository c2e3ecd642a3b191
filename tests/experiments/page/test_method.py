"""The method says what the code does, and with what the records were made."""

from cnnlab.inference.effects import CALIBRATION, RATIO_MARGIN
from cnnlab.spec.verdict import WORDS
from experiments.page.view import Context
from experiments.page.views.method import MEANING, STEPS, made, make


def test_numbers_of_the_method_are_the_codes_own() -> None:
    text = " ".join(STEPS)
    for number in (*RATIO_MARGIN.values(), CALIBRATION):
        assert str(number) in text


def test_every_word_has_a_meaning() -> None:
    assert set(MEANING) == set(WORDS)


def test_records_are_counted_by_what_made_them() -> None:
    some = {
        "processor": "one",
        "git": {"commit": "0123456789abcdef", "dirty": True},
        "packages": {"jax": "1", "flax": "2"},
    }
    rows = {(row["fact"], row["value"]): row["count"] for row in made((some, some, {"processor": "two"}))}
    assert rows["Processor", "one"] == 2
    assert rows["Processor", "two"] == 1
    assert rows["Code", "commit 0123456789, with changes"] == 2
    assert rows["Code", "not recorded"] == 1
    assert rows["Packages", "flax 2, jax 1"] == 2


def test_it_stands_there_without_any_record(context: Context) -> None:
    assert "0 claims were judged for this page, from computation and from 0 records." in make(Context()).finding
    assert "from 1 record." in make(context).finding
