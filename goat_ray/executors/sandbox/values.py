"""Plausible values for the attributes of made-up things, shaped like the examples of the document."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any, TypeVar

from goat_ray.executors.sandbox import text, vocabulary
from goat_ray.executors.sandbox.codes import is_coded, reshaper
from goat_ray.executors.sandbox.keys import is_label
from goat_ray.executors.sandbox.profile import Meaning, meaning
from goat_ray.naming import words

T = TypeVar("T")
Draw = Callable[[Random], Any]
_FEW = 4  # so many different examples of small numbers are a code (a gender, a type) rather than a measure
_DEFAULT_RANGES: tuple[tuple[frozenset[str], float, float, int], ...] = (
    (frozenset({"year"}), 1975, 2025, 0),
    (frozenset({"latitude", "lat"}), -60, 70, 4),
    (frozenset({"longitude", "lon", "lng"}), -170, 170, 4),
    (frozenset({"rating", "score", "stars", "average"}), 1, 5, 1),
    (frozenset({"ratio", "similarity", "probability", "share", "confidence"}), 0, 1, 2),
    (frozenset({"percent", "percentage"}), 0, 100, 1),
    (frozenset({"price", "amount", "cost", "total", "fee", "salary", "balance", "subtotal"}), 5, 500, 2),
    (frozenset({"age"}), 18, 80, 0),
    (frozenset({"minutes", "duration", "runtime", "length"}), 5, 180, 0),
    (frozenset({"width", "height"}), 200, 1920, 0),
    (frozenset({"temperature", "temp"}), -5, 35, 1),
    (frozenset({"rank", "position", "order", "index"}), 1, 20, 0),
)


@dataclass(frozen=True, eq=False)
class Spec:
    """What a document says about one attribute."""

    name: str
    type: str
    format: str = ""
    enum: tuple[Any, ...] = ()
    pool: tuple[Any, ...] = ()  # example values
    about: str = ""  # the kind of thing, or the member that holds the object
    depth: int = 0  # of arrays of values
    rows: int = 0  # example objects that have it
    nulls: int = 0  # among them, where it is null
    minimum: float | None = None
    maximum: float | None = None

    @cached_property
    def draw(self) -> Draw:
        """How to make up values."""
        return self._bounded(drawer(self))

    @cached_property
    def meaning(self) -> Meaning | None:
        """What of a thing's profile it shows, if it does."""
        found = meaning(self.name, self.type, self.format, self.pool, self.about)
        if found is None or self.enum or self.depth:
            return None
        return self._bounded(found)

    def _bounded(self, make: Callable[[T], Any]) -> Callable[[T], Any]:
        """The same within the bounds that the document states."""
        low, high = self.minimum, self.maximum
        if low is None and high is None:
            return make

        def within(source: T) -> Any:
            value = make(source)
            if not isinstance(value, int | float) or isinstance(value, bool):
                return value
            whole = isinstance(value, int)
            least = value if low is None else math.ceil(low) if whole else low
            most = value if high is None else math.floor(high) if whole else high
            return min(max(value, least), most)

        return within

    @cached_property
    def varies(self) -> bool:
        """Whether two things hardly have the same value: hashes, addresses, links."""
        return self.type == "string" and not self.enum and bool(self.pool) and all(map(is_coded, self.pool))


def drawer(spec: Spec) -> Draw:
    """How to make values for an attribute."""
    if spec.enum:
        return _choosing(spec.enum)
    match spec.type:
        case "boolean":
            return _choosing(spec.pool or (True, False))
        case "integer" | "number":
            return _number(spec)
        case "string":
            return text.drawer(spec.name, spec.format, [str(value) for value in spec.pool], spec.about)
        case "array":
            return lambda _: []
        case "object":
            return lambda _: {}
    return _choosing(spec.pool) if spec.pool else text.drawer(spec.name, "", [], spec.about)


def _choosing(values: Sequence[Any]) -> Draw:
    return lambda random: values[int(random.random() * len(values))]


def _number(spec: Spec) -> Draw:
    whole = spec.type == "integer"
    pool = sorted({value for value in spec.pool if isinstance(value, int | float) and not isinstance(value, bool)})
    if not pool:
        return _default_number(spec.name, whole)
    low, high = pool[0], pool[-1]
    if whole and high <= 20 and len(pool) <= _FEW and not {"count", "total", "rating"} & set(words(spec.name)):
        return _choosing(pool)
    if "year" in words(spec.name):
        return lambda random: int(random.uniform(low - 5, high + 1))
    places = 0 if whole else max(1, min(6, max(len(repr(float(value)).partition(".")[2]) for value in pool)))
    if low > 0 and high > 50 * low:  # views, prices, populations: most are small
        return lambda random: _round(low * (high / low) ** random.random(), places)
    bottom, top = (low, high) if high > low else (low * 0.5, low * 1.5) if low else (0, 10)
    return lambda random: _round(random.uniform(bottom, top), places)


def _default_number(name: str, whole: bool) -> Draw:
    parts = set(words(name))
    for meant, low, high, places in _DEFAULT_RANGES:
        if parts & meant:
            digits = 0 if whole else places
            return lambda random, low=low, high=high, digits=digits: _round(random.uniform(low, high), digits)  # type: ignore[misc]
    return lambda random: _round(random.uniform(1, 200), 0 if whole else 2)


def _round(value: float, places: int) -> float | int:
    return round(value, places) if places else round(value)


_UNREAL = re.compile(r"[^a-z0-9]+")


def key_drawer(key: str, about: str, pool: Sequence[Any], whole: bool) -> Draw:
    """How to make new keys that look like the ones that the document shows."""
    if whole:
        digits = max((len(str(abs(value))) for value in pool if isinstance(value, int)), default=5)
        digits = max(3, digits)
        return lambda random: random.randint(10 ** (digits - 1), 10**digits - 1)
    shown = [str(value) for value in pool]
    if shown and any(map(is_coded, shown)):
        return reshaper(shown)
    if key in ("slug", "handle", "username", "login", "name") or shown:
        return lambda random: f"{random.choice(vocabulary.ADJECTIVES)}-{random.choice(vocabulary.NOUNS)}".lower()
    if key == "isbn":
        return lambda random: f"978{random.randrange(10**10):010d}"
    prefix = _UNREAL.sub("", about.lower())[:3].upper() or "KEY"
    return lambda random: f"{prefix}-{random.randint(10_000, 99_999)}"


def fit(value: Any, type_: str) -> Any:
    """A value as the type of a member asks; unchanged where that cannot be."""
    match type_:
        case "integer" if isinstance(value, float) and math.isfinite(value):
            return round(value)
        case "integer" if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
            return int(value)
        case "number" if isinstance(value, str):
            try:
                number = float(value)
            except ValueError:
                return value
            return number if math.isfinite(number) else value  # "nan" is a text to JSON
        case "string" if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return value


def is_name_like(name: str) -> bool:
    """Whether free text searches look at an attribute of that name."""
    return is_label(name) or bool({"author", "artist", "email", "synopsis", "keywords"} & set(words(name)))
