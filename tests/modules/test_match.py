"""A module is re-widthed by the argument that is named as its width."""

import pytest

from cnnlab.modules.graph import graph
from cnnlab.modules.match import matched_module
from cnnlab.spec.invalid import InvalidError

from .conftest import own

TASK = (12, 1, 10)


def test_another_width_costs_what_the_reference_does() -> None:
    reference, wider = own("linen_cnn:CNN", width=4), own("linen_cnn:CNN", width=6)
    assert graph(wider, *TASK).measured.params > 1.5 * graph(reference, *TASK).measured.params
    found, said = matched_module(wider, "width", reference, "params", *TASK)
    assert found == reference
    assert said == "width 6 became 4: 3,234 parameters, +0.0% of the reference's 3,234"


def test_a_match_that_no_width_reaches_says_so() -> None:
    """Its gate alone costs more than another net that is as narrow as can be."""
    with pytest.raises(InvalidError, match="no width of build-width4 comes within 3%"):
        matched_module(own("se_net:build", width=4), "width", own("linen_cnn:CNN", width=1), "params", *TASK)
