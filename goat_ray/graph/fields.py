"""What each parameter expects and each output field carries, said in the same words.

The paper has a language model describe every input and output in isolation (section 3.1). Documents
name the same thing differently, though: ``$.results[*].id`` of a search is a *movie id*, and so is the
parameter ``movie_id``. So meanings are derived from a whole service: explicit names first, then named
schemas, then the path's resource, and for anonymous objects the likeness of their fields to the fields
of objects whose kind is known. Nothing of one service bears on the meanings of another, so a corpus can
grow without changing what is known of the rest.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from goat_ray import jsonpath
from goat_ray.graph.kinds import Kinds, fixed_segments, holder_name, one_of, placeholders, speaks_of_ids
from goat_ray.naming import is_identifier, singular, words
from goat_ray.records import ApiFunction, OutputField, Parameter

VERSION = 2  # raise it when the same functions would get other meanings
MIN_LIKENESS = 0.5  # share of an anonymous object's field weight that must be found in a known kind
USUAL = 0.2  # share of a kind's objects that must have a field for it to count as usual
MIN_MARGIN = 1.15  # by which the best kind must lead the second
_VERBS = frozenset(
    "has is are can enable enables disable show shows hide allow allows include includes sort sent".split()
)
# What stands before a kind in the name of a filter: with_genres, without_companies, seed_artists.
_FILTERS = frozenset("with without exclude excluded include included only in by for of from to seed".split())
_COUNTRY = re.compile(r"iso[ _-]?3166", re.IGNORECASE)  # the standard's codes, whatever a member is called
Holder = tuple[jsonpath.Token, ...]


@dataclass(frozen=True)
class Meaning:
    """A kind of thing and one attribute of it: ``movie`` and ``id``. Several kinds where it may be any of them."""

    kinds: tuple[str, ...]
    attribute: str

    @property
    def phrase(self) -> str:
        """The two as one phrase, without saying the same word twice; "movie id or tv id" where it may be either."""
        said = [" ".join(dict.fromkeys([*kind.split(), *self.attribute.split()])) for kind in self.kinds or ("",)]
        return " or ".join(said)


class Meanings:
    """The meanings of all parameters and output fields of a corpus, service by service."""

    def __init__(self, functions: Iterable[ApiFunction]) -> None:
        by_service: dict[str, list[ApiFunction]] = defaultdict(list)
        for function in functions:
            by_service[function.service].append(function)
        self._services = {service: ServiceMeanings(found) for service, found in by_service.items()}

    def of_parameter(self, function: ApiFunction, parameter: Parameter) -> Meaning:
        """What a parameter expects."""
        return self._services[function.service].of_parameter(function, parameter)

    def of_field(self, function: ApiFunction, field: OutputField) -> Meaning:
        """What an output field carries."""
        return self._services[function.service].of_field(function, field)


class ServiceMeanings:
    """The meanings within one service."""

    def __init__(self, functions: Sequence[ApiFunction]) -> None:
        self._functions = functions
        self.kinds = Kinds(functions)
        self._objects = {function.id: _objects(function) for function in functions}
        self._kinds_of_objects: dict[tuple[str, Holder], tuple[str, ...]] = {}
        self._kinds_held: dict[tuple[str, Holder], set[str]] = {}

    def of_parameter(self, function: ApiFunction, parameter: Parameter) -> Meaning:
        """What a parameter expects."""
        *above, leaf = parameter.name.split(".")
        parts = words(leaf)
        standard = _standard_code(f"{leaf} {parameter.description}")
        if standard and not is_identifier(leaf) and not parameter.enum:
            return Meaning((standard,), "code")
        if is_identifier(leaf):
            attribute = _identifier(parts[-1])
            if len(parts) > 1:
                return Meaning((self.kinds.at_end(parts[:-1]) or _phrase(parts[:-1]),), attribute)
            holder = self.kinds.within(words(above[-1])) if above else ""
            own = holder or _placeholder_kind(function, parameter.name) or self._resource(function)
            return Meaning((own,), attribute)
        named = self.kinds.within(parts)
        if not parameter.enum and _may_identify(parameter.type, parameter.item_type):
            if speaks_of_ids(parameter) and (described := self.kinds.within(_before_id(parameter)) or named):
                return Meaning((described,), "id")
            if named and self.kinds.at_end(parts) == named and _plainly(parts, named) and not _named_freely(parameter):
                return Meaning((named,), "id")
        return Meaning((named or self._resource(function),), " ".join(parts))

    def of_field(self, function: ApiFunction, field: OutputField) -> Meaning:
        """What an output field carries."""
        tokens = jsonpath.parse(field.path)
        leaf = next((token for token in reversed(tokens) if isinstance(token, str)), "")
        parts = words(leaf)
        standard = _standard_code(leaf)
        if standard:
            return Meaning((standard,), "code")
        if is_identifier(leaf):
            attribute = _identifier(parts[-1])
            if len(parts) == 1:
                kinds = self._kind(function, tokens[:-1], field)
                # Where an account's id is called AccountID, an Id beside it is something else: of the response, say.
                own = tuple(kind for kind in kinds if attribute != "id" or kind not in self._named_in_full)
                return Meaning(own, attribute)
            named = self.kinds.at_end(parts[:-1])
            chosen = self._discriminated(function, tokens[:-1], parts[:-1]) if not named else ()
            return Meaning(chosen or (named or _phrase(parts[:-1]),), attribute)
        named = self.kinds.at_end(parts)
        if named and parts[0] not in _VERBS and _refers(field):
            return Meaning((named,), "id")  # a scalar named like a kind refers to it: home_branch, genres
        return Meaning(self._kind(function, tokens[:-1], field), " ".join(parts))

    def _kind(self, function: ApiFunction, holder: Holder, field: OutputField) -> tuple[str, ...]:
        """The kinds that the object at ``holder`` in the function's output may be of."""
        key = (function.id, holder)
        if key not in self._kinds_of_objects:
            self._kinds_of_objects[key] = self._find_kind(function, holder, field.schema_name)
        return self._kinds_of_objects[key]

    def _find_kind(self, function: ApiFunction, holder: Holder, schema_name: str) -> tuple[str, ...]:
        explicit = (
            self._discriminated(function, holder, ())
            or self._by_name(function, holder, schema_name)
            or self._by_path(function, holder)
        )
        if explicit:
            return explicit
        alike = self._most_alike(function, self._objects[function.id][holder].fields)
        if alike:
            return (alike,)
        name = holder_name(holder)
        if words(name):
            return (_phrase(words(name)),)
        resource = self._resource(function)
        return () if resource in self._held(function, holder) else (resource,)

    def _by_name(self, function: ApiFunction, holder: Holder, schema_name: str) -> tuple[str, ...]:
        """The kinds as the document names them: by schema, or by the member that holds the object."""
        kinds = set()
        for schema in filter(None, schema_name.split(" | ")):
            kind = self.kinds.of_schema(schema)
            # {"Id": "…", "Accounts": [{"AccountID": "…"}]} of a schema Accounts is no account
            envelope = _is_plural(schema) and kind in self._held(function, holder)
            kinds |= {kind} if kind and not envelope else set()
        if kinds:
            return tuple(sorted(kinds))
        held = self.kinds.within(words(holder_name(holder)))
        return (held,) if held else ()

    def _by_path(self, function: ApiFunction, holder: Holder) -> tuple[str, ...]:
        """The kind that the path is about, for an object that no member names."""
        if holder_name(holder):
            return ()
        # An envelope is not what it holds: {"id": 5, "keywords": [{"id": 1}]} of /movie/{movie_id}/keywords.
        held = self._held(function, holder)
        for segment in reversed(fixed_segments(function)):
            kind = self.kinds.within(words(segment))
            if kind and kind not in held:
                return (kind,)
        return ()

    def _held(self, function: ApiFunction, holder: Holder) -> set[str]:
        """The kinds that members of an object hold, by the members' names."""
        key = (function.id, holder)
        if key not in self._kinds_held:
            inside = (other[len(holder) :] for other in self._objects[function.id] if other[: len(holder)] == holder)
            names = {name for place in inside if (name := holder_name(place))}
            self._kinds_held[key] = {self.kinds.within(words(name)) for name in names}
        return self._kinds_held[key]

    def _discriminated(self, function: ApiFunction, holder: Holder, named: Sequence[str]) -> tuple[str, ...]:
        """The kinds that a neighbouring ``type`` names: of ``media_id`` beside ``media_type``, of ``id`` beside either.

        A path placeholder of that name tells as much: ``/trending/{media_type}/week`` with its choices.
        """
        places = [(holder, tuple(named))]
        if not named and holder_name(holder):  # {"media": {"id": 1}, "media_type": "tv"}
            places.append((holder[:-1], words(holder_name(holder))))
        found: set[str] = set()
        for at, of in places:
            beside = self._objects[function.id].get(at)
            for parts, values in beside.types if beside else ():
                if _tells_type(parts, of):
                    found |= self._kinds_among(values)
        if not found and not named and not holder_name(holder):
            for parameter in function.parameters:
                if parameter.location == "path" and _tells_type(words(parameter.name), ()):
                    found |= self._kinds_among(parameter.enum)
        return tuple(sorted(found))

    def _kinds_among(self, values: Iterable[object]) -> set[str]:
        phrases = {
            _phrase(words(value)) for value in values if isinstance(value, str) and len(value) < 40 and words(value)
        }
        return phrases & self.kinds.all

    def _resource(self, function: ApiFunction) -> str:
        """What a function is about: the last part of its path, or name, that mentions a kind; else the last part."""
        parts = fixed_segments(function) or [function.name]
        for part in reversed(parts):
            if kind := self.kinds.within(words(part)):
                return kind
        last = words(parts[-1])
        return singular(last[-1]) if last else ""

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
        if len(near) > 1 and fixed_segments(function):
            named = {singular(word) for word in words(fixed_segments(function)[-1])}
            near = [kind for kind in near if kind in named]
        return near[0] if len(near) == 1 else ""

    @cached_property
    def _shapes(self) -> dict[str, frozenset[str]]:
        """The usual fields of each kind that the documents name."""
        seen: dict[str, list[frozenset[str]]] = defaultdict(list)
        for function in self._functions:
            for holder, object_ in self._objects[function.id].items():
                kinds = self._by_name(function, holder, object_.schema_name) or self._by_path(function, holder)
                if len(kinds) == 1:
                    seen[kinds[0]].append(object_.fields)
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
    def _named_in_full(self) -> frozenset[str]:
        """Kinds whose objects call their own id by the kind's name, as ``AccountID``, and mostly not just ``id``."""
        lead: Counter[str] = Counter()
        for function in self._functions:
            for holder, object_ in self._objects[function.id].items():
                names = {words(name) for name in object_.fields}
                for kind in self._by_name(function, holder, object_.schema_name):
                    lead[kind] += ((*kind.split(), "id") in names) - (("id",) in names)
        return frozenset(kind for kind, count in lead.items() if count > 0)

    @cached_property
    def _weights(self) -> dict[str, float]:
        """Weight of each field name: the rarer among kinds, the more it tells (inverse document frequency)."""
        counts = Counter(field for fields in self._shapes.values() for field in fields)
        return {field: math.log(1 + len(self._shapes) / count) for field, count in counts.items()}


