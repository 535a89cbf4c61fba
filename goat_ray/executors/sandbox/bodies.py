"""Builds answers: one prepared builder for each member of each function's shape."""

from collections.abc import Callable
from typing import Any

from goat_ray.executors.sandbox.call import Call
from goat_ray.executors.sandbox.keys import noun
from goat_ray.executors.sandbox.kinds import Kind, Ref
from goat_ray.executors.sandbox.listing import wrapped_list
from goat_ray.executors.sandbox.shape import ROOT, Leaf, Place, relation_name, tail_segments
from goat_ray.executors.sandbox.special import Build, echo, special_member
from goat_ray.executors.sandbox.things import Link, Thing
from goat_ray.executors.sandbox.values import fit
from goat_ray.executors.sandbox.world import World
from goat_ray.naming import words


class BodyBuilder:
    """Prepares the builders of one function's answer."""

    def __init__(self, world: World, primary: Place | None, parameters: frozenset[str]) -> None:
        self._world = world
        self._primary = primary
        self._parameters = parameters  # those that look nothing up

    def root(self, holder: Place) -> Callable[[Call, Thing], Any]:
        """The builder of the whole body, given the thing that it is about."""
        member = holder.members.get(ROOT)
        if isinstance(member, Place):
            build = self._list(member) if member.depth else self._object(member)
            return lambda call, thing: build(call, thing, None)
        if isinstance(member, Leaf):
            scalar = self._attribute(holder, ROOT, member)
            return lambda call, thing: scalar(call, thing, None)
        return lambda call, thing: {}

    def _object(self, place: Place) -> Build:
        members = [(name, self._member(place, name)) for name in place.members]
        if len(place.kinds) <= 1:
            return lambda call, thing, row: {name: build(call, thing, row) for name, build in members}
        by_kind = {kind: [(n, b) for n, b in members if _belongs(place, n, kind)] for kind in place.kinds}

        def build_variant(call: Call, thing: Thing, row: Thing | None) -> dict[str, Any]:
            mine = by_kind.get(thing.kind, members) if thing.kind is not None else members
            return {name: build(call, thing, row) for name, build in mine}

        return build_variant

    def _member(self, place: Place, name: str) -> Build:
        member = place.members[name]
        if isinstance(member, Place):
            return self._list(member) if member.depth else self._single(member)
        return self._leaf(place, name, member)

    # --- scalars -----------------------------------------------------------------------------------

    def _leaf(self, place: Place, name: str, leaf: Leaf) -> Build:
        ref = place.refs.get(name)
        if ref is not None:
            return _key(ref, leaf) if not ref.relation else self._reference(place, name, ref, leaf)
        if name in place.labels:
            return _label(name, place.labels[name])
        special = special_member(self._world, place, name, leaf, self._primary is not None)
        if special is not None:
            return special
        attribute = self._counting(place, name, leaf) or self._attribute(place, name, leaf)
        return echo(place, name, leaf, attribute) if name in self._parameters else attribute

    def _counting(self, place: Place, name: str, leaf: Leaf) -> Build | None:
        """``items_count`` beside ``items``: as many as are shown."""
        parts = words(name)
        if leaf.field.type != "integer" or parts[-1:] != ("count",):
            return None
        for child in place.places.values():
            if child.depth and noun(child.name) == noun("_".join(parts[:-1])):
                links = self._links(child)
                return lambda call, thing, row: len(links(call, thing))
        return None

    def _reference(self, place: Place, name: str, ref: Ref, leaf: Leaf) -> Build:
        own = self._world.specs.is_own(place, name)
        key, relation, kinds, type_ = ref.key, ref.relation, ref.kinds, leaf.field.type
        if leaf.depth:
            limit = self._world.config.list_length

            def build_list(call: Call, thing: Thing, row: Thing | None) -> list[Any]:
                links = call.state.many(thing if own or row is None else row, relation, kinds)
                return [fit(link.thing.keys.get(key), type_) for link in links.items[: min(limit, links.nested)]]

            return build_list

        def build(call: Call, thing: Thing, row: Thing | None) -> Any:
            other = call.one(thing if own or row is None else row, relation, kinds)
            return fit(other.keys.get(key), type_) if other is not None else None

        return build

    def _attribute(self, place: Place, name: str, leaf: Leaf) -> Build:
        world, type_ = self._world, leaf.field.type
        own = world.specs.is_own(place, name)
        group = world.specs.group(place)
        spec = group.specs[name]
        base = _base_of(name, place.kinds[0]) if own and len(place.kinds) == 1 else ""

        def make(call: Call, thing: Thing, row: Thing | None) -> Any:
            if own and thing.kind is not None:
                return call.attribute(thing, base) if base else call.attribute(thing, name)
            return world.say(row if row is not None else thing, group, spec, row is not None or thing.kind is None)

        def build(call: Call, thing: Thing, row: Thing | None) -> Any:
            try:
                value = (thing if own or row is None else row).attributes[name]
            except KeyError:
                value = make(call, thing, row)
            if leaf.depth:
                return list(value) if isinstance(value, list) else []
            return fit(value, type_)

        return build

    # --- objects -----------------------------------------------------------------------------------

    def _single(self, place: Place) -> Build:
        build = self._object(place)
        if place.same or place.parent is None:
            return build
        relation, kinds = relation_name(place), place.kinds
        own = self._world.specs.is_own(place.parent, place.name)
        if not kinds:
            parts, group = self._world.parts, self._world.specs.group(place)

            def build_part(call: Call, thing: Thing, row: Thing | None) -> Any:
                owner = thing if own or row is None else row
                return build(call, parts(owner, group, relation, False).items[0].thing, None)

            return build_part

        def build_related(call: Call, thing: Thing, row: Thing | None) -> Any:
            other = call.one(thing if own or row is None else row, relation, kinds)
            return build(call, other, None) if other is not None else None

        return build_related

    def _list(self, place: Place) -> Build:
        build = self._object(place)
        listing = self._links(place)
        nesting = place.depth - 1

        def build_list(call: Call, thing: Thing, row: Thing | None) -> Any:
            made: list[Any] = [build(call, link.thing, link.row) for link in listing(call, thing)]
            for _ in range(nesting):
                made = [made]
            return made

        return build_list

    def _links(self, place: Place) -> Callable[[Call, Thing], list[Link]]:
        """What a list shows."""
        if place.parent is not None and place is wrapped_list(place.parent):
            kind, primary = place.kinds[0], place is self._primary
            return lambda call, thing: (
                [Link(call.bound[kind])] if kind in call.bound else call.listed if primary else [Link(thing)]
            )
        if place is self._primary:
            return lambda call, thing: call.listed
        relation, kinds = relation_name(place), place.kinds
        limit = self._world.config.list_length
        inner = not _is_outer(place)
        parts, group = self._world.parts, self._world.specs.group(place)

        def links(call: Call, thing: Thing) -> list[Link]:
            found = call.state.many(thing, relation, kinds) if kinds else parts(thing, group, relation, True)
            return found.items[: min(limit, found.nested)] if inner else found.items[:limit]

        return links


