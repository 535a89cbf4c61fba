"""How arrays and objects are written in paths, queries, headers, cookies and forms.

OpenAPI 3.1, "Style Values"; scalars are written as JSON writes them, texts without quotes.
"""

from typing import Any
from urllib.parse import quote

from goat_ray.identity import canonical_json
from goat_ray.records import Parameter

Pairs = list[tuple[str, str]]

_DELIMITERS = {"spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}
_PREFIXES = {"label": ".", "matrix": ";"}


def pairs(parameter: Parameter, value: Any) -> Pairs:
    """The (name, value) pairs of an argument in a query, a cookie or a form, not percent-encoded."""
    name, style = parameter.name, parameter.style or "form"
    if style == "json" or not isinstance(value, list | dict):
        return [(name, canonical_json(value) if style == "json" else written(value))]
    if style == "deepObject" and isinstance(value, dict):
        return _deep(name, value)
    explode = parameter.explode if parameter.explode is not None else style == "form"
    if not explode:
        return [(name, _DELIMITERS.get(style, ",").join(_flat(value)))]
    if isinstance(value, dict):
        return [(key, written(inner)) for key, inner in value.items()]
    return [(name, written(inner)) for inner in value]


def segment(parameter: Parameter, value: Any) -> str:
    """What stands in a path instead of the placeholder, percent-encoded."""
    prefix, explode = _PREFIXES.get(parameter.style, ""), bool(parameter.explode)
    name = f"{quote(parameter.name, safe='')}=" if parameter.style == "matrix" else ""
    if parameter.style == "json":
        return quote(canonical_json(value), safe="")
    if isinstance(value, dict) and explode:
        entries = [f"{quote(key, safe='')}={quote(written(inner), safe='')}" for key, inner in value.items()]
        return prefix + (prefix or ",").join(entries)
    parts = [quote(part, safe="") for part in (_flat(value) if isinstance(value, list | dict) else [written(value)])]
    if explode and prefix:
        return prefix + prefix.join(name + part for part in parts)
    return prefix + name + ",".join(parts)


def header(parameter: Parameter, value: Any) -> str:
    """The value of a header."""
    if parameter.style == "json":
        return canonical_json(value)
    if isinstance(value, dict) and parameter.explode:
        return ",".join(f"{key}={written(inner)}" for key, inner in value.items())
    return ",".join(_flat(value)) if isinstance(value, list | dict) else written(value)


def written(value: Any) -> str:
    """A scalar as text; what is nested deeper than the styles go, as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else canonical_json(value)


def _flat(value: list[Any] | dict[str, Any]) -> list[str]:
    """Items, or names and values in turn."""
    if isinstance(value, list):
        return [written(inner) for inner in value]
    return [part for key, inner in value.items() for part in (key, written(inner))]


def _deep(name: str, value: Any) -> Pairs:
    """``name[a][b]=1``; OpenAPI leaves arrays open, and most servers take ``name[a]=1&name[a]=2``."""
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _deep(f"{name}[{key}]", inner)]
    if isinstance(value, list):
        return [pair for inner in value for pair in _deep(name, inner)]
    return [(name, written(value))]
