"""A user's wishes in English: "from 2021", "starting on 2026-05-03", "with a rating of at least 4".

A parameter's name is all there is to go by, and names of parameters are half English already: what they begin and
end with says how the value belongs to the thing that is wished for.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from goat_ray.naming import IDENTIFIER_WORDS, singular, with_article, words
from goat_ray.records import Parameter
from goat_ray.teacher.phrases import is_participle, label
from goat_ray.teacher.quantities import measured

LONG_TEXT = 2  # words; longer texts are quoted

_BOUNDS = {
    **dict.fromkeys(("min", "minimum", "gte", "gt", "least"), "at least"),
    **dict.fromkeys(("max", "maximum", "lte", "lt", "most"), "at most"),
}
_FROM = frozenset(("from", "since", "after"))
_UNTIL = frozenset(("until", "till", "before"))
_AT = frozenset(("on", "at"))
_LEADING = frozenset(("near", "in", "at", "from", "to", "by", "without", "before", "after", "on", "within", "around"))
_STATES = frozenset("due not valid open available active effective".split())  # before a preposition; no nouns
_DATES = frozenset("date time datetime day start end".split())
PERIODS = {"day": "today", "week": "this week", "month": "this month", "year": "this year"}
_BARE = {"currency": "in", "format": "in", "year": "from", "city": "in", "country": "in", "region": "in"}
_ABBREVIATIONS = frozenset("id isbn sku uuid guid vat iban ip url".split())

Wish = tuple[str, str]  # the words before it ("with", "from"), and the wish


def wish(parameter: Parameter, value: Any) -> Wish:
    """How a value narrows what is asked for."""
    if not words(parameter.name):  # of other letters than Latin
        return "with", _text(value)
    if isinstance(value, bool):
        return _switch(parameter.name, value)
    text = _text(value)
    if parameter.enum and text in PERIODS:
        return "", PERIODS[text]
    before, form = _form(parameter.name, isinstance(value, int | float))
    if parameter.location == "body" and before.startswith("due "):  # what becomes of a thing, not which one it is
        before = f"to be {before}"
    return before, form.replace("{}", text)


def wishes(given: Iterable[tuple[Parameter, Any]]) -> list[Wish]:
    """How several values narrow what is asked for; an amount and its currency are one wish."""
    values = {parameter.name: (parameter, value) for parameter, value in given}
    found = []
    for name, (parameter, value) in values.items():
        of, _, last = name.rpartition(".")
        currency = values.get(f"{of}.currency")
        if of and last in ("value", "amount") and currency is not None:
            found.append(("with", f"{with_article(label(of))} of {value} {currency[1]}"))
        elif not (of and last == "currency" and {f"{of}.value", f"{of}.amount"} & values.keys()):
            found.append(wish(parameter, value))
    return found


def joined(wishes: Iterable[Wish]) -> str:
    """Wishes one after the other, those with the same words before them told together."""
    together: dict[str, list[str]] = {}
    for before, text in wishes:
        together.setdefault(before, []).append(text)
    return "".join(f" {f'{before} ' if before else ''}{' and '.join(texts)}" for before, texts in together.items())


@lru_cache(maxsize=4096)
def _form(name: str, numeric: bool) -> tuple[str, str]:
    """(words before, form with ``{}`` for the value) of a parameter."""
    parts, unit = measured(_innermost(name))
    value = f"{{}} {unit}" if unit else "{}"
    bound = next((word for word in (parts[0], parts[-1]) if word in _BOUNDS), None) if len(parts) > 1 else None
    if bound is not None:
        noun = " ".join(part for part in parts if part != bound)
        return "with", f"{with_article(noun)} of {_BOUNDS[bound]} {value}"
    if len(parts) > 1 and parts[-1] in _FROM | _UNTIL | _AT and (form := _dated(parts, numeric)):
        return form
    if len(parts) > 1 and parts[0] in _LEADING:
        return parts[0], _named(parts[1:], value)
    if len(parts) == 1 and parts[0] in _BARE:
        return _BARE[parts[0]], value
    if parts[0] in ("with", "filter") and len(parts) > 1:
        parts = parts[1:]
    return "with", _named(parts, value)


def _innermost(name: str) -> str:
    """The end of a nested name that says what it is: of ``shopper.bank.accountName`` accountName."""
    *outer, last = name.split(".")
    if not outer or len(words(last)) > 1:
        return last
    return f"{outer[-1]}_{last}" if last not in words(outer[-1]) else outer[-1]


def _dated(parts: tuple[str, ...], numeric: bool) -> tuple[str, str] | None:
    """Names that end with a preposition: ``starts_on``, ``date_from``, ``published_after``."""
    *before, last = parts
    if is_participle(before[-1]) or before[-1] in _STATES:
        return " ".join(parts), "{}"
    if last in _AT:
        if singular(before[-1]) == before[-1]:
            return None
        return "", " ".join([*before[:-1], _doing(before[-1]), last, "{}"])
    preposition = "from" if last in _FROM else "until"
    if _DATES.issuperset(before):
        return preposition, "{}"
    return "with", f"{with_article(' '.join(before))} {preposition} {{}}"


def _doing(verb: str) -> str:
    """``starts`` -> starting."""
    stem = verb.removesuffix("s").removesuffix("e")
    return f"{stem}ning" if stem == "begin" else f"{stem}ing"


def _named(parts: tuple[str, ...], value: str) -> str:
    kept = [part for part in parts if part not in IDENTIFIER_WORDS]
    if not kept:
        kept = [part.upper() if part in _ABBREVIATIONS else part for part in parts]
    elif len(kept) == len(parts):
        kept = [label("_".join(parts))] if parts[-1] in _ABBREVIATIONS else [*parts[:-1], singular(parts[-1])]
    return f"{' '.join(kept)} {value}"


def _switch(name: str, value: bool) -> Wish:
    parts = words(_innermost(name))
    if parts[0] in ("include", "with") and len(parts) > 1:
        return "with" if value else "without", " ".join(parts[1:])
    if parts[0] == "has" and len(parts) > 1:
        return "with" if value else "without", " ".join(parts[1:])
    asked = parts[0] == "is" and len(parts) > 1
    if (asked or parts[0] == "only") and len(parts) > 1:
        parts = parts[1:]
    if parts[0] in _LEADING or is_participle(parts[-1]):
        return ("", " ".join(parts)) if value else ("not", " ".join(parts))
    if asked:
        return f"that should {'be' if value else 'not be'}", " ".join(parts)
    return "with" if value else "without", " ".join(parts)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return " and ".join(f"{label(name)} {_text(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    text = str(value)
    return f'"{text}"' if len(text.split()) > LONG_TEXT and '"' not in text else text