@dataclass(frozen=True)
class _Object:
    """An object in a function's output."""

    fields: frozenset[str]  # names of its scalars
    schema_name: str
    types: list[tuple[tuple[str, ...], list[Any]]]  # words and shown values of its members that are called a type


def _objects(function: ApiFunction) -> dict[Holder, _Object]:
    """The objects in a function's output by where they are."""
    members: dict[Holder, list[tuple[str, OutputField]]] = defaultdict(list)
    for field in function.outputs:
        tokens = jsonpath.parse(field.path)
        members[tokens[:-1]].append((tokens[-1] if tokens and isinstance(tokens[-1], str) else "", field))
    return {
        holder: _Object(
            fields=frozenset(name for name, _ in found),
            schema_name=found[-1][1].schema_name,
            types=[
                (words(name), [*field.enum, *field.examples]) for name, field in found if words(name)[-1:] == ("type",)
            ],
        )
        for holder, found in members.items()
    }


def _is_plural(name: str) -> bool:
    return one_of(words(name)) != words(name)


def _placeholder_kind(function: ApiFunction, name: str) -> str:
    return next((" ".join(kind) for placeholder, kind in placeholders(function) if placeholder == name), "")


def _phrase(parts: Sequence[str]) -> str:
    return " ".join(one_of(parts))


