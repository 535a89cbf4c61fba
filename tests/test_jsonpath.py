"""Paths: parse and render are inverse, find gives every place once, get gives what find names."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goat_ray import jsonpath

names = st.text(min_size=1, max_size=8)
bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)
tokens = st.lists(names | st.integers(0, 99) | st.just(jsonpath.ANY), max_size=6).map(tuple)


@given(tokens)
def test_render_and_parse_are_inverse(path: tuple[jsonpath.Token, ...]) -> None:
    assert jsonpath.parse(jsonpath.render(path)) == path


def leaves(value: Any, at: tuple[jsonpath.Token, ...] = ()) -> list[tuple[tuple[jsonpath.Token, ...], Any]]:
    """An independent walk over a body."""
    if isinstance(value, dict):
        return [leaf for name, item in value.items() for leaf in leaves(item, (*at, name))]
    if isinstance(value, list):
        return [leaf for number, item in enumerate(value) for leaf in leaves(item, (*at, number))]
    return [(at, value)]


@given(bodies)
def test_get_finds_every_leaf_at_its_location(body: Any) -> None:
    for location, value in leaves(body):
        assert jsonpath.get(body, jsonpath.render(location)) == value


@given(bodies)
def test_find_gives_exactly_the_leaves_of_a_pattern(body: Any) -> None:
    by_pattern: dict[str, list[tuple[str, Any]]] = {}
    for location, value in leaves(body):
        pattern = jsonpath.render(tuple(jsonpath.ANY if isinstance(token, int) else token for token in location))
        by_pattern.setdefault(pattern, []).append((jsonpath.render(location), value))
    for pattern, expected in by_pattern.items():
        found = jsonpath.find(body, pattern)
        assert [pair for pair in found if not isinstance(pair[1], dict | list)] == expected


@pytest.mark.parametrize("text", ["", "results", "$.", "$..a", "$.a[", "$.a[x]", "$.a b", "$['a]", "$[-1]", "$[01]"])
def test_other_text_is_an_error_that_says_where(text: str) -> None:
    with pytest.raises(jsonpath.PathError, match="is not a JSON path"):
        jsonpath.parse(text)


@given(st.text())
def test_any_text_parses_or_raises_path_error(text: str) -> None:
    with contextlib.suppress(jsonpath.PathError):
        jsonpath.parse(text)


def test_get_raises_where_the_body_has_nothing() -> None:
    with pytest.raises(KeyError):
        jsonpath.get({"results": []}, "$.results[0].id")
