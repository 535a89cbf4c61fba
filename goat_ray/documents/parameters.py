"""From the parameters of an operation and its path to the arguments that the function takes."""

import re
from typing import Any

from goat_ray.documents.composition import Schemas
from goat_ray.documents.flaws import BadOperation
from goat_ray.documents.media import json_media, preferred_media, shown_values
from goat_ray.documents.references import References
from goat_ray.documents.schemas import fitted, text
from goat_ray.records import Location, Parameter

# OpenAPI 3.0, "Parameter Object": header parameters of these names are to be ignored.
_IGNORED_HEADERS = ("accept", "content-type", "authorization")
_SCALARS = ("string", "integer", "number", "boolean")
_PLACES: tuple[Location, ...] = ("path", "query", "header", "cookie")


def stated_parameters(template: str, nodes: list[Any], references: References, schemas: Schemas) -> list[Parameter]:
    """The arguments of an operation on the path ``template``, without those in its body.

    ``nodes`` are the path's parameters and then the operation's, which win. A placeholder of the template
    that neither states is an argument all the same. Raises ``Flaw``.
    """
    found: dict[tuple[str, str], Parameter] = {}
    for node in nodes:
        parameter = _parameter(references.follow(node), references, schemas)
        if parameter is not None:
            found[parameter.location, parameter.name] = parameter
    for name in re.findall(r"\{([^{}]+)\}", template):
        found.setdefault(("path", name), Parameter(name=name, location="path", type="string", required=True))
    return list(found.values())


def uniquely_named(parameters: list[Parameter]) -> tuple[list[Parameter], list[Parameter]]:
    """(kept, left out): of parameters with one name the first of path, query, header, cookie, body is kept.

    Arguments travel by name. Such twins mostly mean the same: ``PUT /pets/{id}`` with ``id`` in the body.
    """
    keeper: dict[str, Parameter] = {}
    for location in (*_PLACES, "body"):
        for parameter in parameters:
            if parameter.location == location:
                keeper.setdefault(parameter.name, parameter)
    kept = [parameter for parameter in parameters if keeper[parameter.name] is parameter]
    return kept, [parameter for parameter in parameters if keeper[parameter.name] is not parameter]


def argument(
    schemas: Schemas,
    name: str,
    location: Location,
    node: Any,
    *,
    required: bool,
    description: str,
    shown: list[Any],
    written: Any = None,
) -> Parameter:
    """A parameter with the schema ``node``; ``description`` and ``shown`` examples go before the schema's own.

    ``written`` is the node that says how arrays and objects are serialised, if any does.
    """
    schema = schemas.schema(node)
    examples = shown or schema.examples
    style, explode = ("", None) if schema.type in _SCALARS else _serialisation(written)
    return Parameter(
        name=name,
        location=location,
        type=schema.type,
        item_type=None if schema.items is None else schemas.schema(schema.items).type,
        required=required,
        description=description or schema.description,
        format=schema.format,
        enum=schema.enum,
        minimum=schema.minimum,
        maximum=schema.maximum,
        default=schema.default,
        example=fitted(examples[0], schema.kinds) if examples else None,
        style=style,
        explode=explode,
    )


def _serialisation(node: Any) -> tuple[str, bool | None]:
    """(style, explode) as a "Parameter Object" or an "Encoding Object" says them."""
    if not isinstance(node, dict):
        return "", None
    if isinstance(node.get("content"), dict):
        return ("json", None) if json_media(node["content"]) is not None else ("", None)
    explode = node.get("explode")
    return text(node.get("style")), explode if isinstance(explode, bool) else None


def _parameter(stated: Any, references: References, schemas: Schemas) -> Parameter | None:
    name, place = (stated.get("name"), stated.get("in")) if isinstance(stated, dict) else (None, None)
    location = next((known for known in _PLACES if known == place), None)
    if not isinstance(name, str) or not name or location is None:
        raise BadOperation(
            f"a parameter has name {name!r} and in {place!r}",
            remedy=f"Give it a name, and as in one of {', '.join(_PLACES)}",
        )
    if location == "header" and name.lower() in _IGNORED_HEADERS:
        return None
    media = preferred_media(stated.get("content"))
    return argument(
        schemas,
        name,
        location,
        stated.get("schema", media.get("schema", stated)),  # OpenAPI 2 has the type beside the name; some 3.0 files too
        required=location == "path" or stated.get("required") is True,
        description=text(stated.get("description")),
        shown=shown_values(stated, references) or shown_values(media, references),
        written=stated,
    )
