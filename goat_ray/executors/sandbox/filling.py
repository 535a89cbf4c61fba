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
_EARLY = frozenset(
    "first start starts begin begins from created opened joined issued placed ordered published check departs"
    " departure since loaned borrowed registered requested date".split()
)
# What comes later, and by how many days at least and at most.
_LATE: tuple[tuple[frozenset[str], int, int], ...] = (
    (_DEATH, 25 * 365, 90 * 365),
    (frozenset({"expires", "expiry", "expiration", "due", "deadline", "renewal"}), 14, 365),
    (frozenset({"last"}), 100, 2000),
    (frozenset({"end", "ends", "finish", "to", "until", "checkout", "out", "returns", "arrival", "arrives"}), 1, 14),
    (frozenset({"updated", "modified", "changed", "closed", "paid", "shipped", "delivered", "returned"}), 1, 60),
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
        gap = _gap(spec.name)
        if gap is not None:
            start = _day_of(next((self.fill(thing, s, beside, prefix) for s in _starts(spec, beside)), None))
            return start + timedelta(days=random.randint(*gap)) if start is not None else None
        for end in beside.values():  # those that a thing has already were given, and not made up
            if end is not spec and any(start is spec for start in _starts(end, beside)):
                last, gap = _day_of(thing.attributes.get(prefix + end.name)), _gap(end.name)
                if last is not None and gap is not None:
                    return last - timedelta(days=random.randint(*gap))
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
    """The dates that an end comes after. Only a death has to do with a birth."""
    if _gap(end.name) is None:
        return []
    of_life = bool(_DEATH & set(words(end.name)))
    found = []
    for name, spec in beside.items():
        parts = set(words(name))
        wanted = parts & _BIRTH if of_life else parts & _EARLY and not parts & _BIRTH
        if wanted and spec.type == "string" and not spec.depth and _gap(name) is None:
            found.append(spec)
    return found


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


def _gap(name: str) -> tuple[int, int] | None:
    """(least, most) days after the start; None for what is no end of anything."""
    parts = set(words(name))
    return next(((least, most) for late, least, most in _LATE if parts & late), None)
