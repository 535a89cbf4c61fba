"""What a person would want to hear of a response: its telling fields, and a name for each item."""

from typing import Any

from goat_ray.naming import is_identifier, words
from goat_ray.teacher.phrases import label, scalars

_UNTELLING = frozenset(
    "id ids url uri link href path image photo logo icon avatar hash token etag uuid guid page total self version"
    " latitude longitude lat lng lon timezone locale language adult video order popularity key width height"
    " ratio".split()
)
_NAMES = ("name", "title", "label", "headline", "subject", "author", "summary", "description", "content", "text")
_PLACES = ("path", "url", "link", "uri", "href")
MAX_TEXT = 100  # characters of one value
MAX_FACTS = 3


def telling_fields(item: Any) -> list[tuple[str, Any]]:
    """(name, value) of the scalars that a person might ask for: no ids, links or bookkeeping."""
    if not isinstance(item, dict):
        return []
    return [
        (name, value)
        for name, value in item.items()
        if isinstance(value, str | int | float)
        and not isinstance(value, bool)
        and value != ""
        and not is_identifier(name)
        and not (set(words(name)) & _UNTELLING)
        and not any(character.isdigit() for character in name)
        and "://" not in str(value)
    ]


def name_of(item: Any) -> str:
    """What to call an item in an answer: its name, else where it is, else its first facts."""
    if not isinstance(item, dict):
        return short(item) if isinstance(item, str | int | float) else ""
    for wanted in (*_NAMES, *_PLACES):
        for name, value in item.items():
            if words(name)[-1:] == (wanted,) and isinstance(value, str) and value:
                return short(value)
    fields = telling_fields(item)
    if fields:
        return f"{label(fields[0][0])} {short(fields[0][1])}"
    inner = next((value for value in item.values() if isinstance(value, dict)), None)
    return name_of(inner) if inner else short(next(iter(scalars(item)), ""))


def facts(body: Any) -> str:
    """The first telling facts of a body as a sentence; empty if it has none."""
    fields = telling_fields(body)
    if fields:
        return "; ".join(f"{label(name)} {short(value)}" for name, value in fields[:MAX_FACTS]).rstrip(".") + "."
    values = [short(value) for value in scalars(body)[:MAX_FACTS]]
    return f"{', '.join(values)}." if values else ""


def short(value: Any) -> str:
    """A value as text, cut at a word's end."""
    text = " ".join(str(value).split())
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT].rsplit(" ", 1)[0]
