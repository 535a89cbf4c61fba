"""What all places of a corpus together say about the attributes of kinds and of parts."""

from collections.abc import Iterable

from goat_ray.executors.sandbox.kinds import Kind
from goat_ray.executors.sandbox.shape import Leaf, Place
from goat_ray.executors.sandbox.values import Draw, Spec, drawer

MAX_POOL = 64  # example values kept for one attribute


class Specs:
    """How to make up each attribute; the same attribute of a kind is made up alike at all places."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._kinds: dict[tuple[Kind, str], Spec] = {}
        self._parts: dict[tuple[Place, str], Spec] = {}
        self._draws: dict[Spec, Draw] = {}
        for place in places:
            for name, leaf in place.leaves.items():
                spec = _spec(place, name, leaf)
                self._parts[place, name] = spec
                for kind in place.kinds:
                    known = self._kinds.get((kind, name))
                    self._kinds[kind, name] = _join(known, spec, kind) if known else _about(spec, kind)

    def of(self, place: Place, name: str, kind: Kind | None) -> Spec:
        """The spec of a member: the kind's where it is an attribute of its own, else the place's."""
        if kind is not None and (name in kind.attributes or not kind.attributes):
            return self._kinds[kind, name]
        return self._parts[place, name]

    def draw(self, spec: Spec) -> Draw:
        """How to make up values for a spec."""
        if spec not in self._draws:
            self._draws[spec] = drawer(spec)
        return self._draws[spec]

    def of_kind(self, kind: Kind, name: str) -> Spec | None:
        """The spec of an attribute of a kind; None if no place shows it."""
        return self._kinds.get((kind, name))


def _spec(place: Place, name: str, leaf: Leaf) -> Spec:
    field = leaf.field
    shown = [row.get(name) for row in place.rows]
    values = [item for value in (*field.examples, *shown) for item in (value if isinstance(value, list) else [value])]
    pool = tuple(dict.fromkeys(value for value in values if _is_scalar(value)))[:MAX_POOL]
    enum = tuple(value for value in field.enum if _is_scalar(value))
    return Spec(name, field.type, field.format, enum, pool, place.label)


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float)


def _about(spec: Spec, kind: Kind) -> Spec:
    return Spec(spec.name, spec.type, spec.format, spec.enum, spec.pool, kind.name)


def _join(one: Spec, two: Spec, kind: Kind) -> Spec:
    """Both places' examples; the wider type, and what only one of them says."""
    type_ = "number" if {one.type, two.type} == {"integer", "number"} else one.type
    pool = tuple(dict.fromkeys((*one.pool, *two.pool)))[:MAX_POOL]
    return Spec(one.name, type_, one.format or two.format, one.enum or two.enum, pool, kind.name)
