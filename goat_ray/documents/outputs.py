"""From a response schema and example bodies to the scalar fields that a response can carry."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from goat_ray import jsonpath
from goat_ray.documents.composition import Schemas
from goat_ray.documents.config import Limits
from goat_ray.documents.schemas import Schema, type_of
from goat_ray.records import MAX_EXAMPLES, OutputField, ValueType

MAX_EXAMPLE_TEXT = 1_000  # characters; longer texts never become arguments
MAX_VISITS_PER_FIELD = 8  # schemas looked at, on average, to find one field
MAX_EXAMPLE_VALUES = 200_000  # values looked at in the examples of one response
Path = tuple[jsonpath.Token, ...]


@dataclass(slots=True)
class _Found:
    """A field while its examples are being collected."""

    type: ValueType
    owner: str
    schema: Schema | None = None  # None where only an example shows the field
    examples: list[Any] = field(default_factory=list)

    def show(self, values: list[Any]) -> None:
        """Add examples up to ``MAX_EXAMPLES`` distinct ones."""
        # 1, 1.0 and true are equal in Python, not in JSON
        known = {(type(example), example) for example in self.examples}
        for value in values:
            if len(self.examples) == MAX_EXAMPLES:
                return
            if (type(value), value) not in known and not (isinstance(value, str) and len(value) > MAX_EXAMPLE_TEXT):
                known.add((type(value), value))
                self.examples.append(value)

    def record(self, path: Path) -> OutputField:
        """The finished field."""
        known = self.type if self.type != "any" else type_of(self.examples)
        if self.schema is None:
            return OutputField(path=jsonpath.render(path), type=known, examples=self.examples, schema_name=self.owner)
        return OutputField(
            path=jsonpath.render(path),
            type=known,
            description=self.schema.description,
            format=self.schema.format,
            enum=self.schema.enum,
            examples=self.examples,
            schema_name=self.owner,
        )


def output_fields(schemas: Schemas, root: Any, bodies: list[Any], limits: Limits) -> list[OutputField]:
    """The fields of a response: those that the schema ``root`` declares, then those only examples show.

    The shallowest ``limits.max_fields`` are kept, each with the values that the bodies and the schema's own
    examples have there. A schema inside itself is entered once. Raises ``Flaw`` on unusable schemas.
    """
    response = _Response(schemas, limits)
    response.declare(root)
    response.illustrate(bodies)
    return response.fields()


class _Response:
    def __init__(self, schemas: Schemas, limits: Limits) -> None:
        self._schemas = schemas
        self._limits = limits
        self._found: dict[Path, _Found] = {}
        self._names: dict[Path, str] = {}  # of the schemas at all declared places, "" for anonymous ones
        self._examples: list[tuple[Path, list[Any]]] = []  # of schemas, and where they stand
        self._containers: set[Path] = set()  # where examples have objects or arrays
        self._budget = MAX_EXAMPLE_VALUES

    def declare(self, root: Any) -> None:
        """Find the fields that the schema declares, level by level, so that the cut falls on the deepest."""
        queue: deque[tuple[Any, Path, tuple[int, ...], str, str]] = deque([(root, (), (), "", "")])
        visits = self._limits.max_fields * MAX_VISITS_PER_FIELD
        while queue and visits and len(self._found) < self._limits.max_fields:
            visits -= 1
            node, path, above, owner, array = queue.popleft()
            schema = self._schemas.schema(node)
            if schema.write_only:
                continue
            if schema.examples:
                self._examples.append((path, schema.examples))
            if schema.scalar is not None and (path or schema.kinds):
                self._found[path] = _Found(schema.scalar, owner, schema)
            name = self._names[path] = schema.name or array
            if schema.key in above or len(path) >= self._limits.max_depth:
                continue
            inside = (*above, schema.key)
            for key, member in islice(schema.members.items(), max(0, visits - len(queue))):
                queue.append((member.node, (*path, key), inside, member.owner or name, ""))
            if schema.items is not None:  # a named array lends its name to its anonymous items
                queue.append((schema.items, (*path, jsonpath.ANY), inside, owner, name))

    def illustrate(self, bodies: list[Any]) -> None:
        """Add the values that whole bodies and the schemas' examples show, and fields that only they show."""
        empty: dict[Path, None] = {}
        for start, examples in [((), bodies), *self._examples]:
            for path, scalars, is_container in self._values(start, examples):
                if is_container:
                    self._containers.add(path)
                if scalars:
                    self._show(path, scalars)
                elif not is_container:
                    empty[path] = None
        for path in empty:  # null wherever it is shown: there is a field, and no more is known
            if path not in self._containers and path not in self._names:
                self._show(path, [])

    def fields(self) -> list[OutputField]:
        """The finished fields."""
        return [
            found.record(path)
            for path, found in self._found.items()
            # a schema that allows anything is a scalar only if no example shows otherwise
            if found.type != "any" or found.examples or path not in self._containers
        ]

    def _show(self, path: Path, values: list[Any]) -> None:
        found = self._found.get(path)
        if found is None:
            if len(self._found) >= self._limits.max_fields:
                return
            holder = path
            while holder and holder[-1] is jsonpath.ANY:
                holder = holder[:-1]
            found = self._found[path] = _Found("any", self._names.get(holder[:-1], ""))
        found.show(values)

    def _values(self, start: Path, examples: list[Any]) -> Iterator[tuple[Path, list[Any], bool]]:
        """(path, scalars, whether objects or arrays are there too) for each path in examples, shallow ones first.

        All values of one path are taken together, since bodies are mostly lists of like objects.
        """
        queue = deque([(start, examples)])
        while queue and self._budget > 0:
            path, values = queue.popleft()
            self._budget -= len(values)
            objects = [value for value in values if isinstance(value, dict)]
            arrays = [value for value in values if isinstance(value, list)]
            scalars = [value for value in values if value is not None and not isinstance(value, dict | list)]
            yield path, scalars, bool(objects or arrays)
            if len(path) >= self._limits.max_depth:
                continue
            members: dict[str, list[Any]] = {}
            for value in objects:
                for key, inner in value.items():
                    members.setdefault(key, []).append(inner)
            queue.extend(((*path, key), inner) for key, inner in members.items())
            items = [item for array in arrays for item in array]
            if items:
                queue.append(((*path, jsonpath.ANY), items))
