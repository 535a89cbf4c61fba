"""What people write for JSON schema in function definitions, made JSON schema."""

import re
from typing import Any

# Names of other languages (BFCL has Python's and Java's). Those that are not here or in ``schemas`` say nothing.
_TYPES = {
    "tuple": "array",
    "set": "array",
    "frozenset": "array",
    "arraylist": "array",
    "sequence": "array",
    "vector": "array",
    "queue": "array",
    "stack": "array",
    "hashmap": "object",
    "hashtable": "object",
    "hash": "object",
    "map": "object",
    "mapping": "object",
    "record": "object",
    "long": "integer",
    "short": "integer",
    "bigint": "integer",
    "double": "number",
    "decimal": "number",
    "char": "string",
    "text": "string",
    "nonetype": "null",
    "none": "null",
}
_COMMON = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}
_VALUES = frozenset({"default", "example", "examples", "enum", "const"})  # keywords that hold values, not schemas
_KEYWORDS = frozenset({"type", "properties", "$ref", "allOf", "anyOf", "oneOf", "required", "$schema"})
_OPTIONAL = re.compile(r"\boptional\b", re.IGNORECASE)


def object_schema(node: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of a function's arguments; ``node`` may also be a plain map from names to their schemas.

    In such a map an argument is required unless its type says "optional" or it has a default.
    """
    if is_plain_map(node):
        required = [
            name
            for name, member in node.items()
            if "default" not in member and not _OPTIONAL.search(str(member.get("type", "")))
        ]
        node = {"type": "object", "properties": node, "required": required}
    schema: dict[str, Any] = schema_of(node)
    return schema


def is_plain_map(node: dict[str, Any]) -> bool:
    """Whether an object maps argument names to schemas, without ``properties`` around them."""
    return bool(node) and all(isinstance(member, dict) and _KEYWORDS & member.keys() for member in node.values())


def schema_of(node: Any) -> Any:
    """A copy of a schema, and all schemas in it, with JSON's names for types. Its nesting is bounded by loading."""
    if isinstance(node, list):
        return [schema_of(item) for item in node]
    if not isinstance(node, dict):
        return node
    copy = {key: value if key in _VALUES else _members(key, value) for key, value in node.items()}
    stated = node.get("type")
    if isinstance(stated, str):
        copy["type"] = _type(stated)
    elif isinstance(stated, list):
        copy["type"] = [_type(name) if isinstance(name, str) else name for name in stated]
    return copy


def _members(key: str, value: Any) -> Any:
    if key in ("properties", "$defs", "definitions") and isinstance(value, dict):
        return {name: schema_of(member) for name, member in value.items()}  # a member may be called "default"
    return schema_of(value)


def _type(name: str) -> str:
    """JSON's name for a type: ``HashMap<String, Integer>``, ``List[int]`` and ``str, optional`` are known too."""
    base = re.split(r"[\[<(,]", name, maxsplit=1)[0].strip().lower()
    return _TYPES.get(base) or _COMMON.get(base) or base
