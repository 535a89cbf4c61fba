"""Values fit their parameters or are refused; nothing is turned into something else in silence."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goat_ray.graph.coercion import WrongType, coerced
from goat_ray.records import Parameter


def parameter(**fields: Any) -> Parameter:
    return Parameter(**{"name": "p", "location": "query", **fields})


@pytest.mark.parametrize(
    ("fields", "value", "expected"),
    [
        ({"type": "string"}, 7, "7"),
        ({"type": "integer"}, "007", 7),
        ({"type": "integer"}, 7.0, 7),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "number"}, "-2.5e3", -2500.0),
        ({"type": "array", "item_type": "string"}, 7, ["7"]),
        ({"type": "string", "enum": ["a", "b"]}, "a", "a"),
        ({"type": "string", "format": "date"}, "2024-02-29", "2024-02-29"),
        ({"type": "string", "format": "date", "example": "spring"}, "autumn", "autumn"),
        ({"type": "string", "format": "date-time"}, "2024-02-29T10:00:00Z", "2024-02-29T10:00:00Z"),
        ({"type": "any"}, {"a": 1}, {"a": 1}),
    ],
)
def test_what_fits(fields: dict[str, Any], value: Any, expected: Any) -> None:
    found = coerced(parameter(**fields), value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"type": "string"}, True),
        ({"type": "string"}, {"a": 1}),
        ({"type": "integer"}, "seven"),
        ({"type": "integer"}, 7.5),
        ({"type": "integer"}, True),
        ({"type": "number"}, "much"),
        ({"type": "number"}, "NaN"),  # what Python reads as well
        ({"type": "number"}, "-inf"),
        ({"type": "number"}, "1e999"),
        ({"type": "number"}, "1_000"),
        ({"type": "number"}, " 5 "),
        ({"type": "boolean"}, "true"),
        ({"type": "object"}, "x"),
        ({"type": "array", "item_type": "integer"}, ["x"]),
        ({"type": "string", "enum": ["a", "b"]}, "c"),
        ({"type": "string", "format": "date"}, "29.2.2024"),
        ({"type": "string", "format": "uuid"}, "1234"),
    ],
)
def test_what_does_not(fields: dict[str, Any], value: Any) -> None:
    with pytest.raises(WrongType, match="p takes"):
        coerced(parameter(**fields), value)


@given(
    st.sampled_from(["string", "integer", "number", "boolean", "object", "array"]),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()),
)
def test_a_fitting_value_stays_as_it_is_the_second_time(type_: str, value: Any) -> None:
    try:
        once = coerced(parameter(type=type_), value)
    except WrongType:
        return
    assert repr(coerced(parameter(type=type_), once)) == repr(once)
