"""Members that follow from the call, the list or the kind rather than from the thing they describe."""

from collections.abc import Callable
from typing import Any

from goat_ray.executors.sandbox.call import Call
from goat_ray.executors.sandbox.keys import noun
from goat_ray.executors.sandbox.kinds import Kind, Ref
from goat_ray.executors.sandbox.objects import is_discriminator
from goat_ray.executors.sandbox.paging import paging_member
from goat_ray.executors.sandbox.shape import ROOT, Leaf, Place, relation_name
from goat_ray.executors.sandbox.things import Thing
from goat_ray.executors.sandbox.values import fit
from goat_ray.executors.sandbox.world import World
from goat_ray.naming import words

Build = Callable[[Call, Thing, Thing | None], Any]  # (call, thing, what is said of it in this list) -> JSON
_POSITIONS = frozenset({"order", "position", "rank", "index"})
_COUNTING = frozenset({"number", "count", "total", "num", "of"})


def special_member(world: World, place: Place, name: str, leaf: Leaf, listed: bool) -> Build | None:
    """The builder of such a member; None if it is an ordinary one. ``listed``: the body is there to give a list."""
    if leaf.depth:
        return None
    if listed and _at_root(place) and not any(name in kind.attributes for kind in place.kinds):
        paging = paging_member(name, leaf.field.type)
        if paging is not None:
            return lambda call, thing, row: paging(call)
    if is_discriminator(name):
        return _discriminator(place, name, leaf)
    if leaf.field.type == "integer":
        return _number_of(world, place, name) or _position(world, place, name, leaf)
    return None


def echo(place: Place, name: str, leaf: Leaf, ordinary: Build) -> Build:
    """A member of the body with the name of a parameter repeats the argument."""
    if leaf.depth or not _at_root(place) or any(name in kind.attributes for kind in place.kinds):
        return ordinary
    type_ = leaf.field.type

    def build(call: Call, thing: Thing, row: Thing | None) -> Any:
        return fit(call.arguments[name], type_) if name in call.arguments else ordinary(call, thing, row)

    return build


def _at_root(place: Place) -> bool:
    """Whether a member is the body's own, or in objects that tell about it: ``meta.pagination.total``."""
    here: Place | None = place
    while here is not None and here.name != ROOT and not here.depth:
        here = here.parent
    return here is not None and here.name == ROOT


def _discriminator(place: Place, name: str, leaf: Leaf) -> Build | None:
    """``media_type`` names the kind of the object, or of the one beside it."""
    texts = (*leaf.field.examples, *leaf.field.enum)
    spelled = {noun(text.lower()): text for text in reversed(texts) if isinstance(text, str)}

    def spell(kind: Kind | None) -> str:
        return spelled.get(kind.name, kind.name) if kind is not None else ""

    if len(place.kinds) > 1:
        return lambda call, thing, row: spell(thing.kind)
    relation = "_".join(words(name)[:-1])
    beside = [Ref(child.kinds, "", relation_name(child)) for child in place.places.values()]
    refs = [ref for ref in (*place.refs.values(), *beside) if ref.relation == relation and len(ref.kinds) > 1]
    if not refs:
        return None
    kinds = refs[0].kinds

    def build(call: Call, thing: Thing, row: Thing | None) -> str:
        other = call.one(thing, relation, kinds)
        return spell(other.kind) if other is not None else ""

    return build


def _number_of(world: World, place: Place, name: str) -> Build | None:
    """``number_of_seasons``: as many as the show has."""
    parts = [word for word in words(name) if word not in _COUNTING]
    if len(parts) == len(words(name)) or not parts:
        return None
    counted = noun("_".join(parts))
    kinds = [kind for kind in world.rolls if kind.name == counted and kind.parent in place.kinds]
    if not kinds:
        return None
    kind = kinds[0]
    return lambda call, thing, row: len(world.numbered(thing, kind))


def _position(world: World, place: Place, name: str, leaf: Leaf) -> Build | None:
    """The place of an item in its list."""
    if name.lower() not in _POSITIONS or not place.depth or (place.kinds and world.specs.is_own(place, name)):
        return None
    first = 0 if 0 in leaf.field.examples else 1
    return lambda call, thing, row: (row if row is not None else thing).number + first
