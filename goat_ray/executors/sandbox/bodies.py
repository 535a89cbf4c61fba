"""Builds answers: one prepared builder for each member of each function's shape."""

from collections.abc import Callable
from typing import Any

from goat_ray.executors.sandbox.call import Call
from goat_ray.executors.sandbox.keys import noun
from goat_ray.executors.sandbox.kinds import Kind, Ref
from goat_ray.executors.sandbox.objects import is_discriminator
from goat_ray.executors.sandbox.paging import paging_member
from goat_ray.executors.sandbox.shape import ROOT, Leaf, Place, relation_name, tail_segments
from goat_ray.executors.sandbox.things import Link, Thing
from goat_ray.executors.sandbox.values import fit
from goat_ray.executors.sandbox.world import World
from goat_ray.naming import words

Build = Callable[[Call, Thing, Thing | None], Any]  # (call, thing, what is said of it in this list) -> JSON
_POSITIONS = frozenset({"order", "position", "rank", "index", "parcel"})
_COUNTING = frozenset({"number", "count", "total", "num", "of"})


class BodyBuilder:
    """Prepares the builders of one function's answer."""

    def __init__(self, world: World, primary: Place | None, parameters: frozenset[str]) -> None:
        self._world = world
        self._primary = primary
        self._parameters = parameters

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
        by_kind = {kind: [(n, b) for n, b in members if self._belongs(place, n, kind)] for kind in place.kinds}

        def build_variant(call: Call, thing: Thing, row: Thing | None) -> dict[str, Any]:
            mine = by_kind.get(thing.kind, members) if thing.kind is not None else members
            return {name: build(call, thing, row) for name, build in mine}

        return build_variant

    @staticmethod
    def _belongs(place: Place, name: str, kind: Kind) -> bool:
        """Whether a member is one of this kind's where objects of several kinds share the place."""
        others = set().union(*(other.attributes for other in place.kinds if other is not kind))
        return name in kind.attributes or name not in others

    def _member(self, place: Place, name: str) -> Build:
        member = place.members[name]
        if isinstance(member, Place):
            return self._list(member) if member.depth else self._single(member)
        return self._leaf(place, name, member)

    # --- scalars -----------------------------------------------------------------------------------

    def _leaf(self, place: Place, name: str, leaf: Leaf) -> Build:
        ref = place.refs.get(name)
        if ref is not None:
            return self._key(ref, leaf) if not ref.relation else self._reference(place, name, ref, leaf)
        if name in place.labels:
            return self._label(name, place.labels[name])
        found = self._special(place, name, leaf)
        return found if found is not None else self._attribute(place, name, leaf)

    def _special(self, place: Place, name: str, leaf: Leaf) -> Build | None:
        """Members that follow from the call, the list or the kind rather than from the thing."""
        if leaf.depth:
            return None
        at_root = place.name == ROOT or (place.parent is not None and place.parent.name == ROOT and not place.depth)
        if at_root and not any(name in kind.attributes for kind in place.kinds):
            paging = paging_member(name, leaf.field.type)
            if paging is not None and self._primary is not None:
                return lambda call, thing, row: paging(call)
            if name in self._parameters:
                attribute = self._attribute(place, name, leaf)
                type_ = leaf.field.type
                return lambda call, thing, row: (
                    fit(call.arguments[name], type_) if name in call.arguments else attribute(call, thing, row)
                )
        if is_discriminator(name):
            return self._discriminator(place, name, leaf)
        if leaf.field.type == "integer":
            return self._count(place, name) or self._position(place, name, leaf)
        return None

    def _discriminator(self, place: Place, name: str, leaf: Leaf) -> Build | None:
        spelled = {noun(text.lower()): text for text in reversed(leaf.field.examples) if isinstance(text, str)}
        if len(place.kinds) > 1:
            return lambda call, thing, row: spelled.get(thing.kind.name, thing.kind.name) if thing.kind else ""
        relation = "_".join(words(name)[:-1])
        refs = [ref for ref in place.refs.values() if ref.relation == relation and len(ref.kinds) > 1]
        refs += [
            Ref(child.kinds, "", relation_name(child))
            for child in place.places.values()
            if len(child.kinds) > 1 and relation_name(child) == relation
        ]
        if not refs:
            return None
        kinds = refs[0].kinds

        def build(call: Call, thing: Thing, row: Thing | None) -> str:
            other = call.one(thing, relation, kinds)
            return spelled.get(other.kind.name, other.kind.name) if other is not None and other.kind else ""

        return build

    def _count(self, place: Place, name: str) -> Build | None:
        """``number_of_seasons``: as many as there are."""
        parts = [word for word in words(name) if word not in _COUNTING]
        if len(parts) == len(words(name)) or not parts:
            return None
        counted = noun("_".join(parts))
        for kind in self._world.rolls:
            if kind.name == counted and kind.parent is not None and kind.parent in place.kinds:
                return lambda call, thing, row, kind=kind: len(self._world.numbered(thing, kind))  # type: ignore[misc]
        for child in place.places.values():
            if child.depth and noun(child.name) == counted:
                listing = self._links(child)
                return lambda call, thing, row: len(listing(call, thing))
        return None

    @staticmethod
    def _position(place: Place, name: str, leaf: Leaf) -> Build | None:
        """The place of an item in its list."""
        if name.lower() not in _POSITIONS or not place.depth or (place.kinds and not _is_relational(place, name)):
            return None
        first = 0 if 0 in leaf.field.examples else 1
        if place.kinds:
            return lambda call, thing, row: (row.number if row is not None else thing.number) + first
        return lambda call, thing, row: thing.number + first

    @staticmethod
    def _key(ref: Ref, leaf: Leaf) -> Build:
        key, type_ = ref.key, leaf.field.type
        return lambda call, thing, row: fit(thing.keys.get(key, thing.scope), type_)

    def _reference(self, place: Place, name: str, ref: Ref, leaf: Leaf) -> Build:
        relational = _is_relational(place, name)
        key, relation, kinds, type_ = ref.key, ref.relation, ref.kinds, leaf.field.type
        if leaf.depth:
            limit = self._world.config.list_length

            def build_list(call: Call, thing: Thing, row: Thing | None) -> list[Any]:
                links = call.state.many(row if relational and row is not None else thing, relation, kinds)
                return [fit(link.thing.keys.get(key), type_) for link in links.items[: min(limit, links.nested)]]

            return build_list

        def build(call: Call, thing: Thing, row: Thing | None) -> Any:
            other = call.one(row if relational and row is not None else thing, relation, kinds)
            return fit(other.keys.get(key), type_) if other is not None else None

        return build

    @staticmethod
    def _label(name: str, ref: Ref) -> Build:
        """The name of the thing referred to, made up as that thing's own answer would."""
        relation, kinds = ref.relation, ref.kinds

        def build(call: Call, thing: Thing, row: Thing | None) -> Any:
            if name in thing.attributes:
                return thing.attributes[name]
            other = call.one(thing, relation, kinds)
            return call.label(other, name) if other is not None else None

        return build

    def _attribute(self, place: Place, name: str, leaf: Leaf) -> Build:
        relational = _is_relational(place, name)
        fill, depth, type_ = self._world.fill, leaf.depth, leaf.field.type
        kinds: tuple[Kind | None, ...] = place.kinds or (None,)
        specs = {kind: self._world.specs.of(place, name, kind) for kind in kinds}
        draws = {kind: self._world.specs.draw(spec) for kind, spec in specs.items()}
        draw = draws[kinds[0]]
        same = all(spec.type == type_ for spec in specs.values())
        base = _base_of(name, place.kinds[0]) if len(place.kinds) == 1 else ""

        def build(call: Call, thing: Thing, row: Thing | None) -> Any:
            owner = row if relational and row is not None else thing
            try:
                value = owner.attributes[name]
            except KeyError:
                if base and base in owner.attributes:
                    value = owner.attributes[base]
                elif owner is row and (shown := self._shown(place, row, name)) is not None:
                    value = row.attributes[name] = shown
                else:
                    value = fill(owner, name, draws.get(owner.kind, draw), depth)
            if depth:
                return list(value) if isinstance(value, list) else [value]
            return value if same else fit(value, type_)

        return build

    def _shown(self, place: Place, row: Thing, name: str) -> Any:
        """What an example says of an item of a list; all members of one item come from the same example."""
        if not place.rows or self._world.specs.of(place, name, None).varies:
            return None
        return place.rows[self._world.random(row.scope).randrange(len(place.rows))].get(name)

    # --- objects -----------------------------------------------------------------------------------

    def _single(self, place: Place) -> Build:
        build = self._object(place)
        if place.same:
            return build
        relation = relation_name(place)
        parent = place.parent
        relational = parent is not None and _is_relational(parent, place.name)
        if not place.kinds:
            parts = self._world.parts

            def build_part(call: Call, thing: Thing, row: Thing | None) -> Any:
                owner = row if relational and row is not None else thing
                return build(call, parts(owner, place, relation).items[0].thing, None)

            return build_part
        kinds = place.kinds

        def build_related(call: Call, thing: Thing, row: Thing | None) -> Any:
            other = call.one(row if relational and row is not None else thing, relation, kinds)
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
        if place is self._primary:
            return lambda call, thing: call.listed
        relation, kinds = relation_name(place), place.kinds
        limit = self._world.config.list_length
        inner = not _is_outer(place)
        if not kinds:
            parts = self._world.parts

            def list_parts(call: Call, thing: Thing) -> list[Link]:
                links = parts(thing, place, relation)
                return links.items[: min(limit, links.nested)] if inner else links.items[:limit]

            return list_parts

        def list_related(call: Call, thing: Thing) -> list[Link]:
            links = call.state.many(thing, relation, kinds)
            return links.items[: min(limit, links.nested)] if inner else links.items[:limit]

        return list_related


def _is_relational(place: Place, name: str) -> bool:
    """Whether a member says something of a thing in this list only: a character, a rank."""
    kind = place.kinds[0] if len(place.kinds) == 1 else None
    return kind is not None and bool(kind.attributes) and name not in kind.attributes


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
