"""A module's switches are those that tracing knows, and their values in training are the other ones."""

import jax
import pytest

from cnnlab.tracing.calling import MODES, convention


@pytest.mark.parametrize("name", MODES)
def test_a_switch_that_tracing_sets_is_turned_round_in_training(name: str) -> None:
    """A switch that training does not know, or sets as in evaluation, is red."""
    spoken: dict[str, object] = {}
    exec(f"def call(self, images, {name}): ...", spoken)
    kind = type("Net", (), {"__call__": spoken["call"]})
    asked = convention(kind)
    key = jax.random.key(0)
    assert asked.given(key, training=False) == {name: MODES[name]}
    assert asked.given(key, training=True) == {name: not MODES[name]}
