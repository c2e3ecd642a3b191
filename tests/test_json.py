"""JSON that people read: indented, without infinities, and the same data when it is read back."""

import json
import math
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from cnnlab.files import finite, json_text

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)


def _keys(value: object) -> Iterator[str]:
    """Every key, in the order of the text."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from _keys(item)


@given(DATA, st.booleans())
def test_it_reads_back_as_it_was(content: object, sort_keys: bool) -> None:
    text = json_text(content, sort_keys=sort_keys)
    assert json.loads(text) == finite(content)
    if sort_keys:
        assert text == json_text(json.loads(text))  # its keys are in order already
        assert list(_keys(json.loads(text))) == list(_keys(json.loads(json.dumps(finite(content), sort_keys=True))))


def test_a_row_of_numbers_is_one_line_and_an_unbounded_end_is_null() -> None:
    content = {"rows": [[1, 2.5], ["x", math.inf]], "empty": []}
    assert json_text(content) == '{\n "rows": [\n  [1, 2.5],\n  ["x", null]\n ],\n "empty": []\n}'
