"""English for API functions: what one is about, and how people name the things in its answers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import Any

from goat_ray import jsonpath
from goat_ray.naming import IDENTIFIER_WORDS, is_identifier, plural, singular, words
from goat_ray.records import ApiFunction, Parameter
from goat_ray.teacher import verbs

_VERBS = frozenset(
    "get list search find fetch retrieve show read browse view query return returns discover lookup look up all check"
    " track create add place book open update change set edit delete remove cancel make post put patch register start"
    " submit send save".split()
)
_EMPTY = frozenset(
    "details detail info information data result results a an the one by id of specific single given unique or more"
    " many any either existing current".split()
)
_WRAPPERS = frozenset(
    "results result items item data list records entries rows elements values content response payload".split()
)
_FILTER_WORDS = frozenset("with without by filter exclude include only min max from to".split())
_GROUPS = {"cast": "cast member", "crew": "crew member", "staff": "staff member"}
_STANDARDS: dict[tuple[str, ...], str] = {
    ("iso", "3166"): "country",
    ("iso", "639"): "language",
}  # what the codes of a standard name
_KEY = re.compile(r"/([\w-]*[^\W\d_])/\{([^{}]+)\}")
_COMPOUND = re.compile(r"[_/-]|[a-z][A-Z]")  # what tells an API's name from an English word
_PREPOSITIONS = frozenset("of for by in at from on to with about".split())
_ARTICLES = frozenset("a an the one all any".split())
_PARENT = re.compile(
    r"\s+(?P<preposition>(?:of|for)(?=\s+the\b)|(?:of|for|by|in|at|from|on|to|with|into|onto)(?=\s+(?:an?|one)\b))"
    r"\s+[\w' -]+$",
    re.IGNORECASE,
)
_SEARCH = re.compile(
    r"(?:search|find)\s+(?:for\s+)?(?P<what>[\w -]+?)(?:\s+(?:by|in|for|with)\b.*)?\.?$", re.IGNORECASE
)
_ADVERBS = frozenset("today now tonight".split())
_IRREGULAR = frozenset("known born built made sold paid sent written begun held won lent shown".split())
# What a key's name says besides its kind where it says no kind: a postal code is no postal.
_OF_KEYS = frozenset("zip area phone house security post tax bar pin unique".split())
_PLACES = frozenset("city country region place location area district town".split())
_PAGING = frozenset("page pages total count limit offset next previous cursor".split())
SEARCH_WORDS = frozenset("query q search term text keyword keywords name title".split())
NAMES = 65_536  # of members that a phrasebook remembers


@dataclass(frozen=True)
class Topic:
    """What a function gives: ``reviews`` and ``of``, as in "reviews of a book"."""

    noun: str
    preposition: str
    tail: str = ""  # of the noun, such as "on the air"
    open: bool = False  # the noun is an adjective, such as "trending", and an argument says of what


class Phrasebook:
    """How one corpus talks. What it learns of a function or a name it remembers."""

    def __init__(self, functions: Iterable[ApiFunction]) -> None:
        functions = sorted(functions, key=lambda function: function.id)
        self._nouns = _learn_nouns(functions)
        self._keys = _learn_keys(functions)
        self._topics: dict[str, Topic] = {}
        self._resources: dict[str, str] = {}
        self._technical: dict[str, tuple[str, ...]] = {}
        self._vocabulary: dict[str, frozenset[str]] = {}
        self._tasks: dict[str, str] = {}
        self._lists: dict[str, tuple[jsonpath.Token, ...] | None] = {}
        self.member = lru_cache(maxsize=NAMES)(self._find_member)
        """How to call one thing held by a member of that name: ``production_companies`` -> production company."""

    def topic(self, function: ApiFunction) -> Topic:
        """The noun phrase of a function's answer, without its verb and without what it belongs to."""
        if function.id not in self._topics:
            self._topics[function.id] = self._find_topic(function)
        return self._topics[function.id]

    def task(self, function: ApiFunction) -> str:
        """What one asks a function to do: "create an order"."""
        if function.id not in self._tasks:
            self._tasks[function.id] = verbs.task(function)
        return self._tasks[function.id]

    def outcome(self, function: ApiFunction) -> str:
        """What a call that writes makes of a thing: "new" or "updated"; empty where its document tells of neither."""
        return verbs.outcome(self.task(function)) if function.method in verbs.WRITES else ""

    def primary_list(self, function: ApiFunction) -> tuple[jsonpath.Token, ...] | None:
        """Where the list is that a function returns, if a list is what it returns."""
        if function.id not in self._lists:
            self._lists[function.id] = _find_list(function)
        return self._lists[function.id]

    def items(self, function: ApiFunction, body: Any) -> list[Any]:
        """The items of the list that a function returned; none where it returns no list."""
        root = self.primary_list(function)
        if root is None:
            return []
        for token in root:
            body = body.get(token) if isinstance(body, dict) else None
        return body if isinstance(body, list) else []

    def technical_names(self, function: ApiFunction) -> tuple[str, ...]:
        """In lower case, the names of a function, its path and its parameters that no English text has by chance."""
        if function.id not in self._technical:
            names = (function.name, function.path, *(parameter.name for parameter in function.parameters))
            self._technical[function.id] = tuple(name.lower() for name in names if _COMPOUND.search(name))
        return self._technical[function.id]

    def vocabulary(self, function: ApiFunction) -> frozenset[str]:
        """The words of a function's document, each in the singular: of its names, its texts and its output fields."""
        if function.id not in self._vocabulary:
            texts = (function.name, function.path, function.summary, function.description)
            fields = (field.path for field in function.outputs)
            self._vocabulary[function.id] = frozenset(
                singular(word) for text in (*texts, *fields) for word in words(text)
            )
        return self._vocabulary[function.id]

    def noun(self, kind: str) -> str:
        """How to call one thing of a kind: "TV show" for ``tv`` where the documents say so."""
        return self._nouns.get(kind) or _GROUPS.get(kind) or kind

    def is_kind(self, name: str) -> bool:
        """Whether the documents have things of that kind."""
        return name in self._nouns

    def _find_member(self, name: str) -> str:
        if standard := _STANDARDS.get(words(name)[:2]):
            return standard
        if kind := self._keys.get(name):
            return self.noun(kind)
        parts = [word for word in words(name) if word not in IDENTIFIER_WORDS | _FILTER_WORDS]
        if not parts:
            return ""
        kind = singular(parts[-1])
        if is_identifier(name) and (parts[-1] in _OF_KEYS or parts[-1].endswith(("al", "ing"))):
            return " ".join([*parts, "ID" if words(name)[-1] == "id" else words(name)[-1]])
        if is_identifier(name) and kind in _GROUPS:
            return " ".join(parts)  # the ID of a team is no member's
        return " ".join([*parts[:-1], self.noun(kind) if len(parts) == 1 else kind])

    def resource_noun(self, function: ApiFunction) -> str:
        """How to call one thing of the kind that a path is about."""
        if function.id not in self._resources:
            self._resources[function.id] = self.noun(resource(function))
        return self._resources[function.id]

    def _find_topic(self, function: ApiFunction) -> Topic:
        preposition, tokens = _about_what(verbs.headline(function))
        is_list = self.primary_list(function) is not None
        name = self.resource_noun(function)
        if not tokens:
            return Topic(pluralise(name) if is_list else name, preposition)
        if is_list and len(tokens) > 1 and is_participle(tokens[-1]) and singular(tokens[-2]) != tokens[-2]:
            return Topic(" ".join(map(_lower, tokens[:-1])), preposition, f" {tokens[-1].lower()}")  # items pinned
        if _is_noun(tokens[-1], self.primary_list(function)) or not (is_list or _is_adjective(tokens[-1])):
            return Topic(" ".join(map(_lower, tokens)), preposition)
        # "popular" and "TV on the air" lack their noun: "popular movies", "TV shows on the air".
        noun = pluralise(name) if is_list else name
        own = {resource(function), *name.lower().split()}
        rest = [_lower(token) for token in tokens if singular(token.lower()) not in own]
        if is_list and not rest and tokens[-1].lower().endswith("ing"):
            return Topic(tokens[-1].lower(), preposition, open=True)
        if rest and (rest[0] in _PREPOSITIONS or rest[-1] in _ADVERBS):
            return Topic(noun, preposition, f" {' '.join(rest)}")
        return Topic(" ".join([*rest, noun]), preposition)


