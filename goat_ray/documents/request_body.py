"""From a request body to arguments: one for each member of the body, ``a.b`` for members of members."""

from collections import Counter, deque
from itertools import islice
from typing import Any

from goat_ray.documents.composition import Schemas
from goat_ray.documents.config import Limits
from goat_ray.documents.flaws import BadOperation
from goat_ray.documents.media import JSON, preferred_media, shown_bodies
from goat_ray.documents.parameters import argument
from goat_ray.documents.references import References
from goat_ray.documents.schemas import fitted, text, type_of
from goat_ray.records import Parameter

WHOLE_BODY = "$"
"""Name of the argument that is the whole body, where the body is not an object with known members."""

CUT = "body parameters"
"""What the members that were left out are counted as."""

MAX_VISITS_PER_PARAMETER = 8  # schemas looked at, on average, to find one parameter


def body_parameters(
    node: Any, references: References, schemas: Schemas, limits: Limits, cut: Counter[str]
) -> list[Parameter]:
    """The arguments in a "Request Body Object", level by level; read-only members are left out.

    The first ``limits.max_fields`` are kept; the known members beyond are counted in ``cut``. Raises ``Flaw``.
    """
    body = references.follow(node)
    media = preferred_media(body.get("content")) if isinstance(body, dict) else {}
    schema, bodies = media.get("schema"), shown_bodies(media, references)
    if schema is None and not bodies:
        return []
    root = schemas.schema(schema)
    example = next((fitted(value, root.kinds) for value in (*bodies, *root.examples)), None)
    if root.members:
        return _members(schema, example, media.get("encoding"), schemas, limits, cut)
    if isinstance(example, dict) and not root.kinds - {"object"}:
        cut[CUT] += max(0, len(example) - limits.max_fields)
        return [
            Parameter(name=name, location="body", type=type_of([value]), example=value)
            for name, value in islice(example.items(), limits.max_fields)
        ]
    description, required = text(body.get("description")), body.get("required") is True
    shown = [] if example is None else [example]
    return [argument(schemas, WHOLE_BODY, "body", schema, required=required, description=description, shown=shown)]


def object_arguments(schema: dict[str, Any], limits: Limits, cut: Counter[str]) -> list[Parameter]:
    """The arguments of a function that takes one object of this JSON schema, as ``body_parameters`` has them.

    References lead into the schema itself. Raises ``Flaw``, also for a schema of anything but an object.
    """
    references = References(schema)
    schemas = Schemas(references)
    root = schemas.schema(schema)
    if root.kinds - {"object", "null"}:
        raise BadOperation(f"takes {root.type} instead of an object", remedy="Write the schema of an object")
    if not root.members:  # nothing to pass: not even an empty body
        return []
    return body_parameters({"content": {JSON: {"schema": schema}}}, references, schemas, limits, cut)


def _members(
    root: Any, example: Any, encoding: Any, schemas: Schemas, limits: Limits, cut: Counter[str]
) -> list[Parameter]:
    found: list[Parameter] = []
    written = encoding if isinstance(encoding, dict) else {}
    # Few authors state that the body itself is required; what its schema requires is required of every call.
    queue: deque[tuple[str, Any, tuple[int, ...], bool, Any]] = deque([("", root, (), True, example)])
    visits = limits.max_fields * MAX_VISITS_PER_PARAMETER
    while queue and visits and len(found) < limits.max_fields:
        visits -= 1
        name, node, above, needed, shown = queue.popleft()
        schema = schemas.schema(node)
        if schema.read_only:
            continue
        if shown is None and schema.examples:
            shown = schema.examples[0]
        opens = schema.members and schema.kinds <= {"object", "null"}
        if name and not (opens and schema.key not in above and len(above) < limits.max_depth):
            values = [] if shown is None else [shown]
            found.append(
                argument(
                    schemas,
                    name,
                    "body",
                    node,
                    required=needed,
                    description="",
                    shown=values,
                    written=written.get(name),
                )
            )
            continue
        inner = shown if isinstance(shown, dict) else {}
        room = max(0, visits - len(queue))
        cut[CUT] += max(0, len(schema.members) - room)
        for key, member in islice(schema.members.items(), room):
            path = f"{name}.{key}" if name else key
            queue.append((path, member.node, (*above, schema.key), needed and key in schema.required, inner.get(key)))
    cut[CUT] += len(queue)
    return found
