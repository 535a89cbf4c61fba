"""Python type annotations as JSON schemas, read from syntax trees: nothing is imported or run."""

import ast
import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

MAX_DEPTH = 24  # of an annotation inside annotations
MAX_PARTS = 1_000  # of an annotation, with those of the aliases in it: aliases of aliases multiply
MAX_TEXT = 2_000  # characters of an annotation or type that is written as a text

_TEXT, _ARRAY = {"type": "string"}, {"type": "array"}
_SIMPLE: dict[str, dict[str, Any]] = {
    "str": _TEXT,
    "string": _TEXT,
    "bytes": _TEXT,
    "Path": _TEXT,
    "int": {"type": "integer"},
    "integer": {"type": "integer"},
    "float": {"type": "number"},
    "number": {"type": "number"},
    "Decimal": {"type": "number"},
    "bool": {"type": "boolean"},
    "boolean": {"type": "boolean"},
    "None": {"type": "null"},
    "NoneType": {"type": "null"},
    "datetime": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "timedelta": {"type": "string", "format": "duration"},
    "UUID": {"type": "string", "format": "uuid"},
    "EmailStr": {"type": "string", "format": "email"},
    "AnyUrl": {"type": "string", "format": "uri"},
    "HttpUrl": {"type": "string", "format": "uri"},
}
_ARRAYS = frozenset(
    "list List tuple Tuple set Set frozenset FrozenSet Sequence MutableSequence Iterable Iterator Collection array"
    " AsyncIterator AsyncIterable Generator AsyncGenerator".split()
)
_OBJECTS = frozenset("dict Dict Mapping MutableMapping OrderedDict defaultdict DefaultDict object".split())
# Wrappers that say nothing about the value's type, which is their last argument.
_WRAPPERS = frozenset("Required NotRequired ReadOnly Final Awaitable Coroutine InitVar".split())
_KEYWORDS = {"ge": "minimum", "gt": "minimum", "le": "maximum", "lt": "maximum"}
_FIELD = frozenset({"Field", "field", "Query", "Body", "Path", "Form", "attrib", "Parameter"})


class Annotations:
    """Makes schemas of annotations; names of ``classes`` become references into ``$defs``."""

    def __init__(self, classes: Iterable[str] = (), aliases: dict[str, ast.expr] | None = None) -> None:
        self._classes = frozenset(classes)
        self._aliases = aliases or {}
        self._left = 0  # parts

    def schema(self, node: ast.expr | None) -> dict[str, Any]:
        """The schema of a value with this annotation; empty where it says nothing that JSON can have."""
        self._left = MAX_PARTS
        return self._schema(node, 0)

    def _schema(self, node: ast.expr | None, depth: int) -> dict[str, Any]:
        self._left -= 1
        if node is None or depth > MAX_DEPTH or self._left < 0:
            return {}
        match node:
            case ast.Constant(value=None):
                return {"type": "null"}
            case ast.Constant(value=str(text)):
                return self._schema(expression(text), depth + 1)
            case ast.Name() | ast.Attribute():
                return self._named(last_name(node), depth)
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                return _any_of([self._schema(left, depth + 1), self._schema(right, depth + 1)])
            case ast.Subscript(value=base, slice=inner):
                items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
                return self._generic(last_name(base), items, depth + 1)
        return {}

    def said(self, text: str | None) -> dict[str, Any]:
        """The schema of a type as docstrings and other texts have it: ``list[str]``, ``list of int, optional``."""
        plain = (text or "").strip().removesuffix(", optional").replace("(", "[").replace(")", "]")
        first, of, rest = plain.partition(" of ")
        if of and last_part(first) in _ARRAYS:
            return {"type": "array", "items": self.said(rest.removesuffix("s"))}
        return self.schema(expression(plain))

    def _named(self, name: str, depth: int) -> dict[str, Any]:
        if name in self._classes:
            return {"$ref": f"#/$defs/{name}"}
        if name in self._aliases:
            return self._schema(self._aliases[name], depth + 1)
        if name in _ARRAYS:
            return dict(_ARRAY)
        if name in _OBJECTS:
            return {"type": "object"}
        return dict(_SIMPLE.get(name, {}))

    def _generic(self, name: str, items: list[ast.expr], depth: int) -> dict[str, Any]:
        if not items:  # tuple[()]
            return self._named(name, depth)
        if name == "Optional":
            return _any_of([self._schema(items[0], depth), {"type": "null"}])
        if name == "Union":
            return _any_of([self._schema(item, depth) for item in items])
        if name == "Literal":
            values = [value for item in items if (value := literal(item)) is not None]
            return {"enum": values} if values else {}
        if name == "Annotated":
            return {**self._schema(items[0], depth), **metadata(items[1:])}
        if name in _WRAPPERS:
            return self._schema(items[-1], depth)
        if name in _ARRAYS:
            inner = self._schema(items[0], depth)
            return {"type": "array", "items": inner} if inner else dict(_ARRAY)
        return self._named(name, depth)