def resource(function: ApiFunction) -> str:
    """The kind that a path is about, in the singular: of ``/movie/popular``, ``/discover/movie``: movie."""
    fixed = [segment for segment in function.path.split("/") if segment and not segment.startswith("{")]
    lasts = [parts[-1] for segment in fixed if (parts := words(segment)) and parts[-1] not in _VERBS]
    if not lasts:
        named = [word for word in words(function.name) if word not in _VERBS]
        return singular(named[-1]) if named else "result"
    for last in reversed(lasts):
        if singular(last) != last:
            return singular(last)
    before_placeholder = [words(s)[-1] for s in fixed if f"/{s}/{{" in function.path and words(s)]
    return singular(before_placeholder[-1] if before_placeholder else lasts[0])


def pluralise(phrase: str) -> str:
    """The plural of a noun phrase: its last word's."""
    *before, last = phrase.split()
    return " ".join([*before, plural(last) if singular(last.lower()) == last.lower() else last])


def of_group(name: str) -> bool:
    """Whether a member's name is a collective of people: cast, crew, staff."""
    return name in _GROUPS


def is_participle(word: str) -> bool:
    """Whether a word may be one: published, born."""
    return word.endswith("ed") or word in _IRREGULAR


def ends_open(name: str) -> bool:
    """Whether a member's name waits for what it belongs to: ``known_for``, ``created_by``."""
    return bool(words(name)) and words(name)[-1] in _PREPOSITIONS


