"""Whatever JSON a model or an API writes, files can hold what is kept of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goat_ray.executors.toolbench import _value
from goat_ray.storable import MAX_DEPTH, parsed
from goat_ray.teacher.arguments import ArgumentValues

HALVES = st.text(st.characters(categories=["Cs"]), min_size=1)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN)
def test_plain_json_is_as_it_was(value: object) -> None:
    assert parsed(json.dumps(value)) == value


@given(HALVES, HALVES)
def test_halves_of_surrogate_pairs_are_replaced_in_names_and_values(name: str, value: str) -> None:
    for kept in (parsed(json.dumps({name: [value]})), _value(json.dumps({name: [value]}))):
        json.dumps(kept, ensure_ascii=False).encode()


@pytest.mark.parametrize("text", ["[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "[" * 100_000, "{", "word"])
def test_what_is_no_json_or_too_deep_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parsed(text)


def test_numbers_beyond_json_are_null() -> None:
    assert parsed("[NaN, Infinity, 1e999, 1.5]") == [None, None, None, 1.5]


def test_arguments_that_a_model_writes_can_be_stored() -> None:
    r"""It writes JSON inside JSON: the outer one is checked by pydantic, ``\ud83d`` in the inner one is not."""
    answer = ArgumentValues(values_json='{"q": "caf\\ud83d"}')
    assert answer.values() == {"q": "caf?"}
