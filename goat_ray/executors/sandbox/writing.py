"""Writes what a call's arguments say into a thing."""

from typing import Any

from goat_ray.executors.sandbox.call import Call
from goat_ray.executors.sandbox.kinds import Ref
from goat_ray.executors.sandbox.lookups import own_key
from goat_ray.executors.sandbox.shape import Leaf, Place, relation_name, tail_segments
from goat_ray.executors.sandbox.things import Link, Links, Thing
from goat_ray.records import ApiFunction


class Writer:
    """Knows where each parameter of one function goes."""

    def __init__(self, function: ApiFunction, subject: Place | None, refs: dict[str, Ref], root: Place | None) -> None:
        self._subject = subject
        self._refs = refs
        self._path = {parameter.name for parameter in function.parameters if parameter.location == "path"}
        tail = tail_segments(function.path)
        member = root.members.get(tail[-1]) if root is not None and tail and function.method == "POST" else None
        self._appended = member if isinstance(member, Place) and member.depth and not member.kinds else None

    @property
    def appends(self) -> bool:
        """Whether the function adds an item to a list of the thing."""
        return self._appended is not None

    def start(self, call: Call, thing: Thing) -> None:
        """Let a new thing begin as the document's example does: open, unpaid, with an empty list."""
        place = self._subject
        if place is None or not place.rows:
            return
        row = place.rows[0]
        world = call.state.world
        world.lay(thing, world.specs.group(place), row)
        for name, child in place.places.items():
            shown, relation = row.get(name), relation_name(child)
            if shown == []:
                thing.links[relation, child.kinds] = Links([], 0)
            elif isinstance(shown, dict) and not child.kinds and not child.same:
                part = Thing(None, f"{thing.scope}/{relation}/0", thing)
                world.lay(part, world.specs.group(child), shown)
                thing.links[relation, ()] = Links([Link(part)], 1)

    def write(self, call: Call, thing: Thing, found: dict[str, list[Thing]]) -> None:
        """Store the arguments in a thing: as its attributes, its relations, or a new item of its list."""
        if self._appended is not None:
            self._append(call, thing, self._appended, found)
            return
        for name, things in found.items():
            self._relate(thing, self._refs[name], things)
        referring = self._subject.refs if self._subject is not None else {}
        for name, value in call.arguments.items():
            if name not in self._path and (name not in self._refs or name not in referring):
                self._set(call, thing, name, value)

    def _relate(self, thing: Thing, ref: Ref, things: list[Thing]) -> None:
        if not things or things[0].scope == thing.scope:
            return
        if ref.many:
            thing.links[ref.relation, ref.kinds] = Links([Link(other) for other in things], len(things))
            return
        thing.single[ref.relation, ref.kinds] = things[0]
        thing.given = ((ref.relation, things[0]), *(pair for pair in thing.given if pair[0] != ref.relation))

    def _set(self, call: Call, thing: Thing, name: str, value: Any) -> None:
        place = self._subject
        head, _, rest = name.rpartition(".")
        if place is None:
            return
        part = place.members.get(head) if head else None
        if isinstance(part, Place) and not part.kinds and not part.depth and not part.same:
            world = call.state.world
            group = world.specs.group(part)
            shown = world.parts(thing, group, relation_name(part), False).items[0].thing
            world.filler.settle(shown, {name: spec for name, spec in group.specs.items() if name not in group.bound})
            owned = shown.copy()
            owned.attributes[rest] = value
            thing.links[relation_name(part), ()] = Links([Link(owned)], 1)
            return
        leaf = place.members.get(rest)
        if isinstance(leaf, Leaf) and isinstance(value, list) != bool(leaf.depth):
            return
        if thing.kind is None or not own_key(rest, thing.kind):
            thing.attributes[rest] = value

    def _append(self, call: Call, thing: Thing, place: Place, found: dict[str, list[Thing]]) -> None:
        """``POST /carts/{cart_id}/items``: one more item in the cart."""
        relation = relation_name(place)
        world = call.state.world
        links = world.parts(thing, world.specs.group(place), relation, True)
        part = Thing(None, f"{thing.scope}/{relation}/new/{call.state.writes}", thing, len(links.items))
        for name, value in call.arguments.items():
            if name not in self._refs and name in place.leaves:
                part.attributes[name] = value
        for name, things in found.items():
            if things and things[0].scope != thing.scope:
                ref = self._refs[name]
                part.single[ref.relation, ref.kinds] = things[0]
        items = [Link(part), *links.items]
        thing.links[relation, ()] = Links(items, len(items))