def singularise(phrase: str) -> str:
    """The singular of a noun phrase; with a preposition inside, of the noun before it."""
    tokens = phrase.split()
    inner = [number for number, token in enumerate(tokens) if number and token in _PREPOSITIONS]
    head = (inner[0] if inner else len(tokens)) - 1
    tokens[head] = singular(tokens[head])
    return _GROUPS.get(" ".join(tokens), " ".join(tokens))


def label(name: str) -> str:
    """A parameter or field name as words, without leading filter words: ``with_release_type``: release type."""
    if standard := _STANDARDS.get(words(name)[:2]):
        return standard
    parts = list(words(name))
    while len(parts) > 1 and parts[0] in ("with", "filter", "by"):
        parts.pop(0)
    return " ".join(parts)


def joiner(parameter: str) -> str:
    """The preposition that a filter's name asks for."""
    parts = words(parameter)
    if parts[:1] in (("without",), ("exclude",), ("not",)):
        return "without"
    if parts[:1] == ("with",):
        return "with"
    return "in" if _PLACES & set(parts[-2:]) else "for"


def is_search_text(parameter: Parameter) -> bool:
    """Whether the parameter takes free text to search by."""
    return (
        parameter.type == "string"
        and parameter.location == "query"
        and not parameter.enum
        and bool(SEARCH_WORDS & set(words(parameter.name)[-1:]))
    )


def is_wrapper(name: str) -> bool:
    """Whether a member only holds the answer (``results``) and names nothing."""
    return set(words(name)) <= _WRAPPERS


def scalars(value: Any) -> list[Any]:
    """All numbers and texts in a JSON value."""
    if isinstance(value, dict):
        return [inner for item in value.values() for inner in scalars(item)]
    if isinstance(value, list):
        return [inner for item in value for inner in scalars(item)]
    return [] if value is None or isinstance(value, bool) else [value]


