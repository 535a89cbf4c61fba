"""Classes of a Python file that describe data, as JSON schemas: dataclasses, TypedDicts, pydantic models, enums."""

import ast
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from goat_ray.documents import docstrings
from goat_ray.documents.annotations import Annotations, assigned, last_name, literal, metadata, stated_default

_ENUMS = frozenset({"Enum", "StrEnum", "IntEnum"})
_MODELS = frozenset({"TypedDict", "NamedTuple", "BaseModel", "SQLModel", "Struct"})
_DECORATORS = frozenset({"dataclass", "define", "frozen", "attrs"})
_ALIASES = (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp)


class DataClasses:
    """The data classes and type aliases of a module."""

    def __init__(self, body: Iterable[ast.stmt]) -> None:
        statements = list(body)
        classes = {one.name: one for one in statements if isinstance(one, ast.ClassDef)}
        self._enums = {name: one for name, one in classes.items() if _bases(one) & _ENUMS}
        self._models: dict[str, ast.ClassDef] = {}
        for name, one in classes.items():  # a base stands before what inherits from it
            decorators = {last_name(decorator) for decorator in one.decorator_list}
            if name not in self._enums and (_bases(one) & (_MODELS | self._models.keys()) or decorators & _DECORATORS):
                self._models[name] = one
        self.annotations = Annotations((*self._enums, *self._models), _aliases(statements))

    def definitions(self, schema: Any) -> dict[str, Any]:
        """``$defs`` with the classes that a schema refers to, and those that these refer to."""
        found: dict[str, Any] = {}
        waiting = _referred(schema)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = _enum(self._enums[name]) if name in self._enums else self._model(self._models[name])
                waiting += _referred(found[name])
        return found

    def default(self, node: ast.expr | None) -> tuple[bool, Any]:
        """As ``stated_default``, with members of enums by their value."""
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=member) if name in self._enums:
                return True, _members(self._enums[name]).get(member)
        return stated_default(node)

    def _model(self, node: ast.ClassDef) -> dict[str, Any]:
        docs = docstrings.parsed(ast.get_docstring(node))
        beside = _attribute_docstrings(node.body)
        total = not any(keyword.arg == "total" and literal(keyword.value) is False for keyword in node.keywords)
        properties: dict[str, Any] = {}
        required: list[str] = []
        for name, annotation, value in assigned(node.body):
            if annotation is None or name.startswith("_") or _wrapper(annotation) == "ClassVar":
                continue
            optional, default = self.default(value)
            said = {"description": docs.parameters.get(name) or beside.get(name)}
            schema = {
                **said,
                "default": default,
                **self.annotations.schema(annotation),
                **metadata([value] if isinstance(value, ast.Call) else []),
            }
            properties[name] = {key: inner for key, inner in schema.items() if inner is not None}
            if _wrapper(annotation) == "Required" or (total and not optional and _wrapper(annotation) != "NotRequired"):
                required.append(name)
        own = {"type": "object", "properties": properties, "required": required, "description": docs.description}
        bases = [base for base in map(last_name, node.bases) if base in self._models and base != node.name]
        if not bases:
            return own
        return {"allOf": [*({"$ref": f"#/$defs/{base}"} for base in bases), own], "description": docs.description}


def _bases(node: ast.ClassDef) -> set[str]:
    return {last_name(base) for base in node.bases}


def _wrapper(annotation: ast.expr) -> str:
    return last_name(annotation.value) if isinstance(annotation, ast.Subscript) else last_name(annotation)


def _aliases(body: Iterable[ast.stmt]) -> dict[str, ast.expr]:
    """The type aliases of a module: ``Ids = list[int]`` and ``UserId = NewType("UserId", str)``."""
    found: dict[str, ast.expr] = {}
    for name, _, value in assigned(body):
        if isinstance(value, ast.Call) and last_name(value.func) == "NewType" and len(value.args) > 1:
            found[name] = value.args[1]
        elif isinstance(value, _ALIASES):
            found[name] = value
    return found


def _members(node: ast.ClassDef) -> dict[str, Any]:
    text = _bases(node) & {"StrEnum", "str"}
    found: dict[str, Any] = {}
    for number, (name, _, value) in enumerate(assigned(node.body), 1):
        if isinstance(value, ast.Call) and last_name(value.func) == "auto":
            found[name] = name.lower() if text else number
        elif (member := literal(value)) is not None:
            found[name] = member
    return found


def _enum(node: ast.ClassDef) -> dict[str, Any]:
    return {
        "enum": list(_members(node).values()),
        "description": docstrings.parsed(ast.get_docstring(node)).description,
    }


def _attribute_docstrings(body: list[ast.stmt]) -> dict[str, str]:
    """Texts that stand right under the attributes that they describe."""
    found: dict[str, str] = {}
    for above, statement in pairwise(body):
        match above, statement:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found


def _referred(schema: Any) -> list[str]:
    """The names in the references of a schema; schemas of annotations are shallow, so recursion is safe."""
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        own = [reference.removeprefix("#/$defs/")] if isinstance(reference, str) else []
        return own + [name for value in schema.values() for name in _referred(value)]
    return [name for value in schema for name in _referred(value)] if isinstance(schema, list) else []
