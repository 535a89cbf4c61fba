"""What all places of a corpus together say about the members of kinds, of lists and of parts."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from goat_ray.executors.sandbox.kinds import Kind
from goat_ray.executors.sandbox.shape import Leaf, Place, relation_name
from goat_ray.executors.sandbox.values import Spec

MAX_POOL = 64  # example values kept for one member
MAX_ROWS = 100  # example objects kept of one group


@dataclass(eq=False, slots=True)
class Group:
    """Places that show the same: the lines of orders, wherever an answer shows an order.

    What is made up for a part must not depend on which function shows it first, so it is made up from
    what all places of its group say.
    """

    name: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    parents: int = 0  # example objects that could have held some
    emptied: bool = False  # whether an example shows it empty
    specs: dict[str, Spec] = field(default_factory=dict)
    bound: set[str] = field(default_factory=set)  # members that follow from a thing referred to


class Specs:
    """How to make up each member; the same attribute of a kind is made up alike at all places."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._kinds: dict[Kind, dict[str, Spec]] = defaultdict(dict)
        self._groups: dict[str, Group] = {}
        self._of: dict[Place, Group] = {}
        for place in places:
            self._read(place)

    def _read(self, place: Place) -> None:
        group = self._of[place] = self._group(place)
        group.rows += place.rows[: MAX_ROWS - len(group.rows)]
        outer = place.parent.rows if place.parent is not None else []
        group.parents += len(outer)
        group.emptied |= any(row.get(place.name) == [] for row in outer)
        group.bound.update(place.refs, place.labels)
        for name, leaf in place.leaves.items():
            spec = _spec(place, name, leaf)
            known = group.specs.get(name)
            group.specs[name] = _join(known, spec) if known else spec
            for kind in place.kinds:
                of_kind = self._kinds[kind]
                mine = replace(spec, about=kind.name)
                of_kind[name] = _join(of_kind[name], mine) if name in of_kind else mine

    def _group(self, place: Place) -> Group:
        parent = place.parent
        if parent is None:
            name = place.function.id
        else:
            outer = _kinds_name(parent.kinds) if parent.kinds else self._of[parent].name
            name = f"{outer}/{relation_name(place)}:{_kinds_name(place.kinds)}"
        return self._groups.setdefault(name, Group(name))

    def group(self, place: Place) -> Group:
        """What is said at this place and at those that show the same."""
        return self._of[place]

    def is_own(self, place: Place, name: str) -> bool:
        """Whether a member is an attribute of the things themselves wherever they are shown."""
        leaf = place.members[name]
        owners = [kind for kind in place.kinds if name in kind.attributes or not kind.attributes]
        specs = [spec for kind in owners if (spec := self._kinds[kind].get(name)) is not None]
        return bool(owners) and (isinstance(leaf, Place) or all(spec.depth == leaf.depth for spec in specs))

    def of_kind(self, kind: Kind) -> Mapping[str, Spec]:
        """The attributes that any place shows of a kind."""
        return self._kinds[kind]


def _kinds_name(kinds: tuple[Kind, ...]) -> str:
    return "|".join(f"{kind.service}.{kind.name}" for kind in kinds)


def _spec(place: Place, name: str, leaf: Leaf) -> Spec:
    seen = leaf.field
    shown = [row.get(name) for row in place.rows]
    values = [item for value in (*seen.examples, *shown) for item in (value if isinstance(value, list) else [value])]
    pool = tuple(dict.fromkeys(value for value in values if _is_scalar(value)))[:MAX_POOL]
    enum = tuple(value for value in seen.enum if _is_scalar(value))
    nulls = sum(1 for row in place.rows if name in row and row[name] is None)
    rows = sum(1 for row in place.rows if name in row)
    return Spec(
        name, seen.type, seen.format, enum, pool, place.label, leaf.depth, rows, nulls, seen.minimum, seen.maximum
    )


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float)


def _join(one: Spec, two: Spec) -> Spec:
    """Both places' examples; the wider type, and what only one of them says."""
    type_ = "number" if {one.type, two.type} == {"integer", "number"} else one.type
    pool = tuple(dict.fromkeys((*one.pool, *two.pool)))[:MAX_POOL]
    return replace(
        one,
        type=type_,
        format=one.format or two.format,
        enum=one.enum or two.enum,
        pool=pool,
        rows=one.rows + two.rows,
        nulls=one.nulls + two.nulls,
        minimum=_tightest(max, one.minimum, two.minimum),
        maximum=_tightest(min, one.maximum, two.maximum),
    )


def _tightest(choose: Callable[[Iterable[float]], float], *bounds: float | None) -> float | None:
    """The bound that keeps a value within all that are given."""
    given = [bound for bound in bounds if bound is not None]
    return choose(given) if given else None
