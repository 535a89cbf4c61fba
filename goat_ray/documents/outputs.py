"""From a response schema and example bodies to the scalar fields that a response can carry."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
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
CUT = "output fields"
"""What the fields that were left out are counted as."""

Path = tuple[jsonpath.Token, ...]
_render = lru_cache(maxsize=65_536)(jsonpath.render)  # the operations of one document share most paths


@dataclass(slots=True)
class _Found:
    """A field while its examples are being collected."""

    bare: OutputField  # without examples
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

    def record(self) -> OutputField:
        """The finished field."""
        if not self.examples:
            return self.bare
        known = self.bare.type if self.bare.type != "any" else type_of(self.examples)
        return self.bare.model_copy(update={"type": known, "examples": self.examples})


@dataclass(slots=True)
class _Declared:
    """What a response schema declares; the same for every operation that answers with it."""

    fields: dict[Path, OutputField] = field(default_factory=dict)
    names: dict[Path, str] = field(default_factory=dict)  # of the schemas at all places, "" for anonymous ones
    examples: list[tuple[Path, list[Any]]] = field(default_factory=list)  # of schemas, and where they stand
    cut: int = 0  # members beyond the limits that were not looked at


def output_fields(
    schemas: Schemas, root: Any, bodies: list[Any], limits: Limits, cut: Counter[str]
) -> list[OutputField]:
    """The fields of a response: those that the schema ``root`` declares, then those only examples show.

    The shallowest ``limits.max_fields`` are kept, each with the values that the bodies and the schema's own
    examples have there; the known ones beyond are counted in ``cut``. A schema inside itself is entered once.
    Raises ``Flaw`` on unusable schemas.
    """
    schema = schemas.schema(root)
    known = schemas.flattened.get(id(schema))
    if known is None:  # kept with the schema itself, so that its id is not used again
        known = schemas.flattened[id(schema)] = schema, _declared(schemas, root, limits)
    response = _Response(known[1], limits)
    response.illustrate(bodies)
    cut[CUT] += response.cut
    return response.fields()


def _declared(schemas: Schemas, root: Any, limits: Limits) -> _Declared:
    """The fields that a schema declares, found level by level, so that the cut falls on the deepest."""
    found = _Declared()
    queue: deque[tuple[Any, Path, tuple[int, ...], str, str]] = deque([(root, (), (), "", "")])
    visits = limits.max_fields * MAX_VISITS_PER_FIELD
    while queue and visits and len(found.fields) < limits.max_fields:
        visits -= 1
        node, path, above, owner, array = queue.popleft()
        schema = schemas.schema(node)
        if schema.write_only:
            continue
        if schema.examples:
            found.examples.append((path, schema.examples))
        if schema.scalar is not None and (path or schema.kinds):
            found.fields[path] = _field(path, schema.scalar, owner, schema)
        name = found.names[path] = schema.name or array
        if schema.key in above or len(path) >= limits.max_depth:
            continue
        inside = (*above, schema.key)
        room = max(0, visits - len(queue))
        found.cut += max(0, len(schema.members) - room)
        for key, member in islice(schema.members.items(), room):
            queue.append((member.node, (*path, key), inside, member.owner or name, ""))
        if schema.items is not None:  # a named array lends its name to its anonymous items
            queue.append((schema.items, (*path, jsonpath.ANY), inside, owner, name))
    found.cut += len(queue)
    return found


def _field(path: Path, kind: ValueType, owner: str, schema: Schema) -> OutputField:
    return OutputField(
        path=_render(path),
        type=kind,
        description=schema.description,
        format=schema.format,
        enum=schema.enum,
        minimum=schema.minimum,
        maximum=schema.maximum,
        schema_name=owner,
    )


class _Response:
    def __init__(self, declared: _Declared, limits: Limits) -> None:
        self._limits = limits
        self._found = {path: _Found(bare) for path, bare in declared.fields.items()}
        self._names = declared.names
        self._examples = declared.examples
        self._containers: set[Path] = set()  # where examples have objects or arrays
        self._declared_cut = declared.cut
        self._unheld: set[Path] = set()  # what examples show beyond the limit
        self._budget = MAX_EXAMPLE_VALUES

    @property
    def cut(self) -> int:
        """How many members there was no room for. What those that are known from the schema hold is not known."""
        return self._declared_cut or len(self._unheld)

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
            found.record()
            for path, found in self._found.items()
            # a schema that allows anything is a scalar only if no example shows otherwise
            if found.bare.type != "any" or found.examples or path not in self._containers
        ]

    def _show(self, path: Path, values: list[Any]) -> None:
        found = self._found.get(path)
        if found is None:
            if len(self._found) >= self._limits.max_fields:
                self._unheld.add(path)
                return
            holder = path
            while holder and holder[-1] is jsonpath.ANY:
                holder = holder[:-1]
            owner = self._names.get(holder[:-1], "")
            found = self._found[path] = _Found(OutputField(path=_render(path), type="any", schema_name=owner))
        found.show(values)

    def _values(self, start: Path, examples: list[Any]) -> Iterator[tuple[Path, list[Any], bool]]:
        """(path, scalars, whether objects or arrays are there too) for each path in examples, shallow ones first.

        All values of one path are taken together, since bodies are mostly lists of like objects.
        """
        queue = deque([(start, examples)])
        while queue and self._budget > 0:
            path, values = queue.popleft()
            self._budget -= len(values)
            objects, arrays, scalars = [], [], []
            for value in values:
                if isinstance(value, dict):
                    objects.append(value)
                elif isinstance(value, list):
                    arrays.append(value)
                elif value is not None:
                    scalars.append(value)
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
