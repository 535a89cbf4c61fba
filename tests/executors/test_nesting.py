"""Arguments back into objects."""

from typing import Any

import pytest

from goat_ray.executors.nesting import nested


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        ({}, {}),
        ({"a": 1, "b.c": 2, "b.d.e": [3]}, {"a": 1, "b": {"c": 2, "d": {"e": [3]}}}),
        ({"b.c": 2, "b": {"a": 1}}, {"b": {"a": 1, "c": 2}}),
        ({"a.b": 2, "a": 1}, {"a": 1, "a.b": 2}),
    ],
)
def test_members_go_back_into_their_objects(arguments: dict[str, Any], body: dict[str, Any]) -> None:
    assert nested(arguments) == body