def _about_what(text: str) -> tuple[str, list[str]]:
    """(preposition before what it belongs to, words of the noun phrase) of what a function is said to do."""
    text = re.split(r"[.;:(]|\s(?:by\s)?using\b", _plain(text))[0].strip()
    preposition = "of"
    if found := _PARENT.search(text):
        text, preposition = text[: found.start()], found["preposition"].lower()
    tokens, certain = text.split(), 0
    leading = _EMPTY | _PREPOSITIONS | {"list"}
    if owned := _owned(tokens):
        tokens = owned
    else:
        leading = leading | _VERBS | verbs.THIRD_PERSON.keys()
    if len(tokens) > 1 and tokens[1].lower() in _ARTICLES:
        tokens.pop(0)  # a verb, whatever it is
    while tokens and tokens[0].lower() in leading:
        word = tokens.pop(0).lower()
        if word in ("a", "an", "the") and tokens[:1] and tokens[0].lower() not in _EMPTY | {"list"}:
            certain = 1  # a noun, even where it might be a verb: "Opens a view"
            break
    trailing = _VERBS | _EMPTY | _PREPOSITIONS
    while len(tokens) > certain and tokens[-1].lower() in trailing and tokens[-2:-1] != ["other"]:
        tokens.pop()
    return preposition, tokens


def _owned(tokens: list[str]) -> list[str]:
    """What follows an owner: "Get a member's loans" gives loans; whose they are is told from the arguments."""
    before = takewhile(lambda pair: pair[1].lower() not in _PREPOSITIONS, enumerate(tokens))
    return next((tokens[number + 1 :] for number, token in before if token.endswith(("'s", "s'"))), [])


def _find_list(function: ApiFunction) -> tuple[jsonpath.Token, ...] | None:
    roots: dict[tuple[jsonpath.Token, ...], int] = {}
    facts = 0  # scalars beside the lists that are no paging: what a detail has
    for field in function.outputs:
        tokens = jsonpath.parse(field.path)
        if jsonpath.ANY in tokens:
            root = tokens[: tokens.index(jsonpath.ANY)]
            roots[root] = roots.get(root, 0) + 1
        elif not (len(tokens) == 1 and {"id", *_PAGING} & set(words(str(tokens[0])))):
            facts += 1
    if not roots or (facts and function.path.endswith("}")):
        return None
    best = max(roots, key=lambda root: (roots[root], -len(root)))
    return best if roots[best] > facts or not best else None


def _learn_nouns(functions: Iterable[ApiFunction]) -> dict[str, str]:
    """How the documents call one of each kind, from what their searches say they search for."""
    nouns: dict[str, str] = {}
    for function in functions:
        match = _SEARCH.match(_plain(function.summary))
        if match and function.path and len(match["what"].split()) <= 3:
            *before, last = match["what"].split()
            nouns.setdefault(resource(function), " ".join([*map(_lower, before), singular(_lower(last))]))
    return nouns


def _learn_keys(functions: Iterable[ApiFunction]) -> dict[str, str]:
    """The kind that a key identifies, from paths: in ``/members/{card_number}`` a card number is a member's."""
    kinds: dict[str, set[str]] = {}
    for function in functions:
        for before, key in _KEY.findall(function.path):
            parts = words(before)
            if parts and is_identifier(key) and not IDENTIFIER_WORDS.issuperset(words(key)) and parts[-1] not in _VERBS:
                kinds.setdefault(key, set()).add(singular(parts[-1]))
    # Keys that name the kind themselves say it better: of a purchase_order_id, "purchase order".
    return {key: kind for key, (kind, *others) in kinds.items() if not others and kind not in words(key)}


def _is_noun(token: str, holder: tuple[jsonpath.Token, ...] | None) -> bool:
    """Whether a topic's last word is a noun as far as one can tell: a plural, or what holds the list."""
    word = token.lower()
    return singular(word) != word or word in _GROUPS or word in {str(token).lower() for token in holder or ()}


def _is_adjective(token: str) -> bool:
    return token.lower().endswith(("est", "ing", "ed", "ular", "ent")) or token.lower() in (
        "top",
        "new",
        "today",
        "now",
    )


def _plain(text: str) -> str:
    """A text in one line with single blanks: long runs of them cost a pattern's time cubed."""
    return " ".join(text.split())


def _lower(token: str) -> str:
    """Lower case except for abbreviations: ``TV`` stays."""
    return token if len(token) > 1 and token.isupper() else token.lower()
