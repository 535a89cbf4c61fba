"""Checks and coerces the arguments of a call, as a strict but friendly server would."""

import math
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from goat_ray.executors.sandbox.kinds import Ref
from goat_ray.records import Parameter

_COUNTRY = re.compile(r"[A-Z]{2}")
_LANGUAGE = re.compile(r"[a-z]{2}([-_][A-Z]{2})?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_SEPARATORS = re.compile(r"[,|]")


class Problem(ValueError):
    """What is wrong with one argument."""


class Checker:
    """The checks of one function's parameters."""

    def __init__(self, parameters: Sequence[Parameter], refs: dict[str, Ref]) -> None:
        self._parameters = {parameter.name: parameter for parameter in parameters}
        self._checks = {p.name: _check_of(p, refs.get(p.name)) for p in parameters}
        self._required = [parameter.name for parameter in parameters if parameter.required]

    def check(self, arguments: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, str]]]:
        """(values, problems): the arguments as the parameters' types, and what is wrong with them."""
        values: dict[str, Any] = {}
        problems: list[dict[str, str]] = []
        for name, value in self._spread(arguments).items():
            if value is None:
                continue
            check = self._checks.get(name)
            if check is None:
                problems.append({"parameter": name, "problem": "there is no such parameter"})
                continue
            try:
                values[name] = check(value)
            except Problem as problem:
                problems.append({"parameter": name, "problem": str(problem)})
        for name in self._required:
            if name not in values and not any(problem["parameter"] == name for problem in problems):
                problems.append({"parameter": name, "problem": "is required"})
        return values, problems

    def _spread(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Objects whose properties are parameters of their own (``a.b``) spread over these."""
        spread: dict[str, Any] = {}
        for name, value in arguments.items():
            if (
                isinstance(value, dict)
                and name not in self._parameters
                and any(known.startswith(f"{name}.") for known in self._parameters)
            ):
                spread |= self._spread({f"{name}.{key}": inner for key, inner in value.items()})
            else:
                spread[str(name)] = value
        return spread


def _check_of(parameter: Parameter, ref: Ref | None) -> Callable[[Any], Any]:
    lenient = parameter.location != "body" or ref is not None
    many = ref is not None and ref.many
    if parameter.type == "array" or many:
        item = parameter.item_type if parameter.type == "array" else "string" if parameter.type == "string" else "any"
        inner = _scalar_check(parameter, item or "any", lenient)
        wraps = lenient or parameter.type != "array"
        return lambda value: [inner(part) for part in _split(value, wraps)]
    return _scalar_check(parameter, parameter.type, lenient)


def _split(value: Any, lenient: bool) -> list[Any]:
    if isinstance(value, list):
        return value
    if not lenient:
        raise Problem("must be an array")
    if isinstance(value, str):
        return [part.strip() for part in _SEPARATORS.split(value) if part.strip()]
    return [value]


def _scalar_check(parameter: Parameter, type_: str, lenient: bool) -> Callable[[Any], Any]:
    coerce = _COERCIONS.get(type_, _as_it_is)
    allowed = {str(value) for value in parameter.enum}
    form = _form_of(parameter) if type_ == "string" and not allowed else None
    if form is not None and isinstance(parameter.example, str) and not form[0](parameter.example):
        form = None  # the document itself does not keep to it

    def check(value: Any) -> Any:
        value = coerce(value, lenient)
        if allowed and str(value) not in allowed:
            raise Problem("must be one of " + ", ".join(str(value) for value in parameter.enum))
        if isinstance(value, int | float) and not isinstance(value, bool):
            if parameter.minimum is not None and value < parameter.minimum:
                raise Problem(f"must be at least {parameter.minimum:g}")
            if parameter.maximum is not None and value > parameter.maximum:
                raise Problem(f"must be at most {parameter.maximum:g}")
        if form is not None and isinstance(value, str) and not form[0](value):
            raise Problem(f"must be {form[1]}")
        return value

    return check


def _to_string(value: Any, lenient: bool) -> str:
    if isinstance(value, str):
        if not value.strip() and lenient:
            raise Problem("must not be empty")
        return value
    if lenient and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if lenient and isinstance(value, bool):
        return str(value).lower()
    raise Problem("must be a string")


def _to_integer(value: Any, lenient: bool) -> int:
    if isinstance(value, bool):
        raise Problem("must be an integer")
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if lenient and isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value.strip()):
        return int(value)
    raise Problem("must be an integer")


def _to_number(value: Any, lenient: bool) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = value
    elif lenient and isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            raise Problem("must be a number") from None
    else:
        raise Problem("must be a number")
    if isinstance(number, float) and not math.isfinite(number):
        raise Problem("must be a finite number")
    return number


def _to_boolean(value: Any, lenient: bool) -> bool:
    if isinstance(value, bool):
        return value
    if lenient and str(value).lower() in ("true", "1"):
        return True
    if lenient and str(value).lower() in ("false", "0"):
        return False
    raise Problem("must be true or false")


def _to_object(value: Any, lenient: bool) -> Any:
    if isinstance(value, dict):
        return value
    raise Problem("must be an object")


def _as_it_is(value: Any, lenient: bool) -> Any:
    return value


_COERCIONS: dict[str, Callable[[Any, bool], Any]] = {
    "string": _to_string,
    "integer": _to_integer,
    "number": _to_number,
    "boolean": _to_boolean,
    "object": _to_object,
}


def _form_of(parameter: Parameter) -> tuple[Callable[[str], object], str] | None:
    """The form of a text that the document demands, and how to say it."""
    match parameter.format:
        case "date":
            return lambda text: _parses(date.fromisoformat, text), "a date such as 2025-03-31"
        case "date-time":
            return lambda text: _parses(datetime.fromisoformat, text), "a time such as 2025-03-31T09:30:00Z"
        case "uuid":
            return _UUID.fullmatch, "a UUID"
        case "email":
            return _EMAIL.fullmatch, "an e-mail address"
    if "ISO 3166-1" in parameter.description:
        return _COUNTRY.fullmatch, "a country code such as US"
    if "ISO 639-1" in parameter.description:
        return _LANGUAGE.fullmatch, "a language code such as en"
    return None


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True
