"""English for API functions: what one is about, and how people name the things in its answers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from goat_ray import jsonpath
from goat_ray.naming import IDENTIFIER_WORDS, plural, singular, words
from goat_ray.records import ApiFunction

_VERBS = frozenset(
    "get list search find fetch retrieve show read browse view query return returns discover lookup look up all check"
    " track create add place book open update change set edit delete remove cancel make post put patch register start"
    " submit send save return".split()
)
_EMPTY = frozenset("details detail info information data result results a an the one by id of".split())
_WRAPPERS = frozenset(
    "results result items item data list records entries rows elements values content response payload".split()
)
_PARENT = re.compile(
    r"\s+(?P<preposition>of|for|by|in|at|from|on|to|with)\s+(?:an?|the|one)\s+[\w' -]+$", re.IGNORECASE
)
_GROUPS = {"cast": "cast member", "crew": "crew member", "staff": "staff member", "team": "team member"}
WRITES = frozenset(("POST", "PUT", "PATCH", "DELETE"))


@dataclass(frozen=True)
class Topic:
    """What a function gives: ``reviews`` and ``of``, as in "reviews of a book"."""

    noun: str
    preposition: str


def topic(function: ApiFunction, nouns: dict[str, str]) -> Topic:
    """The noun phrase of a function's answer, without its verb and without what it belongs to."""
    text = function.summary.strip().rstrip(".") or " ".join(words(function.name))
    text = re.split(r"[.;:(]", text)[0].strip()
    preposition = "of"
    found = _PARENT.search(text)
    if found:
        text, preposition = text[: found.start()], found["preposition"].lower()
    tokens = text.split()
    while tokens and tokens[0].lower() in _VERBS | _EMPTY:
        tokens.pop(0)
    while tokens and tokens[-1].lower() in _VERBS | _EMPTY:
        tokens.pop()
    own = resource(function)
    if not tokens:
        return Topic(noun_for(own, nouns), preposition)
    phrase = " ".join(_lower(token) for token in tokens)
    if _is_list(function) and not _ends_in_noun(function, tokens[-1]):
        name = noun_for(own, nouns)
        # "popular" and "tv on the air" need a noun: "popular movies", "TV shows on the air".
        rest = [token for token in tokens if singular(token.lower()) not in {own, *name.lower().split()}]
        several = pluralise(name)
        first = rest[0].lower() if rest else ""
        phrase = (
            f"{several} {' '.join(rest).lower()}"
            if first in ("on", "in", "at")
            else (" ".join([*(_lower(token) for token in rest), several]))
        )
    return Topic(phrase, preposition)


def resource(function: ApiFunction) -> str:
    """The last fixed segment of the path, in the singular, skipping adjectives such as ``popular``."""
    fixed = [segment for segment in function.path.split("/") if segment and not segment.startswith("{")]
    if not fixed:
        parts = [word for word in words(function.name) if word not in _VERBS]
        return singular(parts[-1]) if parts else "result"
    # A plural or a segment before a placeholder names a kind; "popular" and "top_rated" do not.
    for segment in reversed(fixed):
        last = words(segment)[-1] if words(segment) else ""
        if last and (singular(last) != last or f"/{segment}/{{" in function.path or segment == fixed[0]):
            return singular(last)
    return singular(words(fixed[-1])[-1])


def learn_nouns(functions: Iterable[ApiFunction]) -> dict[str, str]:
    """How the documents call one of each kind, from what their searches say they search for."""
    nouns: dict[str, str] = {}
    for function in sorted(functions, key=lambda function: function.id):
        match = re.match(
            r"(?:search|find)\s+(?:for\s+)?(?P<what>[\w -]+?)(?:\s+(?:by|in|for|with)\b.*)?\.?$",
            function.summary.strip(),
            re.IGNORECASE,
        )
        segments = [segment for segment in function.path.split("/") if segment and not segment.startswith("{")]
        kinds = [word for word in words(segments[-1]) if word not in _VERBS] if segments else []
        if match and kinds and len(match["what"].split()) <= 3:
            *before, last = match["what"].split()
            nouns.setdefault(singular(kinds[-1]), " ".join([*map(_lower, before), singular(_lower(last))]))
    return nouns


def noun_for(kind: str, nouns: dict[str, str]) -> str:
    """How to call one thing of a kind."""
    return nouns.get(kind) or _GROUPS.get(kind) or kind


def member_noun(name: str, nouns: dict[str, str]) -> str:
    """How to call one thing held by a member of that name: ``production_companies`` -> production company."""
    parts = [word for word in words(name) if word not in IDENTIFIER_WORDS]
    if not parts:
        return ""
    kind = singular(parts[-1])
    return " ".join([*parts[:-1], noun_for(kind, nouns) if len(parts) == 1 else kind])


def pluralise(phrase: str) -> str:
    """The plural of a noun phrase: its last word's."""
    *before, last = phrase.split()
    return " ".join([*before, plural(last) if singular(last.lower()) == last.lower() else last])


def singularise(phrase: str) -> str:
    """The singular of a noun phrase; with a preposition inside, of the noun before it."""
    tokens = phrase.split()
    stop = next(
        (n for n, token in enumerate(tokens) if n and token in ("on", "in", "at", "of", "for", "by")), len(tokens)
    )
    tokens[stop - 1] = singular(tokens[stop - 1])
    return _GROUPS.get(" ".join(tokens), " ".join(tokens))


def label(name: str) -> str:
    """A parameter or field name as words."""
    return " ".join(words(name))


def is_wrapper(name: str) -> bool:
    """Whether a member only holds the answer (``results``) and names nothing."""
    return set(words(name)) <= _WRAPPERS


def primary_list(function: ApiFunction) -> tuple[jsonpath.Token, ...] | None:
    """Where the list is that a function returns, if a list is what it returns."""
    roots: dict[tuple[jsonpath.Token, ...], int] = {}
    scalars = 0
    for field in function.outputs:
        tokens = jsonpath.parse(field.path)
        if jsonpath.ANY in tokens:
            root = tokens[: tokens.index(jsonpath.ANY)]
            roots[root] = roots.get(root, 0) + 1
        elif not _is_paging(tokens):
            scalars += 1
    if not roots:
        return None
    best = max(roots, key=lambda root: (roots[root], -len(root)))
    return best if roots[best] > scalars or not best else None


def scalars(value: Any) -> list[Any]:
    """All numbers and texts in a JSON value."""
    if isinstance(value, dict):
        return [inner for item in value.values() for inner in scalars(item)]
    if isinstance(value, list):
        return [inner for item in value for inner in scalars(item)]
    return [] if value is None or isinstance(value, bool) else [value]


def _is_paging(tokens: tuple[jsonpath.Token, ...]) -> bool:
    return (
        len(tokens) == 1
        and isinstance(tokens[0], str)
        and bool(
            {"page", "pages", "total", "count", "limit", "offset", "next", "previous", "id"} & set(words(tokens[0]))
        )
    )


def _is_list(function: ApiFunction) -> bool:
    return primary_list(function) is not None


def _ends_in_noun(function: ApiFunction, token: str) -> bool:
    """Whether a topic's last word is a noun: a plural, or a word that the path or a list holder uses."""
    word = token.lower()
    if singular(word) != word or word in _GROUPS:
        return True
    holder = primary_list(function)
    held = {str(token).lower() for token in holder or ()}
    return word in held or singular(word) == resource(function)


def _lower(token: str) -> str:
    """Lower case except for abbreviations: ``TV`` stays."""
    return token if len(token) > 1 and token.isupper() else token.lower()
