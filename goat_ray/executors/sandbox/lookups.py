"""Which parameters look things up, read from path templates and names."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from goat_ray.executors.sandbox.keys import is_free, is_generic, is_plural, noun, nouns, read
from goat_ray.executors.sandbox.kinds import Kind, Kinds, Ref
from goat_ray.naming import words
from goat_ray.records import ApiFunction, Parameter

_SPOKEN_ID = re.compile(r"([A-Za-z]+)\s+(?:id|identifier)(?:'?s)?\b", re.IGNORECASE)
_MENTIONS_ID = re.compile(r"\b(?:ids?|identifiers?|slugs?|codes?)\b", re.IGNORECASE)
# First words of filters by what things are related to: ``with_genres``, ``exclude_tags``.
_FILTERING = {(word,) for word in "with without by in exclude excluding include including not".split()}


@dataclass(frozen=True)
class Slot:
    """A placeholder of a path and the static segment right before it; empty after another placeholder."""

    parameter: Parameter
    segment: str
    outer: Parameter | None  # the placeholder before this one


def slots(function: ApiFunction) -> Iterator[Slot]:
    """The placeholders of a function's path, outermost first."""
    by_name = {parameter.name: parameter for parameter in function.parameters if parameter.location == "path"}
    segment, outer = "", None
    for part in function.path.split("/"):
        if part.startswith("{") and part.endswith("}"):
            parameter = by_name.get(part[1:-1])
            if parameter is not None:
                yield Slot(parameter, segment, outer)
                outer = parameter
            segment = ""
        elif part:
            segment = part


class Lookups:
    """The parameters of one service that take keys of things."""

    def __init__(self, functions: Iterable[ApiFunction], kinds: Kinds) -> None:
        self._functions = list(functions)
        self._kinds = kinds
        self.refs: dict[tuple[str, str], Ref] = {}  # by function id and parameter name
        self._read_paths()
        self._read_names()

    def _read_paths(self) -> None:
        found = [(function, slot) for function in self._functions for slot in slots(function) if _takes_key(slot)]
        # Segments and names that agree settle what the kinds are called; the others follow them.
        for _, slot in found:
            owner, _ = _owner_and_key(slot)
            segment = noun(slot.segment)
            if segment and (not owner or segment == owner or segment.endswith("_" + owner)):
                self._kinds.ensure(owner or segment)
        for function, slot in found:
            kind, key = self._settle(slot)
            kind.homes.add(self._kinds.service)
            kind.add_key(key)
            kind.add_value(key, slot.parameter.example)
            self._set_parent(function, slot, kind, key)
            self.refs[function.id, slot.parameter.name] = Ref((kind,), key, kind.name)

    def _settle(self, slot: Slot) -> tuple[Kind, str]:
        """The kind and key of a placeholder: ``/members/{card_number}`` takes a member's card number."""
        owner, key = _owner_and_key(slot)
        segment = self._kinds.named(slot.segment)
        named = self._kinds.within(tuple(owner.split("_"))) if owner else None
        if named is not None:
            return named, key
        if segment is None and slot.segment and is_plural(slot.segment):
            segment = self._kinds.ensure(noun(slot.segment))
        if segment is not None:
            return segment, key if not owner or key == "id" else f"{owner}_{key}"
        return self._kinds.ensure(owner or noun(slot.parameter.name)), key

    def _set_parent(self, function: ApiFunction, slot: Slot, kind: Kind, key: str) -> None:
        """``/tv/{tv_id}/season/{season_number}``: seasons are numbered within their show."""
        outer = self.refs.get((function.id, slot.outer.name)) if slot.outer is not None else None
        numbers = slot.parameter.type == "integer" and key in ("number", "no")
        if numbers and outer is not None and outer.kinds[0] is not kind:
            kind.parent = outer.kinds[0]

    def _read_names(self) -> None:
        """Parameters outside the path: those named ``x_id`` found kinds of their own where x is not known yet."""
        for function in self._functions:
            for parameter in function.parameters:
                named = read(parameter.name.rpartition(".")[2])
                if parameter.location == "path" or parameter.enum or named is None or named.key != "id":
                    continue
                if named.owner and self._kinds.within(named.owner) is None:
                    kind = self._kinds.ensure(named.owner[-1])
                    kind.add_key("id")

    def read_parameters(self, subjects: dict[str, Kind | None]) -> None:
        """Settle the parameters outside paths; ``subjects`` says what kind each function is about."""
        for function in self._functions:
            for parameter in function.parameters:
                if parameter.location != "path" and not parameter.enum and parameter.type not in ("boolean", "object"):
                    ref = self._settle_name(parameter, subjects.get(function.id))
                    if ref is not None:
                        self.refs[function.id, parameter.name] = ref
                        for value in _values(parameter):
                            ref.kinds[0].add_value(ref.key, value)

    def _settle_name(self, parameter: Parameter, subject: Kind | None) -> Ref | None:
        leaf = parameter.name.rpartition(".")[2]
        ref = resolve(leaf, self._kinds)
        named = read(leaf)
        many = parameter.type == "array" or (named is not None and named.plural)
        if ref is not None:
            return ref._replace(many=many)
        if named is not None and not named.owner:
            return Ref((subject,), named.key, subject.name, many) if subject and named.key in subject.keys else None
        if named is None and (_MENTIONS_ID.search(parameter.description) or words(leaf)[:1] in _FILTERING):
            kind = self._spoken_kind(parameter)
            if kind is None and parameter.location == "query" and _SPOKEN_ID.search(parameter.description):
                kind = self._kinds.ensure(noun(leaf))  # ids of something that no answer shows
                kind.add_key("id")
            if kind is not None and "id" in kind.keys:
                listed = parameter.type == "string" and parameter.location == "query"
                return Ref((kind,), "id", noun(leaf), many or listed)
        return None

    def _spoken_kind(self, parameter: Parameter) -> Kind | None:
        """The kind named by the parameter or, failing that, by "a list of person ids" in its description."""
        by_name = self._kinds.named(parameter.name)
        if by_name is not None:
            return by_name
        spoken = _SPOKEN_ID.search(parameter.description)
        return self._kinds.within((spoken[1].lower(),)) if spoken else None


