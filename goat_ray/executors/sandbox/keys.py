"""Names that say "this value identifies something", and values that can identify something."""

import re
from functools import lru_cache
from typing import Any, NamedTuple

from goat_ray.naming import singular, words

_IDS = frozenset({"id", "ids", "uuid", "uuids", "guid", "uid"})
# Last words of names that may identify something; whether they do shows where they are looked up.
_CODES = frozenset(
    "code codes key keys number numbers no slug slugs isbn barcode sku symbol ticker handle username login"
    " reference ref hash iata icao name abbreviation token".split()
)
# Keys that say nothing without the kind they belong to. "isbn" does.
_GENERIC = frozenset("id code key number no slug name reference ref symbol handle hash token".split())
_LABELS = frozenset({"name", "title", "headline", "label", "subject", "caption"})
# Path parameters that are measures or free text, whatever segment they follow.
_FREE = frozenset(
    "year month day date week time query q text term search lang language locale format version page limit"
    " latitude longitude lat lon lng amount from to start end type".split()
)


class Named(NamedTuple):
    """A name read as a key: ``destination_city_ids`` is (destination, city), id, plural."""

    owner: tuple[str, ...]
    key: str
    plural: bool


@lru_cache(maxsize=65536)
def read(name: str) -> Named | None:
    """The name as owner and key; None if it ends in no identifying word."""
    parts = words(name)
    if not parts:
        return None
    last = parts[-1]
    if last in _IDS:
        return Named(nouns(parts[:-1]), "id", last.endswith("s"))
    if parts[0] == "id" and len(parts) > 1:
        return Named(nouns(parts[1:]), "id", plural=False)
    if last in _CODES:
        key = last if last in ("iata", "icao") else _singular(last)
        return Named(nouns(parts[:-1]), key, plural=last.endswith("s") and key != last)
    return None


def _singular(word: str) -> str:
    # naming.singular leaves words in -ews and -as alone for the sake of "news" and "gas".
    if len(word) > 4 and word.endswith(("ews", "eas", "ras", "mas")) and word not in ("pancreas", "christmas"):
        return word[:-1]
    return singular(word)


def nouns(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The words with the last one in the singular."""
    return (*parts[:-1], _singular(parts[-1])) if parts else ()


def is_bare_id(name: str) -> bool:
    """Whether a member is called ``id`` or the like, without saying of what."""
    named = read(name)
    return named is not None and named.key == "id" and not named.owner and not named.plural


def is_label(name: str) -> bool:
    """Whether a member holds what people call the thing."""
    parts = words(name)
    return bool(parts) and parts[-1] in _LABELS


def noun(name: str) -> str:
    """A name as the name of a kind: ``reading-groups`` gives ``reading_group``."""
    return "_".join(nouns(words(name)))


def is_generic(key: str) -> bool:
    """Whether the key means nothing without its kind: ``id`` and ``code`` do not, ``isbn`` does."""
    return key in _GENERIC


def is_free(name: str) -> bool:
    """Whether a path parameter of that name is a measure or free text rather than a key."""
    parts = words(name)
    return not parts or parts[-1] in _FREE


def is_plural(segment: str) -> bool:
    """Whether a path segment names a collection."""
    parts = words(segment)
    return bool(parts) and _singular(parts[-1]) != parts[-1]


def canonical(value: Any) -> str:
    """Ids compare as text, whether they come as 550, 550.0 or "550"; empty for what cannot be an id."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else ""
    return ""


_PLACEHOLDER = re.compile(r"0?12345?6?7?8?9?0?|(.)\1*|string|abc|test|example|x+|id")
_WORD = re.compile(r"[a-z]+([-_ ][a-z]+)*")


def is_telling(value: str) -> bool:
    """Whether the same value at two places is no accident: ``CUS-7014`` and 24428 tell, 3 and "on" do not."""
    if len(value) < 3 or _PLACEHOLDER.fullmatch(value.lower()) or _WORD.fullmatch(value):
        return False
    return len(value) < 80 and " " not in value and "://" not in value and "@" not in value
