"""What one JSON schema says about a value, read leniently: a wrong keyword says nothing."""

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast

from goat_ray.records import ValueType
from goat_ray.storable import parsed

MAX_TEXT = 2_000  # characters of a description that are kept

# The JSON types (JSON Schema, section 6.1.1) and what people write instead.
_TYPES: dict[str, str] = {name: name for name in ("string", "integer", "number", "boolean", "array", "object", "null")}
_TYPES |= {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}
_PYTHON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
_CONTAINERS = frozenset({"array", "object", "null"})


@dataclass(frozen=True, slots=True)
class Member:
    """A property of an object: its schema as written, and the name of the schema of the object."""

    node: Any
    owner: str


@dataclass(frozen=True, slots=True)
class Schema:
    """One schema with its references and combinations worked in, down to its members but not into them."""

    key: int  # equal for equal schemas of one document
    name: str = ""  # as a reference or combination calls it
    kinds: frozenset[str] = frozenset()  # JSON types of the value; empty means that nothing is said
    description: str = ""
    format: str = ""
    enum: list[Any] = field(default_factory=list)
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    read_only: bool = False
    write_only: bool = False
    examples: list[Any] = field(default_factory=list)  # of the whole value
    members: dict[str, Member] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    items: Any = None  # the schema of an array's items, as written

    @property
    def type(self) -> ValueType:
        """The one type of the value; ``any`` if it has several or nothing is said."""
        return _one(self.kinds - {"null"})

    @property
    def scalar(self) -> ValueType | None:
        """The type of the value where it is neither array nor object; None if it always is one."""
        return _scalar(self.kinds)


@lru_cache(maxsize=256)  # there are few combinations, and each is asked for at every field
def _scalar(kinds: frozenset[str]) -> ValueType | None:
    scalars = kinds - _CONTAINERS
    return _one(scalars) if scalars or not kinds else None


@lru_cache(maxsize=256)
def _one(kinds: frozenset[str]) -> ValueType:
    if len(kinds) == 1:
        return cast(ValueType, next(iter(kinds)))
    return "number" if kinds == {"integer", "number"} else "any"


def plain(node: dict[str, Any], name: str) -> Schema:
    """The schema of a node that combines nothing, as most do."""
    kinds = own_kinds(node)
    return Schema(
        key=id(node),
        name=name,
        kinds=kinds,
        description=text(node.get("description")),
        format=text(node.get("format")),
        enum=[fitted(value, kinds) for value in own_enum(node)],
        default=fitted(node.get("default"), kinds),
        minimum=number(node.get("minimum")),
        maximum=number(node.get("maximum")),
        read_only=node.get("readOnly") is True,
        write_only=node.get("writeOnly") is True,
        examples=[fitted(example, kinds) for example in own_examples(node)],
        members={key: Member(value, name) for key, value in _properties(node).items()},
        required=_own_required(node),
        items=_items(node),
    )


def _properties(node: dict[str, Any]) -> dict[str, Any]:
    properties = node.get("properties")
    # Some editors leave members without a name behind; no API has them.
    return {key: value for key, value in properties.items() if key} if isinstance(properties, dict) else {}


def _own_required(node: dict[str, Any]) -> frozenset[str]:
    names = node.get("required")
    return frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset()


def misplaced_choices(node: dict[str, Any]) -> list[Any]:
    """A list as ``items`` of no array. Swagger 2.0 has no ``anyOf``, and this is what some (Slack) write for it."""
    items = node.get("items")
    return items if isinstance(items, list) and "array" not in own_kinds(node) else []


def _items(node: dict[str, Any]) -> Any:
    items = node.get("items")
    if isinstance(items, list):  # a tuple (JSON Schema up to 2019-09)
        return {"anyOf": items} if "array" in own_kinds(node) else None
    return items


def own_kinds(node: dict[str, Any]) -> frozenset[str]:
    """The JSON types that a schema states, or that its other keywords imply."""
    stated = node.get("type")
    names = stated if isinstance(stated, list) else [stated]
    kinds = {_TYPES[name.lower()] for name in names if isinstance(name, str) and name.lower() in _TYPES}
    if kinds:
        return frozenset(kinds)
    if isinstance(node.get("properties"), dict) or "additionalProperties" in node:
        return frozenset({"object"})
    if isinstance(node.get("items"), dict):
        return frozenset({"array"})
    return kinds_of(own_enum(node))


def kinds_of(values: list[Any]) -> frozenset[str]:
    """The JSON types of values; null is no type of its own here, as OpenAPI 3.0 has it."""
    return frozenset(_PYTHON_TYPES[type(value)] for value in values if value is not None)


def type_of(values: list[Any]) -> ValueType:
    """The one JSON type of values; ``any`` if they have several, or there are none."""
    return _one(kinds_of(values))


def own_enum(node: dict[str, Any]) -> list[Any]:
    """The values that a schema allows; empty if it does not list them."""
    if node.get("const") is not None:
        return [node["const"]]
    values = node.get("enum")
    return [value for value in values if value is not None] if isinstance(values, list) else []


def own_examples(node: dict[str, Any]) -> list[Any]:
    """The example values that a schema gives itself: ``example`` of OpenAPI 3.0, ``examples`` of 3.1."""
    values = [node.get("example"), *listed(node.get("examples"))]
    return [value for value in values if value is not None]


def number(value: Any) -> float | None:
    """A limit as a number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return None


def listed(value: Any) -> list[Any]:
    """A list as it is; anything else is an empty list."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """A text stripped and cut to ``MAX_TEXT`` characters; anything else is an empty text."""
    if not isinstance(value, str):
        return ""
    stripped = value.strip()
    return stripped if len(stripped) <= MAX_TEXT else stripped[: MAX_TEXT - 1] + "…"


def fitted(value: Any, kinds: frozenset[str]) -> Any:
    """An example, default or enum value as its type has it: ``4400`` for a string is ``"4400"``.

    YAML authors forget quotes, and some tools write every example as a text.
    """
    expected = _one(kinds - {"null"})
    if expected == "string" and isinstance(value, bool | int | float):
        return json.dumps(value)
    if expected in ("string", "any") or not isinstance(value, str):
        return value
    try:
        read = parsed(value)
    except ValueError:
        return value
    stated = kinds_of([read])
    return read if stated and (stated <= kinds or (stated == {"integer"} and expected == "number")) else value
