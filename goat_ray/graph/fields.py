"""What each parameter expects and each output field carries, said in the same words.

The paper has a language model describe every input and output in isolation (section 3.1). Documents
name the same thing differently, though: ``$.results[*].id`` of a search is a *movie id*, and so is the
parameter ``movie_id``. So meanings are derived from the whole corpus: explicit names first, then named
schemas, then the path's resource, and for anonymous objects the likeness of their fields to the fields
of objects whose kind is known.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from goat_ray import jsonpath
from goat_ray.naming import IDENTIFIER_WORDS, is_identifier, singular, words
from goat_ray.records import ApiFunction, OutputField, Parameter

# Members that only hold the answer, and schema-name words that say nothing about the kind.
_WRAPPERS = frozenset(
    "results result items item data list records entries rows elements values content response payload body".split()
)
_SCHEMA_NOISE = frozenset(
    "list object objects result results response summary detail details item items data dto info with and media type"
    " full base model schema entity page collection ref short basic view record".split()
)
MIN_LIKENESS = 0.5  # share of an anonymous object's field weight that must be found in a known kind
USUAL = 0.2  # share of a kind's objects that must have a field for it to count as usual
MIN_MARGIN = 1.15  # by which the best kind must lead the second


@dataclass(frozen=True)
class Meaning:
    """A kind of thing and one attribute of it: ``movie`` and ``id``, ``season`` and ``number``."""

    entity: str
    attribute: str

    @property
    def phrase(self) -> str:
        """The two as one phrase, without saying the same word twice; "movie/tv id" where it may be either."""
        return " ".join(dict.fromkeys([*self.entity.split(), *self.attribute.split()]))


class Meanings:
    """The meanings of all parameters and output fields of a corpus."""

    def __init__(self, functions: Iterable[ApiFunction]) -> None:
        self._functions = list(functions)
        self._kinds_of_objects: dict[tuple[str, tuple[jsonpath.Token, ...]], str] = {}
        self._objects = {function.id: _objects(function) for function in self._functions}

    @cached_property
    def entities(self) -> frozenset[str]:
        """All kinds that some parameter identifies or some path lists."""
        found: set[str] = set()
        listed = {kind for function in self._functions for kind in _listed_kinds(function)}
        for function in self._functions:
            found.update(entity for entity, _ in _path_parameters(function) if entity)
            for parameter in function.parameters:
                parts = words(parameter.name)
                if is_identifier(parameter.name) and len(parts) > 1:
                    found.add(singular(parts[-2]))
                elif _speaks_of_ids(parameter):
                    found.update(listed & {singular(part) for part in (*parts, *words(parameter.description))})
        return frozenset(found)

    def of_parameter(self, function: ApiFunction, parameter: Parameter) -> Meaning:
        """What a parameter expects."""
        parts = words(parameter.name)
        named = self._entity_in(parts)
        if is_identifier(parameter.name):
            attribute = _identifier(parts[-1])
            if len(parts) > 1:
                return Meaning(named or singular(parts[-2]), attribute)
            return Meaning(_resource_before(function, parameter.name) or named or self._resource(function), attribute)
        if _speaks_of_ids(parameter):
            described = self._entity_in(_before_id(parameter)) or named
            if described:
                return Meaning(described, "id")
        return Meaning(named or self._resource(function), " ".join(parts))

    def of_field(self, function: ApiFunction, field: OutputField) -> Meaning:
        """What an output field carries."""
        tokens = jsonpath.parse(field.path)
        leaf = next((token for token in reversed(tokens) if isinstance(token, str)), "")
        parts = words(leaf)
        named = self._entity_in(parts)
        if is_identifier(leaf):
            attribute = _identifier(parts[-1])
            if len(parts) > 1:
                return Meaning(named or singular(parts[-2]), attribute)
            return Meaning(self._kind(function, tokens[:-1], field), attribute)
        if named and singular(parts[-1]) == named:
            return Meaning(named, "id")  # a scalar named like a kind refers to it: home_branch, genres
        return Meaning(self._kind(function, tokens[:-1], field), " ".join(parts))

    def _entity_in(self, parts: Sequence[str]) -> str:
        """The last word that names a known kind."""
        for part in reversed(parts):
            if part not in IDENTIFIER_WORDS and singular(part) in self.entities:
                return singular(part)
        return ""

    def _kind(self, function: ApiFunction, holder: tuple[jsonpath.Token, ...], field: OutputField) -> str:
        """The kind of the object at ``holder`` in the function's output."""
        key = (function.id, holder)
        if key not in self._kinds_of_objects:
            self._kinds_of_objects[key] = self._find_kind(function, holder, field.schema_name)
        return self._kinds_of_objects[key]

    def _find_kind(self, function: ApiFunction, holder: tuple[jsonpath.Token, ...], schema_name: str) -> str:
        explicit = self._explicit_kind(function, holder, schema_name)
        if explicit:
            return explicit
        alike = self._most_alike(function, self._objects[function.id][holder])
        if alike:
            return alike
        name = _holder_name(holder)
        return singular(words(name)[-1]) if name and words(name) else self._resource(function)

    def _explicit_kind(self, function: ApiFunction, holder: tuple[jsonpath.Token, ...], schema_name: str) -> str:
        """The kind as the document names it: by schema, by the member that holds it, or by the path."""
        schemas = [[w for w in words(one) if w not in _SCHEMA_NOISE] for one in schema_name.split(" | ")]
        by_schema = sorted({kind for schema in schemas if (kind := self._entity_in(schema))})
        name = _holder_name(holder)
        if by_schema or name:
            return "/".join(by_schema) or self._entity_in(words(name))
        return self._resource_kind(function)

    def _resource(self, function: ApiFunction) -> str:
        """What a path is about: its last segment that names a known kind, else its last segment."""
        last = words(_fixed_segments(function)[-1]) if _fixed_segments(function) else words(function.name)
        return self._resource_kind(function) or (singular(last[-1]) if last else "")

    def _resource_kind(self, function: ApiFunction) -> str:
        for segment in reversed(_fixed_segments(function)):
            kind = self._entity_in(words(segment))
            if kind:
                return kind
        return ""

    def _most_alike(self, function: ApiFunction, fields: frozenset[str]) -> str:
        """The kind whose known objects share most of these fields, by weight; empty if none does clearly.

        Of several that are about as alike, the one that the end of the path names: the ``cast`` of
        ``/person/{person_id}/movie_credits`` looks like a movie and like a TV show.
        """
        total = sum(self._weights.get(field, 0.0) for field in fields)
        if not total:
            return ""
        scores = {kind: sum(self._weights[f] for f in fields & known) / total for kind, known in self._shapes.items()}
        best = max(scores.values(), default=0.0)
        near = [kind for kind, score in scores.items() if score >= max(MIN_LIKENESS, best / MIN_MARGIN)]
        if len(near) > 1 and _fixed_segments(function):
            named = {singular(word) for word in words(_fixed_segments(function)[-1])}
            near = [kind for kind in near if kind in named]
        return near[0] if len(near) == 1 else ""

    @cached_property
    def _shapes(self) -> dict[str, frozenset[str]]:
        """The usual fields of each kind that the documents name."""
        seen: dict[str, list[frozenset[str]]] = defaultdict(list)
        for function in self._functions:
            schemas = {jsonpath.parse(field.path)[:-1]: field.schema_name for field in function.outputs}
            for holder, fields in self._objects[function.id].items():
                kind = self._explicit_kind(function, holder, schemas[holder])
                if kind and "/" not in kind:
                    seen[kind].append(fields)
        # A field in few of a kind's objects is more likely a slip of one document than its mark.
        return {
            kind: frozenset(
                field
                for field, count in Counter(f for o in objects for f in o).items()
                if count >= USUAL * len(objects)
            )
            for kind, objects in seen.items()
        }

    @cached_property
    def _weights(self) -> dict[str, float]:
        """Weight of each field name: the rarer among kinds, the more it tells (inverse document frequency)."""
        counts = Counter(field for fields in self._shapes.values() for field in fields)
        return {field: math.log(1 + len(self._shapes) / count) for field, count in counts.items()}


