"""Functions as tools in the sense of chat APIs: a name, a description and a JSON schema of the arguments."""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import chain, count
from typing import Any

from goat_ray.identity import content_id
from goat_ray.records import ApiFunction, Parameter, ValueType
from goat_ray.storage import FunctionStore

MAX_NAME = 64  # of OpenAI's and Anthropic's APIs
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]+")


def tool_names(functions: Collection[ApiFunction] | FunctionStore) -> dict[str, str]:
    """A distinct tool name for each function id, the function's own where no other has it.

    Names of functions that share one get the service in front, and a part of the id where even that is not enough.
    """
    own = {function.id: _name(function.name) for function in functions}
    longer = {function.id: _name(f"{function.service}_{function.name}") for function in functions}
    often, still = Counter(own.values()), Counter(longer.values())
    taken = {*own.values(), *longer.values()}
    names = {}
    for id_ in own:
        if often[own[id_]] == 1:
            names[id_] = own[id_]
        elif still[longer[id_]] == 1 and longer[id_] not in often:
            names[id_] = longer[id_]
        else:
            names[id_] = next(name for name in _with_digits(own[id_], id_) if name not in taken)
            taken.add(names[id_])
    return names


def _with_digits(name: str, id_: str) -> Iterator[str]:
    """A name with digits of its function's id, then with others, without end."""
    for digits in chain([id_], (content_id(id_, number) for number in count())):
        yield f"{name[: MAX_NAME - 9]}_{digits[:8]}"


def arguments_schema(function: ApiFunction, words: dict[str, str] | None = None) -> dict[str, Any]:
    """The JSON schema of a function's arguments. ``words`` replaces type names, for dialects."""
    return {
        "type": (words or {}).get("object", "object"),
        "properties": {parameter.name: _schema(parameter, words or {}) for parameter in function.parameters},
        "required": [parameter.name for parameter in function.parameters if parameter.required],
    }


def description(function: ApiFunction) -> str:
    """What a model is told about a function."""
    parts = dict.fromkeys(" ".join(part.split()) for part in (function.summary, function.description))
    return " ".join(part for part in parts if part)[:1024] or function.title


def openai_tool(function: ApiFunction, name: str) -> dict[str, Any]:
    """A function as an entry of ``tools`` in OpenAI's chat API."""
    return {
        "type": "function",
        "function": {"name": name, "description": description(function), "parameters": arguments_schema(function)},
    }


def _schema(parameter: Parameter, words: dict[str, str]) -> dict[str, Any]:
    schema = _typed(parameter.type, words)
    if parameter.type == "array":
        schema["items"] = _typed(parameter.item_type or "any", words)
    if parameter.description:
        schema["description"] = " ".join(parameter.description.split())
    if parameter.enum:
        (schema["items"] if parameter.type == "array" else schema)["enum"] = parameter.enum
    bounds = {"minimum": parameter.minimum, "maximum": parameter.maximum, "default": parameter.default}
    return schema | {key: value for key, value in bounds.items() if value is not None}


def _typed(type_: ValueType, words: dict[str, str]) -> dict[str, Any]:
    word = words.get(type_, "" if type_ == "any" else type_)  # JSON schema has no word for any
    return {"type": word} if word else {}


def _name(text: str) -> str:
    return _FOREIGN.sub("_", text).strip("_")[:MAX_NAME] or "function"
