"""The things of the made-up world: what they are known by, what they are like, what they are related to."""

from typing import Any, NamedTuple

from goat_ray.executors.sandbox.keys import canonical
from goat_ray.executors.sandbox.kinds import Kind
from goat_ray.executors.sandbox.profile import Profile

Relation = tuple[str, tuple[Kind, ...]]  # what things are to another, and of which kinds; of none where mere parts


class Thing:
    """A thing of a kind, or a mere part of another thing (an address, a line of an order)."""

    __slots__ = (
        "attributes",
        "given",
        "keys",
        "kind",
        "links",
        "number",
        "parent",
        "profile",
        "scope",
        "series",
        "single",
    )

    def __init__(self, kind: Kind | None, scope: str, parent: "Thing | None" = None, number: int = 0) -> None:
        self.kind = kind
        self.scope = scope  # names the thing for the random choices about it
        self.parent = parent  # what it is numbered within, or a part of
        self.number = number  # its place in a list
        self.series = scope  # names the list that it is an item of
        self.keys: dict[str, Any] = {}
        self.attributes: dict[str, Any] = {}
        self.single: dict[Relation, Thing] = {}
        self.links: dict[Relation, Links] = {}
        self.profile: Profile | None = None  # who it is, once that is asked
        self.given: tuple[tuple[str, Thing], ...] = ()  # what it was created with, by relation

    def copy(self) -> "Thing":
        """A thing that can be changed without changing this one."""
        made = Thing(self.kind, self.scope, self.parent, self.number)
        made.series = self.series
        made.keys = dict(self.keys)
        made.attributes = dict(self.attributes)
        made.single = dict(self.single)
        made.links = dict(self.links)
        made.given = self.given
        made.profile = self.profile
        return made

    def within(self, kinds: tuple[Kind, ...]) -> "Thing | None":
        """The nearest thing of these kinds that this one is within; the thing itself does not count."""
        here = self.parent
        while here is not None:
            if here.kind in kinds:
                return here
            here = here.parent
        return None


class Link(NamedTuple):
    """One item of a list: a thing, and what is said of it in this list only (a role, a rank)."""

    thing: Thing
    row: Thing | None = None


class Links(NamedTuple):
    """The items of a list, and how many of them are shown where the list is nested in another."""

    items: list[Link]
    nested: int


class Roll:
    """All things of one kind, by each of their keys."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.things: list[Thing] = []
        self._index: dict[str, dict[str, Thing]] = {}

    def get(self, key: str, value: Any) -> Thing | None:
        return self._index.get(key, {}).get(canonical(value))

    def known(self, key: str, value: Any) -> Thing:
        """The thing with that key, made if there is none."""
        thing = self.get(key, value)
        if thing is None:
            thing = Thing(self.kind, f"{self.kind.name}/{canonical(value)}", number=len(self.things))
            self.things.append(thing)
            self.give(thing, key, value)
        return thing

    def give(self, thing: Thing, key: str, value: Any) -> bool:
        """Give a thing a key, unless it has it or another thing has that value."""
        text = canonical(value)
        if not text or key in thing.keys or text in self._index.setdefault(key, {}):
            return False
        thing.keys[key] = value
        self._index[key][text] = thing
        return True

    def values(self, key: str) -> list[Any]:
        """The values of a key, in the order in which the things came up."""
        return [thing.keys[key] for thing in self.things if key in thing.keys]