def _key(ref: Ref, leaf: Leaf) -> Build:
    key, type_ = ref.key, leaf.field.type
    return lambda call, thing, row: fit(thing.keys.get(key, thing.scope), type_)


def _label(name: str, ref: Ref) -> Build:
    """The name of the thing referred to, as that thing's own answer says it."""
    relation, kinds = ref.relation, ref.kinds

    def build(call: Call, thing: Thing, row: Thing | None) -> Any:
        if name in thing.attributes:
            return thing.attributes[name]
        other = call.one(thing, relation, kinds)
        return call.label(other, name) if other is not None else None

    return build


def _belongs(place: Place, name: str, kind: Kind) -> bool:
    """Whether a member is one of this kind's where objects of several kinds share the place."""
    others = set().union(*(other.attributes for other in place.kinds if other is not kind))
    return name in kind.attributes or name not in others


def _is_outer(place: Place) -> bool:
    """Whether a list is what the body is for, rather than something that is said of a thing in it."""
    here = place.parent
    while here is not None and here.same:
        here = here.parent
    if here is None or here.name == "":
        return True
    return here.name == ROOT and not here.depth and (not here.kinds or bool(tail_segments(place.function.path)))


def _base_of(name: str, kind: Kind) -> str:
    """``original_title`` is most often the title."""
    parts = words(name)
    rest = "_".join(parts[1:])
    return rest if parts[:1] in (("original",), ("display",)) and rest in kind.attributes else ""
