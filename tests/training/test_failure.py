"""The last line of a failure is its cause: that line is what a command prints of an arm that failed."""

import traceback
from collections.abc import Callable

import jax
import jax.numpy as jnp
import pytest

from cnnlab.training.failure import failure_text


def through_jax() -> None:
    jax.jit(lambda x: x @ jnp.ones((3, 3)))(jnp.ones((2, 2)))


def of_two_lines() -> None:
    raise ValueError("the first line\nand the second")


def without_words() -> None:
    raise KeyError


PROBLEMS = {
    through_jax: "TypeError: dot_general requires contracting dimensions",
    of_two_lines: "ValueError: the first line and the second",
    without_words: "KeyError: ",
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_last_line_is_the_cause_and_the_rest_says_where(problem: Callable[[], None]) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        problem()
    lines = failure_text(caught.value).splitlines()
    assert lines[-1].startswith(PROBLEMS[problem])
    assert any(problem.__name__ in line for line in lines)


def test_a_traceback_alone_would_end_otherwise() -> None:
    """The twin."""
    with pytest.raises(TypeError) as caught:
        through_jax()
    assert "internal frames" in traceback.format_exception(caught.value)[-1].splitlines()[-1]