def resolve(name: str, kinds: Kinds) -> Ref | None:
    """A name with an explicit owner, or a key that stands for its kind, as a reference; None if it is neither."""
    named = read(name)
    parts = nouns(words(name))
    for kind in kinds:
        for key in kind.keys:
            tail = tuple(key.split("_"))
            if not is_generic(key) and parts[-len(tail) :] == tail:
                owner = parts[: -len(tail)]
                return Ref((kind,), key, "_".join(owner) or kind.name, named is not None and named.plural)
    if named is None or not named.owner:
        return None
    kind_ = kinds.within(named.owner)
    if kind_ is None or (named.key != "id" and named.key not in kind_.keys):
        return None
    return Ref((kind_,), named.key, "_".join(named.owner), named.plural)


def own_key(name: str, kind: Kind) -> str:
    """The key of ``kind`` that a member of its own object carries: ``book_id`` or ``id`` of a book; else empty."""
    parts = nouns(words(name))
    owner = tuple(kind.name.split("_"))
    if parts[: len(owner)] == owner and len(parts) > len(owner):
        parts = parts[len(owner) :]
    named = read("_".join(parts))
    if named is not None and named.key == "id" and not named.owner:
        return "id"
    key = "_".join(parts)
    return key if key in kind.keys else ""


def _values(parameter: Parameter) -> list[object]:
    if parameter.example is None:
        return []
    return parameter.example if isinstance(parameter.example, list) else [parameter.example]


def _takes_key(slot: Slot) -> bool:
    parameter = slot.parameter
    if parameter.enum or parameter.type not in ("string", "integer", "any") or is_free(parameter.name):
        return False
    if parameter.format in ("date", "date-time", "time"):
        return False
    return read(parameter.name) is not None or is_plural(slot.segment) or noun(parameter.name) == noun(slot.segment)


def _owner_and_key(slot: Slot) -> tuple[str, str]:
    named = read(slot.parameter.name)
    if named is not None:
        return "_".join(named.owner), named.key
    name = noun(slot.parameter.name)
    return ("", "id") if name == noun(slot.segment) else ("", name)
