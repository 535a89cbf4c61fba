"""Which value of a response becomes an argument, where the response holds a list of them."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from itertools import islice
from typing import Any, NamedTuple

from goat_ray import jsonpath
from goat_ray.graph.feeding import is_usable
from goat_ray.identity import rng
from goat_ray.jsonpath import ANY, Token
from goat_ray.naming import is_identifier, words
from goat_ray.records import CallPlan

FIRST_ITEM_WEIGHT = 3  # people ask for the first of a list more often than for any later one
MAX_ITEM = 3  # and hardly for one beyond the third
EXTREMES = 0.25  # chance that they ask for the highest, the latest ... where the items can be compared

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:?\d{2})?)?")
# Numbers that nobody asks for the highest of.
_BOOKKEEPING = frozenset(
    "id ids page pages order index position rank offset limit version width height ratio latitude longitude lat lng lon"
    " timestamp epoch hash".split()
)

Location = tuple[Token, ...]


class Pick(NamedTuple):
    """A value of a response, where it stands, and how its item was chosen (see ``Argument.chosen``)."""

    value: Any
    location: str
    chosen: str


class NoValue(LookupError):
    """A response holds no usable value where one is needed."""


class Picks:
    """The items that one trace takes from the lists in its responses.

    Each list is chosen from once, so that several values of one response come from the same item; the item has a
    value for every call of the plan that takes one from that list. The choice derives from the plan's id.
    """

    def __init__(self, plan: CallPlan) -> None:
        self._random = rng(plan.id, "items")
        self._patterns: dict[int, list[Location]] = {}  # of all values that the plan takes from a step
        self._kinds: dict[tuple[int, Location], str] = {}  # of what they identify: tv for tv_id
        self._items: dict[tuple[int, Location], tuple[int, str]] = {}  # list -> (index, chosen)
        self._spread: dict[tuple[int, Location], tuple[int, str]] = {}  # the one list of a fan-out, before all others
        for call in plan.calls:
            for binding in call.bindings:
                if binding.step is not None:
                    pattern = jsonpath.parse(binding.field)
                    self._patterns.setdefault(binding.step, []).append(pattern)
                    if is_identifier(binding.parameter):
                        self._kinds[binding.step, pattern] = " ".join(words(binding.parameter)[:-1])

    def pick(self, step: int, field: str, body: Any) -> Pick:
        """The value for a binding to ``field`` in the body of ``step``; raises ``NoValue``."""
        at: Location = ()
        how = ""
        value = body
        for token in jsonpath.parse(field):
            here, chosen = self._item(step, at, value, field) if token is ANY else (token, "")
            value, at, how = _member(value, here), (*at, here), how or chosen
        if not is_usable(value):
            raise NoValue(f"nothing at {field} of call {step + 1}")
        return Pick(value, jsonpath.render(at), how)

    def spread(self, step: int, field: str, body: Any, count: int) -> Iterator["Picks"]:
        """Picks for each of the first ``count`` items of the outermost list on the way to ``field``.

        They differ in that list's item alone, and share what is chosen from every other list, before or after. Items
        whose value another one of them has are passed over.
        """
        tokens = jsonpath.parse(field)
        at = tokens[: tokens.index(ANY)]
        seen: set[Any] = set()
        for index in self._usable(step, at, _at(body, at)):
            one = self._with_item(step, at, index)
            value = one.pick(step, field, body).value
            if len(seen) < count and value not in seen:
                seen.add(value)
                yield one

    def _with_item(self, step: int, at: Location, index: int) -> "Picks":
        one = copy(self)
        one._spread = {(step, at): (index, "each")}
        return one

    def _item(self, step: int, at: Location, items: Any, field: str) -> tuple[int, str]:
        found = self._spread.get((step, at)) or self._items.get((step, at))
        if found is None:
            found = self._extreme(step, at, items) if self._random.random() < EXTREMES else None
            if found is None or found[0] not in self._usable(step, at, items):
                found = self._by_position(list(islice(self._usable(step, at, items), MAX_ITEM)), step, field)
            self._items[step, at] = found
        return found

    def _by_position(self, choices: Sequence[int], step: int, field: str) -> tuple[int, str]:
        if not choices:
            raise NoValue(f"nothing at {field} of call {step + 1}")
        weights = [FIRST_ITEM_WEIGHT, *[1] * (len(choices) - 1)]
        return self._random.choices(choices, weights)[0], ""

    def _extreme(self, step: int, at: Location, items: Any) -> tuple[int, str] | None:
        """The item with the most or least of something; None where that would not tell it from the others."""
        if not isinstance(items, list) or any(ANY in rest for rest in self._below(step, at)):
            return None
        scales = list(comparable(items))
        if not scales:
            return None
        name, values = self._random.choice(scales)
        most = self._random.random() < 0.5
        index = values.index(max(values) if most else min(values))
        top, bottom = ("latest", "earliest") if isinstance(values[0], str) else ("highest", "lowest")
        return index, f"{top if most else bottom} {name}"

    def _usable(self, step: int, at: Location, items: Any) -> Iterator[int]:
        """The items with all that the plan takes; of a mixed list, those that say they are of the wanted kinds."""
        if not isinstance(items, list):
            return
        fitting = {index for index, item in enumerate(items) if self._is_said_to_fit(step, at, item)}
        for index, item in enumerate(items):
            if (not fitting or index in fitting) and self._has_all(step, at, item):
                yield index

    def _is_said_to_fit(self, step: int, at: Location, item: Any) -> bool:
        """Whether the objects whose ids the plan takes from an item name the kind: ``"media_type": "tv"``."""
        wanted = [
            (pattern[len(at) + 1 : -1], kind)
            for (source, pattern), kind in self._kinds.items()
            if source == step and len(pattern) > len(at) and pattern[len(at)] is ANY and _leads(pattern, at)
        ]
        return bool(wanted) and all(
            any(_is_said_to_be(kind, held) for held in _values(item, within)) for within, kind in wanted
        )

    def _has_all(self, step: int, at: Location, item: Any) -> bool:
        return all(any(map(is_usable, _values(item, rest))) for rest in self._below(step, at))

    def _below(self, step: int, at: Location) -> Iterator[Location]:
        """What the plan takes from each item of a list: the rests of the patterns that lead through it."""
        for pattern in self._patterns[step]:
            if len(pattern) > len(at) and pattern[len(at)] is ANY and _leads(pattern, at):
                yield pattern[len(at) + 1 :]


def _is_said_to_be(kind: str, held: Any) -> bool:
    return isinstance(held, dict) and any(
        value == kind for name, value in held.items() if name.endswith(("type", "Type", "kind"))
    )


def comparable(items: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """(name, values) of the members by which the items of a list differ: numbers or dates, each of them distinct."""
    if len(items) < 2 or not all(isinstance(item, dict) for item in items):
        return
    for name in items[0]:
        if is_identifier(name) or _BOOKKEEPING.intersection(words(name)):
            continue
        values = [item.get(name) for item in items]
        if (_are_numbers(values) or _are_dates(values)) and len(set(values)) == len(values):
            yield name, values


def _are_numbers(values: Iterable[Any]) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) and -math.inf < v < math.inf for v in values)


def _are_dates(values: Sequence[Any]) -> bool:
    """Whether all are ISO 8601 dates or times of the same form, so that they sort as texts."""
    forms = [_DATE.fullmatch(value) if isinstance(value, str) else None for value in values]
    return all(forms) and len({(len(form[0]), form[2]) for form in forms if form is not None}) == 1


def _leads(pattern: Location, at: Location) -> bool:
    return all(token is ANY or token == step for token, step in zip(pattern, at, strict=False))


def _member(value: Any, token: Token) -> Any:
    if isinstance(token, int):
        return value[token] if isinstance(value, list) and token < len(value) else None
    return value.get(token) if isinstance(value, dict) else None


def _at(body: Any, location: Location) -> Any:
    for token in location:
        body = _member(body, token)
    return body


def _values(value: Any, tokens: Location) -> Iterator[Any]:
    if not tokens:
        yield value
    elif tokens[0] is ANY:
        for item in value if isinstance(value, list) else ():
            yield from _values(item, tokens[1:])
    else:
        yield from _values(_member(value, tokens[0]), tokens[1:])
