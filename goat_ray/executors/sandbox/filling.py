"""Makes up attributes of a thing one by one, so that they fit those it has."""

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from random import Random
from typing import Any

from goat_ray.executors.sandbox import vocabulary
from goat_ray.executors.sandbox.keys import is_label
from goat_ray.executors.sandbox.kinds import Kind
from goat_ray.executors.sandbox.profile import Profile
from goat_ray.executors.sandbox.things import Roll, Thing
from goat_ray.executors.sandbox.values import Spec
from goat_ray.naming import words

MAX_NULLS = 0.8  # of the values, even where all examples are null
ATTEMPTS = 8  # at a name that nothing else has
_PERSONAL = vocabulary.PEOPLE | {"full"}
_BIRTH = frozenset({"birth", "birthday", "born"})
_DEATH = frozenset({"death", "deathday", "died"})
_MADE = frozenset("created opened joined issued placed ordered published loaned borrowed registered requested".split())
_EARLY = _MADE | frozenset("first start starts begin begins from check departs departure since date".split())
# Ends, what starts they belong to if there is a choice, and how many days lie between at least and at most.
_LATE: tuple[tuple[frozenset[str], frozenset[str], int, int], ...] = (
    (_DEATH, _BIRTH, 25 * 365, 90 * 365),
    (frozenset("expires expiry expiration due deadline renewal".split()), _MADE, 14, 365),
    (frozenset({"last"}), frozenset({"first"}), 100, 2000),
    (frozenset("end ends finish to until checkout out returns arrival arrives".split()), _EARLY - _MADE, 1, 14),
    (frozenset("updated modified changed closed paid shipped delivered returned".split()), _MADE, 1, 60),
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


class Filler:
    """Fills in what nobody has said of a thing yet."""

    def __init__(
        self,
        random: Callable[..., Random],
        of_kind: Callable[[Kind], Mapping[str, Spec]],
        rolls: Mapping[Kind, Roll],
    ) -> None:
        self._random = random
        self._of_kind = of_kind
        self._rolls = rolls
        self._names: dict[tuple[Kind, str], dict[str, Any]] = {}  # made-up names by what they are the names of

    def fill(self, thing: Thing, spec: Spec, beside: Mapping[str, Spec], prefix: str = "") -> Any:
        """Make up an attribute that a thing does not have yet, and keep it under its prefixed name.

        ``beside`` holds all that is said of such things. What comes out must not depend on which
        attribute is asked for first, so one that depends on another has that one filled before.
        """
        name = prefix + spec.name
        if name not in thing.attributes:
            thing.attributes[name] = self._make(thing, spec, beside, prefix)
        return thing.attributes[name]

    def settle(self, thing: Thing, beside: Mapping[str, Spec]) -> None:
        """Fill in what depends on other attributes, before a session changes those.

        Else it would matter whether anyone had asked for it before the change.
        """
        repeated = thing.kind.repeats if thing.kind is not None else {}
        for name, spec in beside.items():
            depends = spec.meaning is not None or _ending(name) is not None or _EARLY & set(words(name))
            if depends and name not in repeated:
                self.fill(thing, spec, beside)
        self._profile(thing, beside)

    def _make(self, thing: Thing, spec: Spec, beside: Mapping[str, Spec], prefix: str) -> Any:
        if is_label(spec.name) and not prefix and thing.kind is not None:
            name = _name_by_key(thing, spec) or self._name(thing.kind, thing, spec)
            if name:
                return name
        random = self._random(thing.scope, prefix + spec.name)
        if spec.nulls and random.random() < min(MAX_NULLS, spec.nulls / spec.rows):
            return None
        if spec.depth:
            return list(dict.fromkeys(spec.draw(random) for _ in range(random.randint(1, 2))))
        if spec.meaning is not None:
            return spec.meaning(self._profile(thing, beside))
        value = spec.draw(random)
        if isinstance(value, str) and _DATE.match(value):
            day = self._day(thing, spec, beside, prefix, random)
            return day.isoformat() + value[10:] if day is not None else value
        return value

    def _name(self, kind: Kind, thing: Thing, spec: Spec) -> Any:
        """A name that no other known thing of the kind has, where the sort of name has so many."""
        if kind.ordinal or spec.meaning is not None or spec.enum or spec.depth or spec.type != "string":
            return None
        if (kind, spec.name) not in self._names:
            things = self._rolls[kind].things
            names = self._names[kind, spec.name] = {}
            taken = {*spec.pool, *(one.attributes.get(spec.name) for one in things)}
            for one in things:
                if spec.name not in one.attributes:
                    draws = (spec.draw(self._random(one.scope, spec.name, attempt)) for attempt in range(ATTEMPTS))
                    name = next((name for name in draws if name not in taken), None)
                    taken.add(name)
                    names[one.scope] = name
        return self._names[kind, spec.name].get(thing.scope)

    def _profile(self, thing: Thing, beside: Mapping[str, Spec]) -> Profile:
        """Who the thing is, by the name that it has or will get."""
        if thing.profile is None:
            labels = [spec for name, spec in beside.items() if is_label(name) and not spec.depth]
            label = min(labels, key=lambda spec: (len(words(spec.name)), spec.name), default=None)
            called = ""
            if label is not None and (label.name in thing.attributes or label.meaning is None):
                called = str(self.fill(thing, label, beside) or "")
            about = {*words(label.name), *words(label.about)} if label is not None else set()
            thing.profile = Profile(self._random(thing.scope, "profile"), called, bool(about & _PERSONAL))
        return thing.profile

    # --- dates -------------------------------------------------------------------------------------

    def _day(self, thing: Thing, spec: Spec, beside: Mapping[str, Spec], prefix: str, random: Random) -> date | None:
        """The day that suits the other dates of a thing; None where any day does."""
        if thing.kind is not None and thing.kind.ordinal and thing.parent is not None:
            return self._in_series(thing, thing.parent, spec)
        ending = _ending(spec.name)
        if ending is not None:
            starts = _starts(spec, beside)
            start = _day_of(self.fill(thing, starts[0], beside, prefix)) if starts else None
            return start + timedelta(days=random.randint(*ending[2:])) if start is not None else None
        for end in beside.values():  # an end that a thing has already was given, and not made up
            known = _ending(end.name)
            last = _day_of(thing.attributes.get(prefix + end.name)) if known is not None else None
            if known is not None and last is not None and _starts(end, beside)[:1] == [spec]:
                return last - timedelta(days=random.randint(*known[2:]))
        return None

    def _in_series(self, thing: Thing, parent: Thing, spec: Spec) -> date | None:
        """Things numbered within another follow each other: seasons by a year, what is within them by a week."""
        if parent.kind is None:
            return None
        deep = parent.kind.ordinal
        dated = [other for name, other in self._of_kind(parent.kind).items() if "date" in words(name)]
        start = _day_of(self.fill(parent, dated[0], self._of_kind(parent.kind))) if dated else None
        if start is None:
            return None
        return start + timedelta(days=(thing.number - 1) * (7 if deep else 365))


def _starts(end: Spec, beside: Mapping[str, Spec]) -> list[Spec]:
    """The dates that an end comes after, the fittest first. Only a death has to do with a birth."""
    found = _ending(end.name)
    if found is None:
        return []
    _, fitting, _, _ = found
    allowed = fitting if fitting is _BIRTH else _EARLY
    starts = [
        spec
        for name, spec in beside.items()
        if allowed & set(words(name)) and spec.type == "string" and not spec.depth and _ending(name) is None
    ]
    return sorted(starts, key=lambda spec: not fitting & set(words(spec.name)))


def _day_of(value: Any) -> date | None:
    try:
        return date.fromisoformat(value[:10])
    except (TypeError, ValueError):
        return None


def _name_by_key(thing: Thing, spec: Spec) -> str:
    """A name that says no more than the key: that of a slug, or ``Season 3``."""
    if "slug" in thing.keys:
        return " ".join(words(str(thing.keys["slug"]))).capitalize()
    if thing.kind is not None and thing.kind.ordinal:  # "Season 3"
        numbered = re.compile(rf"{thing.kind.name}\s+\d+", re.IGNORECASE)
        if any(isinstance(text, str) and numbered.fullmatch(text) for text in spec.pool):
            return f"{thing.kind.name.capitalize()} {thing.number}"
    return ""


def _ending(name: str) -> tuple[frozenset[str], frozenset[str], int, int] | None:
    """What is known of the end that a date of that name is; None if it is none."""
    parts = set(words(name))
    return next((known for known in _LATE if parts & known[0]), None)
