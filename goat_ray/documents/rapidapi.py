"""Reader of RapidAPI tools as ToolBench has them: query files and the files of its tool store, both JSON.

A query file is a list of ``{"query", "api_list": [{"category_name", "tool_name", "api_name", "api_description",
"required_parameters", "optional_parameters", "method", "template_response"?}]}``. A file of the tool store is
one tool, ``{"tool_name", "api_list": [{"name", "description", "method", ..., "statuscode", "body", "schema"}]}``.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from goat_ray.documents.embedded import begins_json
from goat_ray.documents.flaws import BadOperation, DuplicateName, Flaw, NoOperations
from goat_ray.documents.loading import Source
from goat_ray.documents.omissions import left_out
from goat_ray.documents.parameters import uniquely_named
from goat_ray.documents.references import pointer
from goat_ray.documents.schemas import fitted, kinds_of, text
from goat_ray.documents.shapes import response
from goat_ray.identity import canonical_json
from goat_ray.records import ApiFunction, Location, OutputField, Parameter, Reject, ValueType

FAILED = 400  # HTTP status from which a body tells of an error
_WITH_BODY = ("POST", "PUT", "PATCH")
# The types of RapidAPI's editor; those that are not named (ENUM, TIME, FILE, GEOPOINT ...) are written as texts.
_TYPES: dict[str, ValueType] = {
    "NUMBER": "number",
    "FLOAT": "number",
    "INTEGER": "integer",
    "INT": "integer",
    "BOOLEAN": "boolean",
    "ARRAY": "array",
    "LIST": "array",
    "OBJECT": "object",
    "MAP": "object",
    "JSON": "object",
}
_FORMATS = {"DATE": "date", "DATE (YYYY-MM-DD)": "date", "DATETIME": "date-time", "TIME": "time"}


@dataclass(frozen=True)
class Found:
    """One API of a document: where it stands, what it says, and the tool or query around it."""

    place: str
    node: Any
    around: dict[str, Any]


def sniff(source: Source) -> bool:
    """Whether the document has an ``api_list``; raises ``Flaw`` if it seems to but cannot be parsed."""
    content = source.content
    if not begins_json(content) or not (b'"api_list"' in content or b'"api_name"' in content):
        return False
    tree = source.tree
    return any(isinstance(item, dict) and _is_ours(item) for item in (tree if isinstance(tree, list) else [tree]))


def _is_ours(item: dict[str, Any]) -> bool:
    return isinstance(item.get("api_list"), list) or ("api_name" in item and "required_parameters" in item)


def read(source: Source) -> Iterator[ApiFunction | Reject]:
    """The functions of a document, each once, and a reject for each API that cannot be used.

    Raises ``Flaw`` if the document has no API.
    """
    return read_apis(source, _apis(source.tree))


def read_apis(source: Source, apis: Iterable[Found | Reject]) -> Iterator[ApiFunction | Reject]:
    """As ``read``, for APIs that another format holds; what is already rejected stays so."""
    functions: dict[tuple[str, str], dict[str, tuple[str, ApiFunction]]] = {}
    found: Found | Reject | None = None
    for found in apis:
        if isinstance(found, Reject):
            yield found
            continue
        try:
            cut: Counter[str] = Counter()
            function, twins = _function(source, found, cut)
            same = functions.setdefault((function.service, function.name), {})
            if function.id not in same:
                same[function.id] = found.place, function
                for flaw in left_out(twins, cut, source.limits):
                    yield source.reject(flaw, found.place, flaw.reason)
        except Flaw as flaw:
            yield source.reject(flaw, found.place)
        except Exception as error:
            yield source.reject(BadOperation.unforeseen(error, "API"), found.place)
    if found is None:
        raise NoOperations("has no API", place=source.document.path, remedy="Add APIs or leave it out")
    for same in functions.values():
        yield from _richest(source, list(same.values()))


def _richest(source: Source, versions: list[tuple[str, ApiFunction]]) -> Iterator[ApiFunction | Reject]:
    """Of differing descriptions of one API the one that says most, the first of equals; rejects for the others."""
    kept = max(versions, key=lambda version: _richness(version[1])) if len(versions) > 1 else versions[0]
    yield kept[1]
    for place, function in versions:
        if function is not kept[1]:
            problem = f"{function.service}: {function.name} is described otherwise, and more fully, at {kept[0]}"
            yield source.reject(DuplicateName(problem, remedy="Keep one description of it"), place)


def _richness(function: ApiFunction) -> tuple[int, int]:
    return len(function.outputs) + len(function.parameters), len(canonical_json(function.model_dump()))


def _apis(tree: Any) -> Iterator[Found]:
    items = enumerate(tree) if isinstance(tree, list) else [(None, tree)]
    for index, item in items:
        place = "" if index is None else pointer(str(index))
        if not isinstance(item, dict) or "api_list" not in item:
            yield Found(place, item, {})
        elif not isinstance(item["api_list"], list):
            yield Found(f"{place}/api_list", item["api_list"], {})
        else:
            for number, api in enumerate(item["api_list"]):
                yield Found(f"{place}/api_list/{number}", api, item)


def _function(source: Source, found: Found, cut: Counter[str]) -> tuple[ApiFunction, list[Parameter]]:
    """The function of one API, and its parameters that others' names keep out; further cuts are counted in ``cut``."""
    api, around = found.node, found.around
    if not isinstance(api, dict):
        raise BadOperation("the API is no object", remedy="Write its name and parameters in an object")
    method = text(api.get("method")).upper() if api.get("method") else "GET"
    if not re.fullmatch(r"[A-Z]{1,20}", method):
        raise BadOperation(f"method is {api['method']!r:.100}", remedy="Give an HTTP method")
    outputs, example = _response(source, api, f"{source.document.path}#{found.place}", cut)
    required = _parameters(api, "required_parameters", method, required=True)
    parameters, twins = uniquely_named(required + _parameters(api, "optional_parameters", method, required=False))
    function = ApiFunction.create(
        service=_stated("tool_name", api.get("tool_name", around.get("tool_name"))),
        name=_stated("api_name", api.get("api_name", api.get("name"))),
        method=method,
        description=text(api.get("api_description")) or text(api.get("description")),
        category=text(api.get("category_name")) or text(around.get("category_name")),
        parameters=parameters,
        outputs=outputs,
        response_example=example,
    )
    return function, twins


