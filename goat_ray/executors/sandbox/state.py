"""What one session has changed in the world; the world itself never changes."""

from typing import Any

from goat_ray.executors.sandbox.keys import canonical
from goat_ray.executors.sandbox.kinds import Kind
from goat_ray.executors.sandbox.things import Link, Links, Thing
from goat_ray.executors.sandbox.world import World, referring


class State:
    """The world as one session sees it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._created: dict[Kind, list[Thing]] = {}
        self._changed: dict[tuple[Kind | None, str], Thing | None] = {}  # None where deleted
        self.writes = 0

    def lookup(self, kind: Kind, key: str, value: Any) -> Thing | None:
        """The thing with that key, unless it was deleted."""
        found = self.world.rolls[kind].get(key, value)
        if not self.writes:
            return found
        if found is None:
            text = canonical(value)
            made = self._created.get(kind, ())
            found = next((thing for thing in made if canonical(thing.keys.get(key)) == text), None)
        return self.view(found) if found is not None else None

    def view(self, thing: Thing) -> Thing | None:
        """The thing as this session left it; None if it was deleted."""
        return self._changed.get((thing.kind, thing.scope), thing) if self.writes else thing

    def created(self, kind: Kind) -> list[Thing]:
        """The things of a kind that this session created, the last one first."""
        made = reversed(self._created.get(kind, ()))
        return [seen for thing in made if (seen := self.view(thing)) is not None]

    def one(self, thing: Thing, relation: str, kinds: tuple[Kind, ...]) -> Thing | None:
        """The one thing that a thing is related to. A deleted thing leaves its traces in others."""
        found = self.world.one(thing, relation, kinds)
        return (self.view(found) or found) if found is not None else None

    def many(self, thing: Thing, relation: str, kinds: tuple[Kind, ...]) -> Links:
        """The things that a thing is related to, with those created for it first."""
        links = self.world.many(thing, relation, kinds)
        if not self.writes:
            return links
        items = [Link(seen, link.row) for link in links.items if (seen := self.view(link.thing)) is not None]
        known = {link.thing.scope for link in items}
        for kind in kinds:
            back = referring(kind, thing.kind) if thing.kind is not None else ""
            for made in reversed(self.created(kind)):
                owners = [other for name, other in made.given if name in (back, kind_name(other))]
                whose = self.world.one(made, back, kind.singles[back]) if back else None
                owned = any(other.scope == thing.scope for other in (*owners, whose) if other is not None)
                if owned and made.scope not in known:
                    items.insert(0, Link(made))
        return Links(items, links.nested)

    # --- writing -----------------------------------------------------------------------------------

    def create(self, kind: Kind, keys: dict[str, Any], *about: Any) -> Thing:
        """A new thing, with a key of its own where none is given."""
        self.writes += 1
        first = kind.keys[0] if kind.keys else "id"
        make = self.world.population.new_key
        if first not in keys:
            keys = {**keys, first: make(kind, first, self.writes, *about)}
        made = Thing(kind, f"{kind.name}/new/{self.writes}/{canonical(keys[first])}", number=self.writes)
        made.keys = keys
        for key in kind.keys:
            made.keys.setdefault(key, make(kind, key, self.writes, *about))
        self._created.setdefault(kind, []).append(made)
        return made

    def change(self, thing: Thing) -> Thing:
        """A copy of a thing for this session to change."""
        self.writes += 1
        if thing.kind is not None:
            self.world.filler.settle(thing, self.world.specs.of_kind(thing.kind))
        copy = thing.copy()
        self._changed[thing.kind, thing.scope] = copy
        return copy

    def delete(self, thing: Thing) -> None:
        """Remove a thing: it is no longer found or listed."""
        self.writes += 1
        self._changed[thing.kind, thing.scope] = None


def kind_name(thing: Thing) -> str:
    """The name of a thing's kind; empty for parts."""
    return thing.kind.name if thing.kind is not None else ""
