"""What a person would want to hear of a response: its telling fields, and a name for each item."""

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import Any

from goat_ray.naming import is_identifier, words
from goat_ray.teacher.phrases import scalars
from goat_ray.teacher.quantities import measured

_UNTELLING = frozenset(
    "id ids url uri link href path image photo logo icon avatar hash token etag uuid guid page total self version"
    " latitude longitude lat lng lon timezone locale language adult video order popularity key width height"
    " ratio".split()
)
_BESIDE = frozenset("pagination paging meta metadata links warning warnings error errors".split())  # no thing's own
_NAMERS = (  # last words of fields that say what an item is, best first: titles, other texts, places
    *("name", "title", "label", "headline", "subject", "author", "summary", "description", "content", "text"),
    *("path", "url", "link", "uri", "href"),
)
_TITLES, _TEXTS, _PLACES = range(2), range(10), range(10, 15)
_SENTENCES = re.compile(r".*[.!?][\"')]*(?=\s)", re.DOTALL)
MAX_TEXT = 140  # characters of one value
MIN_SENTENCE = 40  # characters; a text is cut to whole sentences where they are no shorter
MAX_FACTS = 3
MAX_LISTED = 3  # items named in a response
MAX_ENVELOPES = 2  # around the thing that a response is about

Fact = tuple[str, Any]  # the name of a field, and its value


@lru_cache(maxsize=65_536)
def _is_telling(name: str) -> bool:
    return (
        bool(words(name))
        and not is_identifier(name)
        and _UNTELLING.isdisjoint(words(name))
        and not any(character.isdigit() for character in name)
    )


def telling_fields(item: Any) -> list[Fact]:
    """(name, value) of the scalars that a person might ask for: no ids, links or bookkeeping."""
    if not isinstance(item, dict):
        return []
    return [
        (name, value)
        for name, value in item.items()
        if isinstance(value, str | int | float)
        and not isinstance(value, bool)
        and value != ""
        and _is_telling(name)
        and not _is_address(value)
    ]


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and ("://" in value or value.startswith("/"))


@lru_cache(maxsize=65_536)
def _rank(name: str) -> int:
    """How well a field names the item that has it, 0 best; past all of ``_NAMERS`` where it does not."""
    last = words(name)[-1:]
    return _NAMERS.index(last[0]) if last and last[0] in _NAMERS else len(_NAMERS)


def name_of(item: Any) -> str:
    """What to call an item in an answer: its name, its inner thing's name, where it is, else its first fact."""
    if not isinstance(item, dict):
        return short(item) if isinstance(item, str | int | float) else ""
    inner = [value for value in item.values() if isinstance(value, dict)]
    found = (_called(one, ranks) for one, ranks in ((item, _TEXTS), *((i, _TEXTS) for i in inner), (item, _PLACES)))
    if name := next(filter(None, found), ""):
        return short(name)
    fields = telling_fields(item)
    if fields:
        name, value = fields[0]
        return f"{' '.join(measured(name)[0])} {amount(name, value)}"
    return name_of(inner[0]) if inner else short(next(iter(scalars(item)), ""))


def names_in(items: Iterable[Any]) -> list[str]:
    """What to call the first few items of a list."""
    return list(islice(filter(None, map(name_of, items)), MAX_LISTED))


def facts(body: Any) -> str:
    """The first telling facts of a body, a sentence each after its name; empty if it has none."""
    body = unwrapped(body)
    fields = telling_fields(body)
    if not fields:
        values = [short(value) for value in scalars(_telling_members(body))[:MAX_FACTS]]
        return f"{', '.join(values)}." if values else ""
    name = _called(body, _TITLES)
    others = [fact for fact in fields if fact[1] != name][: MAX_FACTS - bool(name)]
    sentences = [short(name)] * bool(name) + [said(*fact) for fact in others]
    return " ".join(map(ended, sentences))


def unwrapped(body: Any) -> Any:
    """What a body is about: where it tells nothing itself, the only thing in it, as in ``{"data": {...}}``."""
    for _ in range(MAX_ENVELOPES):
        members = {"": body} if isinstance(body, list) else body
        if not isinstance(members, dict) or telling_fields(members):
            break
        own = members if members is not body else _own_members(body)
        held = [one for one in own.values() if isinstance(one, dict | list)]
        if len(held) != 1:
            break
        thing = held[0]
        if isinstance(thing, list) and len(thing) == 1:
            thing = thing[0]
        if not isinstance(thing, dict):
            break
        body = thing
    return body


def _own_members(item: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in item.items() if _is_telling(name) and _BESIDE.isdisjoint(words(name))}


def _telling_members(value: Any) -> Any:
    """A value without its members that tell a person nothing."""
    if isinstance(value, dict):
        own = _own_members(value)
        return {name: _telling_members(inner) for name, inner in own.items() if not _is_address(inner)}
    return [_telling_members(item) for item in value] if isinstance(value, list) else value


def ended(text: str) -> str:
    """A text with an end mark; its own where it has one."""
    return text if text.endswith(("…", ".", "!", "?")) else f"{text}."


def said(name: str, value: Any) -> str:
    """A fact by itself: "Weight: 406 grams"."""
    parts, _ = measured(name)
    text = " ".join(parts)
    return f"{text[:1].upper()}{text[1:]}: {amount(name, value)}"


def amount(name: str, value: Any) -> str:
    """A value as text, with the unit that its name gives."""
    _, unit = measured(name)
    return f"{value} {unit}" if unit and isinstance(value, int | float) else short(value)


def short(value: Any) -> str:
    """A value as text; a long one is cut after a sentence, else after a word, with an ellipsis."""
    text = " ".join(str(value).split())
    if len(text) <= MAX_TEXT:
        return text
    cut = text[: MAX_TEXT + 1]
    whole = _SENTENCES.match(cut)
    return whole[0] if whole and len(whole[0]) >= MIN_SENTENCE else f"{cut.rsplit(' ', 1)[0].rstrip(',;:-')}…"


def _called(item: dict[str, Any], ranks: range) -> str:
    """The text of the field that names an item best, of those within some ranks; empty where there is none."""
    named = [(rank, value) for name, value in item.items() if (rank := _rank(name)) in ranks]
    texts = [(rank, value) for rank, value in named if isinstance(value, str) and value]
    return min(texts, key=lambda one: one[0], default=(0, ""))[1]
