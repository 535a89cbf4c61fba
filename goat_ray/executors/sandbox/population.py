"""Peoples the world: ids that documents show without an object, then made-up things, then missing keys."""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

from goat_ray.executors.sandbox.kinds import Kind
from goat_ray.executors.sandbox.shape import Place
from goat_ray.executors.sandbox.things import Roll, Thing
from goat_ray.executors.sandbox.values import Draw, key_drawer

_ATTEMPTS = 20  # at finding a key that no other thing has


class Population:
    """Makes things and their keys; no two things of a service get the same key."""

    def __init__(
        self, rolls: dict[Kind, Roll], places: Iterable[Place], random: Callable[..., Random], wanted: int
    ) -> None:
        self._rolls = rolls
        self._random = random
        self._wanted = wanted
        self._whole: dict[tuple[Kind, str], bool] = {}  # which keys are whole numbers
        self._draws: dict[tuple[Kind, str], Draw] = {}  # of keys of numbered things
        self._new: dict[tuple[Kind, str], Draw] = {}  # of keys of things that calls create
        self._taken: dict[str, set[Any]] = {}  # keys in use, by service
        for place in places:
            for name, ref in place.refs.items():
                for kind in ref.kinds:
                    self._whole.setdefault((kind, ref.key), place.leaves[name].field.type == "integer")

    def populate(self) -> None:
        """Fill all rolls up."""
        for kind, roll in self._rolls.items():
            for key, values in kind.values.items() if not kind.ordinal else ():
                for value in values.values():
                    if key in kind.keys:
                        roll.known(key, value)
            self._taken.setdefault(kind.service, set()).update(value for key in kind.keys for value in roll.values(key))
        for kind, roll in self._rolls.items():
            if not kind.ordinal and kind.keys:
                self._pad(kind, roll)

    def _pad(self, kind: Kind, roll: Roll) -> None:
        first = kind.keys[0]
        draws = {key: self._drawer(kind, key, roll.values(key)) for key in kind.keys}
        for index in range(0 if kind.closed else self._wanted - len(roll.things)):
            value = self._free_key(kind, first, draws[first], ("thing", index))
            if value is not None:
                roll.known(first, value)
        for thing in roll.things:
            for key in kind.keys:
                if key not in thing.keys:
                    value = self._free_key(kind, key, draws[key], (thing.scope, key))
                    roll.give(thing, key, value if value is not None else thing.scope)

    def _free_key(self, kind: Kind, key: str, draw: Draw, about: tuple[Any, ...]) -> Any:
        random = self._random(kind.service, kind.name, key, *about)
        taken = self._taken[kind.service]
        for _ in range(_ATTEMPTS):
            value = draw(random)
            if value not in taken:
                taken.add(value)
                return value
        return None  # the sort of key has no more values, as with one-letter codes

    def _drawer(self, kind: Kind, key: str, shown: Sequence[Any]) -> Draw:
        return key_drawer(key, kind.name, shown, self._whole.get((kind, key), False))

    def new_key(self, kind: Kind, key: str, *about: Any) -> Any:
        """A key for a thing that a call creates."""
        roll = self._rolls[kind]
        draw = self._new.get((kind, key))
        if draw is None:
            draw = self._new[kind, key] = self._drawer(kind, key, roll.values(key))
        for attempt in range(_ATTEMPTS):
            value = draw(self._random("created", kind.name, key, attempt, *about))
            if roll.get(key, value) is None:
                return value
        return f"{kind.name}-{len(roll.things)}"

    def complete(self, thing: Thing) -> None:
        """Give a thing that is numbered within another the keys that it lacks."""
        kind = thing.kind
        for key in kind.keys if kind is not None else ():
            if kind is None or key in thing.keys:
                continue
            if key in ("number", "no"):
                thing.keys[key] = thing.number
                continue
            if (kind, key) not in self._draws:
                shown = list(kind.values.get(key, {}).values())
                self._draws[kind, key] = self._drawer(kind, key, shown)
            thing.keys[key] = self._draws[kind, key](self._random(thing.scope, key))
