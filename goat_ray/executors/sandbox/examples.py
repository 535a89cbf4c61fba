"""Brings the things of the documents' example answers into the world, with all that is said about them."""

from typing import Any

from goat_ray.executors.sandbox.keys import noun
from goat_ray.executors.sandbox.kinds import Kind
from goat_ray.executors.sandbox.model import Model
from goat_ray.executors.sandbox.objects import is_discriminator
from goat_ray.executors.sandbox.shape import ROOT, Leaf, Place, flatten, relation_name
from goat_ray.executors.sandbox.things import Link, Links, Roll, Thing
from goat_ray.records import ApiFunction


class Examples:
    """Reads example answers. A thing seen in several of them collects what each one says."""

    def __init__(self, model: Model, rolls: dict[Kind, Roll]) -> None:
        self._model = model
        self._rolls = rolls
        self.listed: dict[Place, list[Thing]] = {}  # the things that an example lists, in its order

    def read(self, function: ApiFunction) -> None:
        """Read one function's example answer."""
        root = self._model.holders[function.id].members.get(ROOT)
        if function.response_example is None or not isinstance(root, Place):
            return
        bound = self._bound(function)
        if root.depth:
            self._read_list(root, function.response_example, bound)
            return
        for row in flatten(function.response_example):
            thing = self._thing(root, row, None) or bound
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
        keys = {ref.key: row[name] for name, ref in place.refs.items() if not ref.relation and row.get(name) is not None}
        if kind.ordinal:
            return self._numbered(kind, keys, owner)
        roll = self._rolls[kind]
        known = next((thing for key, value in keys.items() if (thing := roll.get(key, value))), None)
        for key, value in keys.items():
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                known = known or roll.known(key, value)
                roll.give(known, key, value)
        return known

    @staticmethod
    def _numbered(kind: Kind, keys: dict[str, Any], owner: Thing | None) -> Thing | None:
        number = keys.get("number", keys.get("no"))
        if owner is None or owner.kind is not kind.parent or not isinstance(number, int):
            return None
        thing = Thing(kind, f"{owner.scope}/{kind.name}/{number}", owner, number)
        thing.keys = dict(keys)
        return thing

    def _read_object(self, place: Place, row: dict[str, Any], thing: Thing | None, said: Thing | None) -> None:
        """Take over an example object: ``said`` holds what is said of the thing in this list only."""
        for name, value in row.items():
            member = place.members.get(name)
            if value is None or member is None:
                continue
            own = not place.kinds or not place.kinds[0].attributes or name in place.kinds[0].attributes
            holder = thing if own or said is None else said
            if isinstance(member, Place):
                self._read_member(member, value, holder)
            elif name in place.refs:
                self._read_ref(place, name, value, holder)
            elif holder is not None and name not in place.labels and _fits(member, value):
                holder.attributes.setdefault(name, value)

    def _read_ref(self, place: Place, name: str, value: Any, holder: Thing | None) -> None:
        ref = place.refs[name]
        if not ref.relation or any(kind.ordinal for kind in ref.kinds):
            return
        kind = ref.kinds[0]
        if len(ref.kinds) > 1:
            said = [value for other, value in place.rows[0].items() if is_discriminator(other)] if place.rows else []
            kind = next((kind for kind in ref.kinds if any(noun(str(text).lower()) == kind.name for text in said)), kind)
        values = value if isinstance(value, list) else [value]
        found = [self._rolls[kind].known(ref.key, item) for item in values if isinstance(item, str | int) and item != ""]
        if holder is None or not found:
            return
        if ref.many:
            holder.links.setdefault(ref.relation, Links([Link(thing) for thing in found], len(found)))
        else:
            holder.single.setdefault(ref.relation, found[0])

    def _read_member(self, place: Place, value: Any, owner: Thing | None) -> None:
        relation = relation_name(place)
        if place.depth:
            links = self._read_list(place, value, owner)
            if owner is not None and links:
                owner.links.setdefault(relation, Links(links, len(links)))
        elif isinstance(value, dict):
            thing = owner if place.same else self._thing(place, value, owner) or _part(place, owner, relation, 0)
            self._read_object(place, value, thing, None)
            if owner is None or thing is None or place.same:
                return
            if place.kinds:
                owner.single.setdefault(relation, thing)
            else:
                owner.links.setdefault(relation, Links([Link(thing)], 1))

    def _read_list(self, place: Place, value: Any, owner: Thing | None) -> list[Link]:
        relation = relation_name(place)
        links: list[Link] = []
        for index, row in enumerate(flatten(value)):
            if place.kinds:
                thing = self._thing(place, row, owner)
                said = Thing(None, f"{owner.scope}/{relation}/{thing.scope}", owner, index) if owner and thing else None
                self._read_object(place, row, thing, said)
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
    return isinstance(value, list) if leaf.depth else isinstance(value, str | int | float)
