"""Documents with their least useful parts left out, for prompts that are longer than a model's context.

The order is the same for all tasks: first examples (of fields, of values, of responses), then all of a description
but its first sentence, then descriptions as a whole. Names, types and paths always stay.
"""

import re
from dataclasses import replace
from typing import TypeVar

from goat_ray.records import ApiFunction, OutputField, Parameter
from goat_ray.teacher.story import Story

LEVELS = 3
_BODY_CHARACTERS = (500, 200, 80)  # of one response, by level

Described = TypeVar("Described", ApiFunction, OutputField, Parameter)


def shorter(described: Described, level: int) -> Described:
    """A document, field or parameter at a level of 1 to ``LEVELS``."""
    changes: dict[str, object] = {"description": _described(described.description, level)}
    if isinstance(described, OutputField):
        changes["examples"] = []
    return described.model_copy(update=changes)


def shorter_function(function: ApiFunction, level: int) -> ApiFunction:
    """A document with all of its parameters and fields."""
    parts = {
        "parameters": [shorter(parameter, level) for parameter in function.parameters],
        "outputs": [shorter(field, level) for field in function.outputs],
        "response_example": None,
    }
    return shorter(function, level).model_copy(update=parts)


def shorter_story(story: Story, level: int) -> Story:
    """A story with shorter documents and responses."""
    room = _BODY_CHARACTERS[level - 1]
    calls = tuple(replace(told, function=shorter(told.function, level), room=room) for told in story.calls)
    return replace(story, calls=calls)


def _described(text: str, level: int) -> str:
    if level == 1:
        return text
    return re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0] if level == 2 else ""
