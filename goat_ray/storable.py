"""JSON that nobody vouches for, from APIs and models, made such that every file can hold it."""

import json
from typing import Any

MAX_DEPTH = 100  # levels; a writer of files has its own bound, and a body that is deeper says nothing to anyone


def parsed(text: str | bytes) -> Any:
    """The JSON in a text, storable; raises ``ValueError`` where it is none or is nested too deep."""
    try:
        return storable(json.loads(text, parse_constant=lambda _: None))  # NaN and the infinities are no JSON
    except RecursionError:
        raise ValueError("nested too deep") from None


def unquoted(value: Any) -> Any:
    """The JSON that a value holds as a text; all else, and text that is none or is nested too deep, as it is."""
    if not isinstance(value, str):
        return value
    try:
        return parsed(value)
    except ValueError:
        return value


def storable(value: Any, depth: int = MAX_DEPTH) -> Any:
    """A JSON value without halves of surrogate pairs and infinities; raises ``RecursionError`` where it is too deep."""
    if not depth:
        raise RecursionError
    if isinstance(value, str):
        return writable(value)
    if isinstance(value, dict):
        return {writable(name): storable(inner, depth - 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [storable(inner, depth - 1) for inner in value]
    return None if isinstance(value, float) and value - value != 0 else value  # 1e999 is read as infinity


def writable(text: str) -> str:
    """The text with a question mark for each half of a surrogate pair, which no UTF-8 file can hold."""
    return text.encode("utf-8", "replace").decode()
