"""Brings the things of the documents' example answers into the world, with all that is said about them."""

from typing import Any

from goat_ray.executors.sandbox.keys import canonical, noun
from goat_ray.executors.sandbox.kinds import Kind, Ref
from goat_ray.executors.sandbox.model import Model, label_of
from goat_ray.executors.sandbox.objects import is_discriminator
from goat_ray.executors.sandbox.shape import MAX_ROWS, ROOT, Leaf, Place, flatten, relation_name
from goat_ray.executors.sandbox.things import Link, Links, Roll, Thing
from goat_ray.executors.sandbox.world import World, referring
from goat_ray.records import ApiFunction


class Examples:
    """Reads example answers. A thing seen in several of them collects what each one says."""

    def __init__(self, model: Model, rolls: dict[Kind, Roll]) -> None:
        self._model = model
        self._rolls = rolls
        self._numbers: dict[str, Thing] = {}  # numbered things by scope
        self.listed: dict[Place, list[Thing]] = {}  # the things that an example lists, in its order

    def read(self, function: ApiFunction) -> None:
        """Read one function's example answer."""
        root = self._model.holders[function.id].members.get(ROOT)
        if function.response_example is None or not isinstance(root, Place):
            return
        bound = self._bound(function)
        if root.depth:
            links = self._read_list(root, function.response_example, bound)
            if bound is not None and links:
                bound.links.setdefault((relation_name(root), root.kinds), Links(links, len(links)))
            return
        for row in flatten(function.response_example):
            thing = self._thing(root, row, None) or bound
            if thing is not None and bound is None:
                self.listed[root] = [thing]
            self._read_object(root, row, thing, None)

    def _bound(self, function: ApiFunction) -> Thing | None:
        """The thing that the example is about, if the innermost path parameter gives an example."""
        for parameter in reversed(function.parameters):
            ref = self._model.parameters.get((function.id, parameter.name))
            if parameter.location == "path" and ref is not None:
                kind = ref.kinds[0]
                if parameter.example is None or kind.ordinal:
                    return None
                return self._rolls[kind].known(ref.key, parameter.example)
        return None

    def _thing(self, place: Place, row: dict[str, Any], owner: Thing | None) -> Thing | None:
        """The thing that an example object is, by its keys; None if it has none."""
        if not place.kinds:
            return None
        kind = variant(place, row)
        own = ((name, ref.key) for name, ref in place.refs.items() if not ref.relation)
        keys = {key: row[name] for name, key in own if row.get(name) is not None}
        if kind.parent is not None:
            outer = self._outer(kind.parent, place, row, owner)
            return self._numbered(kind, keys, outer) if outer is not None else None
        roll = self._rolls[kind]
        known = next((thing for key, value in keys.items() if (thing := roll.get(key, value))), None)
        for key, value in keys.items():
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                known = known or roll.known(key, value)
                roll.give(known, key, value)
        return known

    def _outer(self, kind: Kind, place: Place, row: dict[str, Any], owner: Thing | None) -> Thing | None:
        """What a thing is numbered within: the object around it, or what that and a number in it name."""
        if owner is None or owner.kind is kind or kind.parent is not owner.kind:
            return owner if owner is not None and owner.kind is kind else None
        keys = {ref.key: row.get(name) for name, ref in place.refs.items() if ref.kinds == (kind,)}
        return self._numbered(kind, keys, owner)

    def _numbered(self, kind: Kind, keys: dict[str, Any], owner: Thing) -> Thing | None:
        number = keys.get("number", keys.get("no"))
        if not isinstance(number, int):
            return None
        thing = Thing(kind, f"{owner.scope}/{kind.name}/{number}", owner, number)
        known = self._numbers.setdefault(thing.scope, thing)
        known.keys.update(keys)
        owner.links.setdefault((kind.name, (kind,)), Links([], 0))
        return known

    def finish(self, world: World) -> None:
        """Fill up what examples show of numbered things: a fifth season is preceded by four others."""
        by_parent: dict[tuple[str, Kind], list[Thing]] = {}
        for thing in self._numbers.values():
            if thing.parent is not None and thing.kind is not None:
                by_parent.setdefault((thing.parent.scope, thing.kind), []).append(thing)
        for (_, kind), things in by_parent.items():
            parent = things[0].parent
            assert parent is not None
            known = {thing.number: thing for thing in things}
            for number in range(1, min(max(known), MAX_ROWS) + 1):
                if number not in known:
                    known[number] = world.make_numbered(parent, kind, number)
            for thing in things:
                world.population.complete(thing)
            items = [Link(known[number]) for number in sorted(known)]
            parent.links[kind.name, (kind,)] = Links(items, len(items))

    def _read_object(self, place: Place, row: dict[str, Any], thing: Thing | None, said: Thing | None) -> None:
        """Take over an example object: ``said`` holds what is said of the thing in this list only."""
        for name in sorted(row, key=lambda name: name not in place.refs):
            value, member = row[name], place.members.get(name)
            if member is None or (value is None and (isinstance(member, Place) or name in place.refs)):
                continue
            own = len(place.kinds) != 1 or not place.kinds[0].attributes or name in place.kinds[0].attributes
            holder = thing if own or said is None else said
            if isinstance(member, Place):
                self._read_member(member, value, holder)
            elif name in place.refs:
                self._read_ref(place, name, value, holder)
            elif name in place.labels:
                _read_label(place.labels[name], name, value, holder)
            elif holder is not None and _fits(member, value) and holder.attributes.get(name) is None:
                holder.attributes[name] = value

    def _read_ref(self, place: Place, name: str, value: Any, holder: Thing | None) -> None:
        ref = place.refs[name]
        if not ref.relation or any(kind.ordinal for kind in ref.kinds):
            return
        kind = ref.kinds[0]
        if len(ref.kinds) > 1:
            said = [value for other, value in place.rows[0].items() if is_discriminator(other)] if place.rows else []
            named = {noun(str(text).lower()) for text in said}
            kind = next((kind for kind in ref.kinds if kind.name in named), kind)
        values = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str | int)]
        found = [self._rolls[kind].known(ref.key, item) for item in values if canonical(item)]
        if holder is None or not found:
            return
        if ref.many:
            holder.links.setdefault((ref.relation, ref.kinds), Links([Link(thing) for thing in found], len(found)))
        else:
            holder.single.setdefault((ref.relation, ref.kinds), found[0])

    def _read_member(self, place: Place, value: Any, owner: Thing | None) -> None:
        relation = relation_name(place)
        if place.depth:
            links = self._read_list(place, value, owner)
            if owner is not None and links and not any(kind.ordinal for kind in place.kinds):
                owner.links.setdefault((relation, place.kinds), Links(links, len(links)))
        elif isinstance(value, dict):
            thing = owner if place.same else self._thing(place, value, owner) or _part(place, owner, relation, 0)
            self._read_object(place, value, thing, None)
            if owner is None or thing is None or place.same:
                return
            if place.kinds:
                owner.single.setdefault((relation, place.kinds), thing)
            else:
                owner.links.setdefault((relation, ()), Links([Link(thing)], 1))

    def _read_list(self, place: Place, value: Any, owner: Thing | None) -> list[Link]:
        relation = relation_name(place)
        links: list[Link] = []
        for index, row in enumerate(flatten(value)):
            if place.kinds:
                thing = self._thing(place, row, owner)
                said = Thing(None, f"{owner.scope}/{relation}/{thing.scope}", owner, index) if owner and thing else None
                self._read_object(place, row, thing, said)
                _tie(owner, thing, said)
                _belong(owner, thing)
                if thing is not None:
                    links.append(Link(thing, said))
            else:
                part = _part(place, owner, relation, index)
                self._read_object(place, row, part, None)
                if part is not None:
                    links.append(Link(part))
        if owner is None and links:
            self.listed[place] = [link.thing for link in links]
        return links