def _any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    return {} if {} in schemas else {"anyOf": schemas}


def metadata(nodes: Iterable[ast.expr]) -> dict[str, Any]:
    """What the extras of ``Annotated``, or a default such as ``Field(...)``, say in words of JSON schema."""
    said: dict[str, Any] = {}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            said["description"] = node.value
        elif isinstance(node, ast.Call):
            name = last_name(node.func)
            if name == "Doc" and node.args and isinstance(value := literal(node.args[0]), str):
                said["description"] = value
            for keyword in node.keywords if name in _FIELD else ():
                value = literal(keyword.value)
                if keyword.arg in ("description", "examples") and value is not None:
                    said[keyword.arg] = value
                elif keyword.arg in _KEYWORDS and value is not None:
                    said[_KEYWORDS[keyword.arg]] = value
    return said


def stated_default(node: ast.expr | None) -> tuple[bool, Any]:
    """(whether a value may be left out, its default if that is JSON) of what stands after ``=``."""
    if node is None:
        return False, None
    if not (isinstance(node, ast.Call) and last_name(node.func) in _FIELD):
        return True, literal(node)
    options = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    given = options.get("default", node.args[0] if node.args else None)
    if isinstance(given, ast.Constant) and given.value is ...:
        given = None
    return given is not None or bool(options.keys() & {"default_factory", "factory"}), literal(given)


def literal(node: ast.expr | None) -> Any:
    """The value of a literal that JSON can say; None for anything else."""
    try:
        value = None if node is None else ast.literal_eval(node)
        return json.loads(json.dumps(value, allow_nan=False)) if _is_json(value) else None
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return all(_is_json(inner) for inner in value)
    if isinstance(value, str):
        return value.isprintable() or not any("\ud800" <= character <= "\udfff" for character in value)
    # Beyond 64 bits no Parquet column and few JSON readers have it.
    return value is None or (isinstance(value, bool | int) and abs(value) < 2**63) or _is_finite(value)


def _is_finite(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def expression(text: str) -> ast.expr | None:
    """The syntax tree of an annotation that is written as a text; None where it is none."""
    if len(text) > MAX_TEXT:
        return None
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def last_name(node: ast.AST) -> str:
    """The last part of a dotted name, which is how imports are mostly told apart; empty for anything else."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=function):
            return last_name(function) if not isinstance(function, ast.Call) else ""
        case ast.Subscript(value=ast.Name() | ast.Attribute() as base):  # Generic[T] among the bases of a class
            return last_name(base)
    return ""


def last_part(text: str) -> str:
    """The last part of a dotted name in a text."""
    return text.strip().rpartition(".")[2]


def assigned(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.expr | None, ast.expr | None]]:
    """(name, annotation, value) of the plain assignments in a body, in order."""
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, None, value
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                yield name, annotation, value
