"""Reader of function schemas: the ``tools`` of OpenAI and Anthropic, and the function lists of BFCL.

JSON or JSON Lines with objects ``{"name", "description", "parameters" | "input_schema"}``, bare or inside
``function``, ``functions`` or ``tools``, and with whatever stands around them, such as the questions of BFCL.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from goat_ray.documents.composition import Schemas
from goat_ray.documents.dialects import is_plain_map, object_schema, schema_of
from goat_ray.documents.embedded import begins_json, parsed
from goat_ray.documents.flaws import BadOperation, Flaw, NoOperations
from goat_ray.documents.loading import Source
from goat_ray.documents.omissions import left_out
from goat_ray.documents.outputs import output_fields
from goat_ray.documents.parameters import uniquely_named
from goat_ray.documents.references import References
from goat_ray.documents.request_body import object_arguments
from goat_ray.documents.schemas import text
from goat_ray.records import ApiFunction, OutputField, Parameter, Reject

PROBED = 64  # functions, and lines, that are looked at to tell the format
_HOLDERS = ("function", "functions", "tools", "function_declarations", "functionDeclarations")
_ARGUMENTS = ("parameters", "input_schema")
_OUTPUTS = ("response", "returns", "output_schema")
_KEYS = [f'"{key}"'.encode() for key in _ARGUMENTS]
Place = tuple[str, Any]  # where a value stands in the document, and the value


def sniff(source: Source) -> bool:
    """Whether the document holds function schemas; raises ``Flaw`` if it seems to but cannot be parsed."""
    if not begins_json(source.content) or not any(key in source.content for key in _KEYS):
        return False
    try:
        return _holds_functions(source.tree)
    except Flaw:
        for number, line in islice(_lines(source.content), PROBED):
            try:
                if _holds_functions(parsed(source, line, f"line {number}")):
                    return True
            except Flaw:
                continue
        raise


def read(source: Source) -> Iterator[ApiFunction | Reject]:
    """The functions of a document in its order, equal ones once, and a reject for what cannot be used.

    Raises ``Flaw`` if the document has no function.
    """
    reader = _Reader(source)
    empty = True
    for found in _values(source):
        for place, node in [("", found)] if isinstance(found, Reject) else _functions(*found):
            empty = False
            yield from [node] if isinstance(node, Reject) else reader.read(place, node)
    if empty:
        raise NoOperations("has no function", place=source.document.path, remedy="Add functions or leave it out")


def _values(source: Source) -> Iterator[Place | Reject]:
    """The one value of JSON, or those of the lines of JSON Lines."""
    try:
        tree = source.tree
    except Flaw:
        pass
    else:
        yield "", tree
        return
    for number, line in _lines(source.content):
        try:
            yield f"line {number}", parsed(source, line, f"{source.document.path}:{number}")
        except Flaw as flaw:
            yield source.reject(flaw, f"line {number}")


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line) of the lines that are not blank, without copying the whole content."""
    start, number = 0, 0
    while start < len(content):
        end = content.find(b"\n", start)
        end = len(content) if end < 0 else end
        number += 1
        line = content[start:end]
        if line.strip():
            yield number, line
        start = end + 1


def _functions(place: str, value: Any) -> Iterator[Place]:
    """The functions in a value; where there is none, the value itself, so that nothing is passed over."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _functions(f"{place}/{index}", item)
        return
    holders = [key for key in _HOLDERS if isinstance(value.get(key), dict | list)] if isinstance(value, dict) else []
    if not holders or any(isinstance(value.get(key), dict) for key in _ARGUMENTS):
        yield place, value
        return
    for key in holders:
        yield from _functions(f"{place}/{key}", value[key])


def _holds_functions(tree: Any) -> bool:
    return any(_is_function(node, place) for place, node in islice(_functions("", tree), PROBED))


def _is_function(node: Any, place: str) -> bool:
    if not isinstance(node, dict) or not isinstance(node.get("name"), str):
        return False
    arguments = next((node[key] for key in _ARGUMENTS if isinstance(node.get(key), dict)), None)
    if arguments is None:
        return False
    if isinstance(arguments.get("type"), str) or isinstance(arguments.get("properties"), dict):
        return True
    # Google's discovery documents, for one, have a name and a map of parameters as a whole document.
    return bool(place) and (not arguments or is_plain_map(arguments))


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._seen: set[str] = set()
        self._names: set[tuple[str, str]] = set()
        self._numbers: dict[tuple[str, str], int] = {}

    def read(self, place: str, node: Any) -> Iterator[ApiFunction | Reject]:
        """The function of one schema unless it was read before, and rejects for what of it is left out."""
        try:
            function, twins, cut = self._function(node)
            if function.id in self._seen:
                return
            self._seen.add(function.id)
            yield self._numbered(function)
            for flaw in left_out(twins, cut, self._source.limits):
                yield self._source.reject(flaw, place, flaw.reason)
        except Flaw as flaw:
            yield self._source.reject(flaw, place)
        except Exception as error:
            yield self._source.reject(BadOperation.unforeseen(error, "function"), place)

    def _numbered(self, function: ApiFunction) -> ApiFunction:
        """The function under a name that no other of its service has."""
        key = function.service, function.name
        name = function.name
        while (function.service, name) in self._names:
            number = self._numbers[key] = self._numbers.get(key, 1) + 1
            name = f"{function.name}_{number}"
        self._names.add((function.service, name))
        if name == function.name:
            return function
        return ApiFunction.create(**{**function.model_dump(exclude={"id"}), "name": name})

    def _function(self, node: Any) -> tuple[ApiFunction, list[Parameter], Counter[str]]:
        """A function, its parameters that others' names keep out, and how much was cut."""
        name = text(node.get("name")) if isinstance(node, dict) else ""
        if not name:
            raise BadOperation(
                f"is no function: {node!r:.100}", remedy="Give it a name and parameters, or leave it out"
            )
        cut: Counter[str] = Counter()
        parameters, twins = uniquely_named(self._parameters(node, cut))
        function = ApiFunction.create(
            service=name.rpartition(".")[0] or PurePosixPath(self._source.document.path).stem,
            name=name,  # with the service, if that is how it is written: that is what calls must say
            method="CALL",
            description=text(node.get("description")),
            parameters=parameters,
            outputs=self._outputs(node, cut),
        )
        return function, twins, cut

    def _parameters(self, node: dict[str, Any], cut: Counter[str]) -> list[Parameter]:
        stated: Any = next((node[key] for key in _ARGUMENTS if node.get(key) is not None), {})
        if not isinstance(stated, dict):
            raise BadOperation("parameters is no object", remedy="Write a JSON schema")
        return object_arguments(object_schema(stated), self._source.limits, cut)

    def _outputs(self, node: dict[str, Any], cut: Counter[str]) -> list[OutputField]:
        stated: Any = next((node[key] for key in _OUTPUTS if isinstance(node.get(key), dict)), {})
        if not stated:
            return []
        schema = object_schema(stated) if is_plain_map(stated) else schema_of(stated)
        return output_fields(Schemas(References(schema)), schema, [], self._source.limits, cut)
