"""Kinds of things, each with its own namespace of ids, and references to them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from goat_ray.executors.sandbox.keys import canonical, nouns
from goat_ray.naming import words


@dataclass(eq=False, slots=True)
class Kind:
    """A kind of thing, such as ``movie``: the ids of different kinds are different namespaces."""

    service: str
    name: str
    homes: set[str] = field(default_factory=set)  # services that list its things or look them up
    shown: set[str] = field(default_factory=set)  # keys that some answer carries
    keys: list[str] = field(default_factory=list)  # the first one is what things are known by
    parent: "Kind | None" = None  # of kinds that are numbered within another: a season within its show
    attributes: set[str] = field(default_factory=set)  # members of its objects that are its own
    labels: set[str] = field(default_factory=set)  # names of its things that documents show
    values: dict[str, dict[str, Any]] = field(default_factory=dict)  # key -> known values by canonical text
    singles: dict[str, tuple["Kind", ...]] = field(default_factory=dict)  # relations to one other thing
    closed: bool = False  # all its keys are listed in an enum
    repeats: dict[str, "Ref"] = field(default_factory=dict)  # members that repeat the name of another thing
    merged: "Kind | None" = None  # the kind that this one turned out to be

    @property
    def ordinal(self) -> bool:
        """Whether its things are numbered within a parent."""
        return self.parent is not None

    def add_key(self, key: str) -> None:
        if key not in self.keys:
            self.keys.append(key)

    @property
    def final(self) -> "Kind":
        """What this kind turned out to be: itself, unless it was merged into another."""
        return self if self.merged is None else self.merged.final

    def absorb(self, other: "Kind") -> None:
        """Become one with another kind."""
        other.merged = self
        self.homes |= other.homes
        self.closed |= other.closed
        self.shown |= other.shown
        self.attributes |= other.attributes
        self.labels |= other.labels
        for key in other.keys:
            self.add_key(key)
        for key, values in other.values.items():
            for value in values.values():
                self.add_value(key, value)

    def add_value(self, key: str, value: Any) -> None:
        """Remember a value that a document shows for this key."""
        text = canonical(value)
        if text:
            self.values.setdefault(key, {}).setdefault(text, value)


class Ref(NamedTuple):
    """What a member or a parameter refers to: a key of a thing of one of these kinds."""

    kinds: tuple[Kind, ...]
    key: str
    relation: str  # what the thing is to the object: ``author``; the kind's name where nothing else is said
    many: bool = False

    @property
    def final(self) -> "Ref":
        """The reference after merging kinds."""
        return self._replace(kinds=tuple(dict.fromkeys(kind.final for kind in self.kinds)))


class Kinds:
    """The kinds of one service by name."""

    def __init__(self, service: str) -> None:
        self.service = service
        self._kinds: dict[str, Kind] = {}

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def get(self, name: str) -> Kind | None:
        return self._kinds.get(name)

    def ensure(self, name: str) -> Kind:
        """The kind of that name, made if there is none."""
        if name not in self._kinds:
            self._kinds[name] = Kind(self.service, name)
        return self._kinds[name]

    def within(self, parts: tuple[str, ...]) -> Kind | None:
        """The kind that the last words name: ``production_companies`` names a company."""
        parts = nouns(parts)
        for start in range(len(parts)):
            kind = self._kinds.get("_".join(parts[start:]))
            if kind is not None:
                return kind
        return None

    def named(self, name: str) -> Kind | None:
        """Like ``within`` for a name in any spelling."""
        return self.within(words(name))

    def of_schema(self, name: str) -> Kind | None:
        """The kind that a schema's name speaks of: ``BookSummary`` of a book, ``movie-list-object`` of a movie."""
        parts = words(name)
        head = parts[: parts.index("with")] if "with" in parts[1:] else parts
        for end in range(len(head), 0, -1):
            kind = self.within(head[:end])
            if kind is not None:
                return kind
        return None
