"""Whether a value fits a parameter: the type, enum and format that its document states."""

import math
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from uuid import UUID

from goat_ray.records import Parameter

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


class WrongType(ValueError):
    """A value that a parameter does not take."""


def coerced(parameter: Parameter, value: Any) -> Any:
    """The value as the parameter takes it; raises ``WrongType`` where it does not fit.

    Only what loses nothing is changed: an id may travel as a number or as its digits, and one value makes an array
    of one. Anything else must have the stated type already, be in the enum and have the format (date, date-time or
    uuid; JSON Schema 2020-12, sections 6.1 and 7.3), unless the document's own example has not.
    """
    if parameter.type != "array":
        return _scalar(parameter, parameter.type, value)
    items = value if isinstance(value, list) else [value]
    return [_scalar(parameter, parameter.item_type or "any", item) for item in items]


def _scalar(parameter: Parameter, type_: str, value: Any) -> Any:
    coerce = _COERCIONS.get(type_)
    try:
        found = coerce(value) if coerce is not None else value
    except ValueError:
        raise WrongType(f"{parameter.name} takes {type_}, not {value!r:.60}") from None
    if parameter.enum and str(found) not in map(str, parameter.enum):
        raise WrongType(f"{parameter.name} takes one of {len(parameter.enum)} values, not {value!r:.60}")
    read = _FORMATS.get(parameter.format)
    if read is not None and isinstance(found, str) and not _reads(read, found) and not _breaks(parameter, read):
        raise WrongType(f"{parameter.name} takes {parameter.format}, not {value!r:.60}")
    return found


def _breaks(parameter: Parameter, read: Callable[[str], object]) -> bool:
    """Whether the document itself does not keep to the format."""
    return isinstance(parameter.example, str) and not _reads(read, parameter.example)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if (isinstance(value, float) and value.is_integer()) or (isinstance(value, str) and _INTEGER.fullmatch(value)):
        return int(value)
    raise ValueError


def _number(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value) and math.isfinite(found := float(value)):
        return found  # and no 1_000 or NaN, which Python reads as well
    raise ValueError


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise ValueError


_COERCIONS: dict[str, Callable[[Any], Any]] = {
    "string": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "object": _object,
}
_FORMATS: dict[str, Callable[[str], object]] = {
    "date": date.fromisoformat,
    "date-time": datetime.fromisoformat,
    "uuid": UUID,
}


def _reads(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True