def _objects(function: ApiFunction) -> dict[tuple[jsonpath.Token, ...], frozenset[str]]:
    """The objects in a function's output: where they are and their scalar fields."""
    found: dict[tuple[jsonpath.Token, ...], set[str]] = defaultdict(set)
    for field in function.outputs:
        tokens = jsonpath.parse(field.path)
        if tokens and isinstance(tokens[-1], str):
            found[tokens[:-1]].add(tokens[-1])
        else:
            found[tokens[:-1]].add("")
    return {holder: frozenset(names) for holder, names in found.items()}


def _holder_name(holder: tuple[jsonpath.Token, ...]) -> str:
    """The innermost member name on the way to an object that is more than a wrapper."""
    names = [token for token in holder if isinstance(token, str)]
    return names[-1] if names and not set(words(names[-1])) <= _WRAPPERS else ""


def _fixed_segments(function: ApiFunction) -> list[str]:
    return [segment for segment in function.path.split("/") if segment and not segment.startswith("{")]


def _path_parameters(function: ApiFunction) -> list[tuple[str, str]]:
    """(kind, parameter name) for each placeholder that identifies something, by its name or the segment before it."""
    choices = {parameter.name for parameter in function.parameters if parameter.enum}
    found = []
    previous = ""
    for segment in function.path.split("/"):
        if segment.startswith("{") and segment.endswith("}"):
            name = segment[1:-1]
            parts = words(name)
            own = singular(parts[-2]) if is_identifier(name) and len(parts) > 1 else ""
            if name not in choices:
                found.append((own or (singular(words(previous)[-1]) if words(previous) else ""), name))
        elif segment:
            previous = segment
    return found


def _resource_before(function: ApiFunction, name: str) -> str:
    return next((kind for kind, parameter in _path_parameters(function) if parameter == name), "")


def _listed_kinds(function: ApiFunction) -> set[str]:
    """What the function's lists of identified objects call their items: ``$.genres[*].id`` lists genres."""
    kinds = set()
    for field in function.outputs:
        *holder, leaf = jsonpath.parse(field.path) or ("",)
        name = _holder_name(tuple(holder))
        if holder and holder[-1] is jsonpath.ANY and name and isinstance(leaf, str) and is_identifier(leaf):
            last = words(name)[-1]
            if singular(last) != last:
                kinds.add(singular(last))
    return kinds


def _speaks_of_ids(parameter: Parameter) -> bool:
    """Whether the description says that ids are wanted: "a comma separated list of genre ids"."""
    return bool({"id", "ids"} & set(words(parameter.description)))


def _before_id(parameter: Parameter) -> tuple[str, ...]:
    """The two words before "id" in a parameter's description."""
    said = words(parameter.description)
    at = next(number for number, word in enumerate(said) if word in ("id", "ids"))
    return said[max(0, at - 2) : at]


def _identifier(word: str) -> str:
    return "id" if word == "ids" else singular(word)
