"""Random values that follow a JSON schema: what the fake server answers where it has no answer book."""

import random
from typing import Any

Schema = dict[str, Any]

_WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
_DEEP = 8  # levels, beyond which a recursive schema is ended as soon as it allows


def instance(schema: Schema, random_: random.Random) -> Any:
    """A random value that follows a JSON schema, of the kinds that pydantic writes; not for ``pattern``."""
    return _instance(schema, schema.get("$defs", {}), random_, depth=0)


def _instance(schema: Schema, defs: Schema, random_: random.Random, depth: int) -> Any:
    def inner(part: Schema) -> Any:
        return _instance(part, defs, random_, depth + 1)

    if "$ref" in schema:
        return inner(defs[schema["$ref"].rpartition("/")[2]])
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return random_.choice(schema["enum"])
    for key in ("anyOf", "oneOf"):
        if key in schema:  # in deep recursion, the simplest alternative ends it
            return inner(min(schema[key], key=len) if depth > _DEEP else random_.choice(schema[key]))
    kind = schema.get("type", "string")
    if kind == "object":
        return {name: inner(part) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        least = schema.get("minItems", 0)
        most = least if depth > _DEEP else min(schema.get("maxItems", least + 2), least + 2)
        items = schema.get("prefixItems") or [schema.get("items", {})] * random_.randint(least, most)
        return [inner(item) for item in items]
    return _scalar(kind, schema, random_)


def _scalar(kind: str, schema: Schema, random_: random.Random) -> Any:
    if kind in ("integer", "number"):
        low: Any = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        high: Any = schema.get("maximum", schema.get("exclusiveMaximum", low + 100))
        if kind == "number":
            return low + (high - low) * random_.uniform(0.01, 0.99)
        low, high = low + ("exclusiveMinimum" in schema), high - ("exclusiveMaximum" in schema)
        return random_.randint(int(low), int(high))
    if kind == "boolean":
        return random_.random() < 0.5
    if kind == "null":
        return None
    text = " ".join(random_.choices(_WORDS, k=3))
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]