def _stated(key: str, value: Any) -> str:
    name = text(value)
    if not name:
        raise BadOperation(f"{key} is {value!r:.100}", remedy=f"Give the API a {key}")
    return name


def _parameters(api: dict[str, Any], key: str, method: str, *, required: bool) -> list[Parameter]:
    nodes = api.get(key)
    if not isinstance(nodes, list | None) or not all(isinstance(node, dict) for node in nodes or ()):
        raise BadOperation(f"{key} is no list of objects", remedy="List the parameters as objects")
    # Nothing says where RapidAPI's proxy puts an argument, but this is where such APIs mostly take them.
    location: Location = "body" if method in _WITH_BODY else "query"
    return [_parameter(node, location, required=required) for node in nodes or ()]


def _parameter(node: dict[str, Any], location: Location, *, required: bool) -> Parameter:
    stated = text(node.get("type")).upper()
    type = _TYPES.get(stated, "string")
    # What ToolBench calls the default is the sample value of RapidAPI's playground: an example, often the id of
    # one film, which no server assumes when the argument is left out. "" means that there is none.
    sample = _sample(node.get("default"), type)
    options: list[Any] = next(
        (node[key] for key in ("enum", "options", "values") if isinstance(node.get(key), list)), []
    )
    return Parameter(
        name=_stated("a parameter's name", node.get("name")),
        location=location,
        type=type,
        required=required,
        description=text(node.get("description")),
        format=_FORMATS.get(stated, ""),
        enum=[fitted(option, frozenset({type})) for option in options if option is not None],
        example=sample,
    )


def _sample(value: Any, type: ValueType) -> Any:
    """A sample value as its type has it; None for none, and for a note that stands where a value should."""
    if value is None or value == "":
        return None
    if type == "boolean" and isinstance(value, str):
        value = value.strip().lower()
    sample = fitted(value, frozenset({type}))
    fits = {type, "integer"} if type == "number" else {type}
    return sample if kinds_of([sample]) <= fits else None


def _response(source: Source, api: dict[str, Any], place: str, cut: Counter[str]) -> tuple[list[OutputField], Any]:
    status = api.get("statuscode")
    failed = isinstance(status, int) and status >= FAILED
    for template in (api.get("template_response"), *(() if failed else (api.get("body"), api.get("schema")))):
        outputs, example = response(source, template, place, cut)
        if outputs:
            return outputs, example
    return [], None
