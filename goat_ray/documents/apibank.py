"""The tool classes of API-Bank (arXiv 2304.08244): a Python class whose attributes describe one API.

``description`` is a text, ``input_parameters`` and ``output_parameters`` map names to ``{'type', 'description'}``,
and ``call(...)`` returns ``{'api_name', 'input', 'output', 'exception'}``. The body of a call is its ``output``.
"""

import ast
from collections.abc import Iterator
from typing import Any

from goat_ray.documents.annotations import Annotations, assigned, literal, stated_default
from goat_ray.documents.flaws import BadOperation
from goat_ray.documents.tools import Tool

MAX_STEPS = 4  # assignments and methods that are followed from a return of ``call`` to a value
_ANNOTATIONS = Annotations()
Function = ast.FunctionDef | ast.AsyncFunctionDef


def is_tool(node: ast.stmt) -> bool:
    """Whether a statement is a class that describes a tool; base classes and helpers do not."""
    return isinstance(node, ast.ClassDef) and {"description", "input_parameters"} <= _attributes(node).keys()


def tool(node: ast.ClassDef) -> Tool:
    """The tool that a class describes; raises ``Flaw``."""
    attributes = _attributes(node)
    inputs = _stated(attributes, "input_parameters")
    outputs = _stated(attributes, "output_parameters") if "output_parameters" in attributes else {}
    defaults = _defaults(_methods(node).get("call"))
    properties = {
        name: schema if defaults.get(name) is None else {**schema, "default": defaults[name]}
        for name, schema in inputs.items()
    }
    description, category = literal(attributes["description"]), literal(attributes.get("database_name"))
    result, output = _output(node, outputs)
    return Tool(
        name=node.name,
        input={
            "type": "object",
            "properties": properties,
            "required": [name for name in inputs if name not in defaults],
        },
        output=output,
        description=description if isinstance(description, str) else "",
        category=category if isinstance(category, str) else "",
        result=result,
    )


def _attributes(node: ast.ClassDef) -> dict[str, ast.expr]:
    return {name: value for name, _, value in assigned(node.body) if value is not None}


def _methods(node: ast.ClassDef) -> dict[str, Function]:
    return {one.name: one for one in node.body if isinstance(one, Function)}


def _stated(attributes: dict[str, ast.expr], key: str) -> dict[str, dict[str, Any]]:
    """The schemas by name in ``input_parameters`` or ``output_parameters``."""
    stated = literal(attributes[key])
    if not isinstance(stated, dict) or not all(isinstance(entry, dict | str) for entry in stated.values()):
        raise BadOperation(
            f"{key} is no literal of names and their types",
            remedy="Write it like {'token': {'type': 'str', 'description': 'The token.'}}",
        )
    return {name: _schema(entry) for name, entry in stated.items()}


def _schema(entry: dict[str, Any] | str) -> dict[str, Any]:
    words = {"type": entry} if isinstance(entry, str) else entry
    kind = words.get("type")
    stated = {key: words[key] for key in ("description", "enum", "default", "format", "example") if key in words}
    return {**(_ANNOTATIONS.said(kind) if isinstance(kind, str) else {}), **stated}


def _defaults(call: Function | None) -> dict[str, Any]:
    """The arguments that ``call`` does not need, with their defaults."""
    if call is None:
        return {}
    positional = [*call.args.posonlyargs, *call.args.args]
    pairs = [
        *zip(reversed(positional), reversed(call.args.defaults), strict=False),
        *zip(call.args.kwonlyargs, call.args.kw_defaults, strict=True),
    ]
    return {argument.arg: stated_default(value)[1] for argument, value in pairs if value is not None}


def _output(node: ast.ClassDef, outputs: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any] | None]:
    """(name of the value, schema) of a tool's output: an object by name or, of one entry, mostly its bare value.

    API-Bank has both: ``AddAgenda`` puts out ``"success"`` for its ``status``, ``GetUserToken`` an object with
    its ``token``. What ``call`` returns decides where it can be told without running it.
    """
    if len(outputs) == 1 and not any(_is_object(value, outputs) for value in _returned(node)):
        ((name, schema),) = outputs.items()
        return name, schema
    return "", {"type": "object", "properties": outputs} if outputs else None


def _is_object(node: ast.expr, outputs: dict[str, dict[str, Any]]) -> bool:
    if not isinstance(node, ast.Dict):
        return False
    return any(isinstance(key, ast.Constant) and key.value in outputs for key in node.keys)


def _returned(node: ast.ClassDef) -> Iterator[ast.expr]:
    """The expressions that the ``output`` of a call can be, as far as they are plain to see."""
    methods = _methods(node)
    call = methods.get("call")
    if call is None:
        return
    found = [
        (value, call, 0)
        for returned in _returns(call)
        if isinstance(returned, ast.Dict)
        for key, value in zip(returned.keys, returned.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "output"
    ]
    followed: set[tuple[str, str]] = set()  # (method, name in it or "" for what it returns)
    for value, method, step in found:  # which grows meanwhile
        yield value
        match value:
            case ast.Name(id=name):
                onward = method
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=called)) if called in methods:
                onward, name = methods[called], ""
            case _:
                continue
        if step < MAX_STEPS and (onward.name, name) not in followed:
            followed.add((onward.name, name))
            values = _values(onward, name) if name else _returns(onward)
            found += [(one, onward, step + 1) for one in values]


def _returns(method: Function) -> list[ast.expr]:
    return [one.value for one in ast.walk(method) if isinstance(one, ast.Return) and one.value is not None]


def _values(method: Function, name: str) -> list[ast.expr]:
    statements = (one for one in ast.walk(method) if isinstance(one, ast.stmt))
    return [value for target, _, value in assigned(statements) if target == name and value is not None]