def _read_label(ref: Ref, name: str, value: Any, holder: Thing | None) -> None:
    """What an object says that the thing is called to which it refers."""
    other = holder.single.get((ref.relation, ref.kinds)) if holder is not None else None
    if other is not None and other.kind is not None and isinstance(value, str):
        other.attributes.setdefault(label_of(other.kind, name), value)


def _tie(owner: Thing | None, thing: Thing | None, said: Thing | None) -> None:
    """What an item names besides itself ties the item to its list: a credit, a person to a movie."""
    for other in said.single.values() if said is not None else ():
        for end in (owner, thing):
            for relation, kinds in other.kind.singles.items() if other.kind is not None and end is not None else ():
                if end is not None and end.kind in kinds:
                    other.single.setdefault((relation, kinds), end)


def _belong(owner: Thing | None, thing: Thing | None) -> None:
    """The books in the list of an author are that author's."""
    if owner is not None and thing is not None and owner.kind is not None and thing.kind is not None:
        relation = referring(thing.kind, owner.kind)
        if relation:
            thing.single.setdefault((relation, thing.kind.singles[relation]), owner)


def _part(place: Place, owner: Thing | None, relation: str, index: int) -> Thing | None:
    if owner is None or place.kinds:
        return None
    return Thing(None, f"{owner.scope}/{relation}/{index}", owner, index)


def variant(place: Place, row: dict[str, Any]) -> Kind:
    """The kind of an example object where several share the place: as it says, else by its members."""
    said = [noun(str(value).lower()) for name, value in row.items() if is_discriminator(name)]
    for kind in place.kinds:
        if kind.name in said:
            return kind
    return max(place.kinds, key=lambda kind: len(kind.attributes & set(row)) / (1 + len(kind.attributes)))


def _fits(leaf: Leaf, value: Any) -> bool:
    return isinstance(value, list) if leaf.depth else value is None or isinstance(value, str | int | float)
