"""Arguments back into the objects that the documents took them out of."""

from collections.abc import Mapping
from typing import Any


def nested(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """``{"a.b": 1, "c": 2}`` as ``{"a": {"b": 1}, "c": 2}``, as a request's body has it.

    A name whose first part is an argument itself, and no object, stays as it is.
    """
    made: dict[str, Any] = {}
    for name in sorted(arguments, key=lambda name: name.count(".")):
        *above, last = name.split(".")
        holder: Any = made
        for part in above:
            holder = holder.setdefault(part, {}) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            holder[last] = arguments[name]
        else:
            made[name] = arguments[name]
    return made