def _before_id(parameter: Parameter) -> tuple[str, ...]:
    """The two words before "id" in a parameter's description."""
    said = words(parameter.description)
    at = next(number for number, word in enumerate(said) if word in ("id", "ids"))
    return said[max(0, at - 2) : at]


def _standard_code(text: str) -> str:
    """What a text that names ISO 3166 speaks of: a country. Language codes are a caller's own choice."""
    return "country" if _COUNTRY.search(text) else ""


def _tells_type(parts: tuple[str, ...], named: Sequence[str]) -> bool:
    """Whether a member tells the kind of its object, or of the thing that ``named`` calls its neighbour."""
    if parts[-1:] != ("type",):
        return False
    return tuple(parts[:-1]) == tuple(named) if named else parts in (("type",), ("media", "type"), ("object", "type"))


def _may_identify(type: str, item_type: str | None) -> bool:
    return ((item_type or "any") if type == "array" else type) in ("string", "integer", "any")


def _plainly(parts: Sequence[str], kind: str) -> bool:
    """Whether a parameter's name, which ends with the kind, says nothing more than that it filters by it."""
    fixed = len(kind.split())
    return set(parts[:-fixed]) <= _FILTERS


def _named_freely(parameter: Parameter) -> bool:
    """Whether the description asks for a name, or the example is more than one word."""
    example = parameter.example
    return "name" in words(parameter.description) or (isinstance(example, str) and " " in example.strip())


def _refers(field: OutputField) -> bool:
    """Whether a scalar can be an id: no choice, no switch, no name of several words."""
    shown = [example for example in field.examples if isinstance(example, str)]
    return (
        field.type in ("string", "integer", "any")
        and not field.enum
        and not field.format.startswith("date")
        and not any(" " in example.strip() for example in shown)
    )


def _identifier(word: str) -> str:
    return "id" if word == "ids" else singular(word)
