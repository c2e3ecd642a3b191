"""A rule is told in words: nothing of Python's, and no setting that is not set."""

import re

import pytest

from cnnlab.inference.rules.directional import Directional
from experiments.claims.registry import claims
from experiments.reports.claim import rule_lines

PYTHON = re.compile(r"None|True|False|\w=|inf\b")


@pytest.mark.parametrize("name", claims())
def test_a_claims_rule_is_in_words(name: str) -> None:
    lines = rule_lines(claims()[name].rule)
    assert lines
    assert not [line for line in lines if PYTHON.search(line)]


def test_what_is_set_is_told() -> None:
    (line,) = rule_lines(Directional(match="macs", margin=0.05, mechanism=True))
    assert line.endswith("Here: same compute (multiply-accumulates), margin 0.05, mechanism.")
    (line,) = rule_lines(Directional())
    assert line.endswith("Here: same width.")
