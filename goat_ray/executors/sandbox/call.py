"""One call while it is being answered."""

from typing import Any

from goat_ray.executors.sandbox.kinds import Kind
from goat_ray.executors.sandbox.model import label_of
from goat_ray.executors.sandbox.state import State
from goat_ray.executors.sandbox.things import Link, Thing
from goat_ray.executors.sandbox.values import Spec


class Call:
    """The arguments of a call, what they stand for, and the page of the list that it shows."""

    __slots__ = ("arguments", "bound", "listed", "number", "offset", "size", "state", "total")

    def __init__(self, state: State, arguments: dict[str, Any]) -> None:
        self.state = state
        self.arguments = arguments
        self.bound: dict[Kind, Thing] = {}  # the things that single arguments name
        self.listed: list[Link] = []
        self.total = 0  # items on all pages
        self.size = state.world.config.list_length  # items on a page
        self.offset = 0
        self.number = 1  # of the page

    def one(self, thing: Thing, relation: str, kinds: tuple[Kind, ...]) -> Thing | None:
        """The one thing that a thing is related to; what the call is about where that is meant."""
        for kind in kinds:
            if kind.name == relation and kind in self.bound and (thing.kind is not None or thing.parent is None):
                return self.bound[kind]
        return self.state.one(thing, relation, kinds)

    def label(self, thing: Thing, like: str) -> Any:
        """What people call a thing; ``like`` names the member that shows it."""
        if thing.kind is None:
            return None
        return self.attribute(thing, label_of(thing.kind, like))

    def attribute(self, thing: Thing, name: str) -> Any:
        """An attribute of a thing of a kind, whether it is its own or that of a thing it refers to."""
        kind = thing.kind
        if kind is None or name in thing.attributes:
            return thing.attributes.get(name)
        ref = kind.repeats.get(name)
        if ref is not None:
            other = self.one(thing, ref.relation, ref.kinds)
            if other is not None and other is not thing and other.kind is not kind:
                return self.label(other, name)
        world = self.state.world
        beside = world.specs.of_kind(kind)
        return world.filler.fill(thing, beside.get(name) or Spec(name, "string", about=kind.name), beside)
