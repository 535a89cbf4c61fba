"""Tools that are called by name, as MCP and Python have them: from JSON schemas to functions."""

import inspect
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from goat_ray.documents.composition import Schemas
from goat_ray.documents.config import Limits
from goat_ray.documents.flaws import BadOperation, DuplicateName, Flaw, NoOperations
from goat_ray.documents.loading import Source
from goat_ray.documents.omissions import left_out
from goat_ray.documents.outputs import output_fields
from goat_ray.documents.references import References
from goat_ray.documents.request_body import object_arguments
from goat_ray.documents.schemas import text
from goat_ray.identity import content_id
from goat_ray.records import ApiFunction, OutputField, Reject


@dataclass(frozen=True)
class Tool:
    """What a document says of one tool. References in a schema lead into that schema."""

    name: str
    input: dict[str, Any]
    output: dict[str, Any] | None = None
    title: str = ""
    description: str = ""
    category: str = ""
    result: str = ""  # what the output is called where it is one bare value


@dataclass(frozen=True)
class Place:
    """A part of a document that describes a tool: where it is, and the tool or what is wrong with it."""

    where: str  # after the file's path, e.g. ":12" or "#/tools/3"
    name: str
    found: Tool | Flaw | None = field(default=None, compare=False)


def functions(source: Source, service: str, places: Iterable[Place]) -> Iterator[ApiFunction | Reject]:
    """The functions that the tools are, in their order, and a reject for whatever is left out.

    Of tools with one name the first is kept. Raises ``Flaw`` if there is no place.
    """
    names: set[str] = set()
    place = None
    for place in places:
        try:
            if isinstance(place.found, Flaw):
                raise place.found
            if not isinstance(place.found, Tool):
                raise BadOperation("is no tool", remedy="Describe its name and parameters")
            function, cut = _function(service, place.found, source.limits)
            if function.name in names:
                raise DuplicateName(f"{function.name} is described once more", remedy="Rename one of the two")
            names.add(function.name)
            yield function
            for flaw in left_out([], cut, source.limits):
                yield reject(source, flaw, place)
        except Flaw as flaw:
            yield reject(source, flaw, place)
        except Exception as error:
            yield reject(source, BadOperation.unforeseen(error, "tool"), place)
    if place is None:
        raise NoOperations("has no tool", place=source.document.path, remedy="Add tools or leave it out")


def reject(source: Source, flaw: Flaw, place: Place) -> Reject:
    """A reject for the flaw of a part of a document."""
    id = content_id(source.document.id, flaw.reason, place.where, place.name)
    where = f"{source.document.path}{place.where}{f' ({place.name})' if place.name else ''}"
    return flaw.reject(id, where)


def _function(service: str, tool: Tool, limits: Limits) -> tuple[ApiFunction, Counter[str]]:
    cut: Counter[str] = Counter()
    function = ApiFunction.create(
        service=service,
        name=tool.name,
        method="CALL",
        summary=text(tool.title),
        description=text(inspect.cleandoc(tool.description)),
        category=text(tool.category),
        parameters=object_arguments(tool.input, limits, cut),
        outputs=[] if tool.output is None else [_named(one, tool.result) for one in _outputs(tool.output, limits, cut)],
    )
    return function, cut


def _outputs(schema: dict[str, Any], limits: Limits, cut: Counter[str]) -> list[OutputField]:
    return output_fields(Schemas(References(schema)), schema, [], limits, cut)


def _named(field: OutputField, result: str) -> OutputField:
    """A bare value has no member name in its path to tell what it is, so its own name stands in."""
    if field.path in ("$", "$[*]") and not field.schema_name:
        return field.model_copy(update={"schema_name": result})
    return field
