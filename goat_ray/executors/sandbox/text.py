"""Plausible text: names, dates, links, codes and sentences, shaped like the examples of the document."""

import re
from collections.abc import Callable, Sequence
from random import Random

from goat_ray.executors.sandbox import vocabulary
from goat_ray.executors.sandbox.keys import is_label
from goat_ray.naming import words

_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(.*)", re.DOTALL)
_CLOCK = re.compile(r"\d\d:\d\d")
_CODED = re.compile(r"(?=.*\d)(?!\d{4}-[\dW]\d)(?![^@]*@)\S{4,}|/?\S{20,}")
_HEX = re.compile(r"(?=.*[a-f])[0-9a-f-]{8,}")
_ENDING = re.compile(r"\.\w{2,4}$")
_SORT_OF_CODE = re.compile(r"[A-Za-z]{1,4}[-_]?(?=\d)")
_SMALL_WORDS = frozenset("a an and at by for from in of on or the to with &".split())
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WORD_LISTS: tuple[tuple[frozenset[str], Sequence[str]], ...] = (
    (frozenset({"currency"}), vocabulary.CURRENCIES),
    (frozenset({"language", "lang", "locale"}), vocabulary.LANGUAGE_CODES),
    (frozenset({"timezone"}), vocabulary.TIMEZONES),
    (frozenset({"color", "colour"}), vocabulary.COLORS),
    (frozenset({"status", "state"}), vocabulary.STATES),
    (frozenset({"street", "address"}), vocabulary.STREETS),
    (vocabulary.PLACES, vocabulary.CITIES),
)


def is_coded(value: object) -> bool:
    """Whether a value is a code, a hash or a path that no two things share, rather than words or a date."""
    return isinstance(value, str) and bool(_CODED.fullmatch(value))


def drawer(name: str, format_: str, pool: list[str], about: str) -> Callable[[Random], str]:
    """How to make texts for an attribute."""
    pool = [text for text in pool if text] or pool
    parts = set(words(name))
    found = _by_form(parts, format_, pool)
    if found is not None:
        return found
    if is_label(name):
        return _naming(name, pool, about)
    if pool and all(map(is_coded, pool)):
        return reshaper(pool)
    if pool and max(map(len, pool)) > 60:
        return _writing(pool)
    if pool:
        return lambda random: random.choice(pool)
    return _by_name(parts, name)


def _by_form(parts: set[str], format_: str, pool: list[str]) -> Callable[[Random], str] | None:
    """Dates, times, addresses of mail and web: by format, by the examples, then by name."""
    dates = [match for match in map(_DATE.fullmatch, pool) if match]
    if pool and len(dates) == len(pool):
        return _dating([int(match[1]) for match in dates], [match[4] for match in dates])
    if pool and all(_CLOCK.fullmatch(text) for text in pool):
        return lambda random: random.choice(pool)
    if format_ == "date-time" or (not pool and parts & {"at", "timestamp", "datetime"}):
        return _dating([2023, 2025], ["T09:30:00Z", "T14:05:00Z", "T18:45:00Z"])
    if format_ == "date" or (not pool and any(part.endswith(("date", "day")) or part == "on" for part in parts)):
        return _dating([2021, 2025], [""])
    if format_ == "email" or "email" in parts:
        hosts = [text.partition("@")[2] for text in pool if "@" in text] or ["mail.example"]
        return lambda random: f"{_person(random).lower().replace(' ', '.')}@{random.choice(hosts)}"
    if format_ == "uuid":
        return reshaper(["0f8fad5b-d9cb-469f-a165-70867728950e"])
    if format_ in ("uri", "url") or (pool and all("://" in text for text in pool)):
        return _linking(pool)
    if not pool and parts & {"url", "uri", "link", "href", "website", "homepage", "image", "photo", "avatar"}:
        return _linking(pool)
    if not pool and "phone" in parts:
        return lambda random: f"01632 960{random.randint(0, 999):03d}"
    return None


def _dating(years: list[int], tails: list[str]) -> Callable[[Random], str]:
    low, high = min(years), max(years)

    def draw(random: Random) -> str:
        day = f"{random.randint(low, high)}-{random.randint(1, 12):02d}-{random.randint(1, 28):02d}"
        return day + random.choice(tails)

    return draw


def _linking(pool: list[str]) -> Callable[[Random], str]:
    if any(any(map(is_coded, text.split("://")[-1].split("/")[1:])) for text in pool):
        return _relinking(pool)
    hosts = sorted({"/".join(text.split("/")[:3]) for text in pool if "://" in text}) or ["https://site.example"]

    def draw(random: Random) -> str:
        return f"{random.choice(hosts)}/{'-'.join(_pair(random)).lower()}"

    return draw


def _relinking(pool: list[str]) -> Callable[[Random], str]:
    """Links that end in codes of their own."""
    ends = [(head, reshaper([tail])) for head, _, tail in (text.rpartition("/") for text in pool)]

    def draw(random: Random) -> str:
        head, tail = random.choice(ends)
        return f"{head}/{tail(random)}"

    return draw


def _naming(name: str, pool: list[str], about: str) -> Callable[[Random], str]:
    """Names of things: parts of two example names put together, else from a stock of words."""
    long = [text for text in pool if " " in text]
    if len(long) >= 3:
        return lambda random: _recombine(random.sample(long, 2))
    meant = {*words(about), *words(name)}
    if len(pool) >= 3 and meant & vocabulary.TOPICS:
        return lambda random: " & ".join(text.split(" & ")[0] for text in random.sample(pool, 2))
    if meant & vocabulary.PEOPLE:
        return _person
    if meant & vocabulary.FIRMS:
        return lambda random: f"{random.choice(vocabulary.NOUNS)} {random.choice(vocabulary.COMPANY_ENDINGS)}"
    if meant & vocabulary.PLACES:
        return lambda random: random.choice(vocabulary.CITIES)
    if meant & {"country"}:
        return lambda random: random.choice(vocabulary.COUNTRY_NAMES)
    lower = bool(pool) and all(text.islower() for text in pool)
    single = bool(pool) and not long

    def draw(random: Random) -> str:
        made = random.choice(vocabulary.NOUNS) if single else " ".join(_pair(random))
        return made.lower() if lower else made

    return draw


def _recombine(pair: list[str]) -> str:
    """The first half of one name and the second half of another."""
    one, two = (text.split() for text in pair)
    start, end = one[: (len(one) + 1) // 2], two[(len(two) + 1) // 2 :]
    while start[-1].lower() in _SMALL_WORDS and len(end) > 1 and end[0].lower() in _SMALL_WORDS:
        end = end[1:]
    return " ".join([*start, *end])


def _writing(pool: list[str]) -> Callable[[Random], str]:
    """Longer texts: sentences of the examples in another order."""
    sentences = [part for text in pool for part in _SENTENCE_END.split(text) if len(part) > 10] or pool
    return lambda random: " ".join(random.sample(sentences, min(2, len(sentences))))


def _by_name(parts: set[str], name: str) -> Callable[[Random], str]:
    if parts >= {"iso", "639"}:
        return lambda random: random.choice(vocabulary.LANGUAGE_CODES)
    if "country" in parts or parts >= {"iso", "3166"}:
        return lambda random: random.choice(vocabulary.COUNTRY_CODES)
    for meant, values in _WORD_LISTS:
        if parts & meant:
            return lambda random, values=values: random.choice(values)  # type: ignore[misc]
    if parts & vocabulary.PEOPLE:
        return _person
    if parts & {"description", "text", "summary", "overview", "content", "comment", "body", "message", "bio", "note"}:
        return lambda random: " ".join(random.sample(vocabulary.SENTENCES, 2))
    if parts & {"postcode", "zip"}:
        return lambda random: str(random.randint(10_000, 99_999))
    last = (words(name) or ("value",))[-1]
    return lambda random: f"{random.choice(vocabulary.ADJECTIVES).lower()} {last}"


def _person(random: Random) -> str:
    return f"{random.choice(vocabulary.FIRST_NAMES)} {random.choice(vocabulary.LAST_NAMES)}"


def _pair(random: Random) -> tuple[str, str]:
    return random.choice(vocabulary.ADJECTIVES), random.choice(vocabulary.NOUNS)


def reshaper(pool: Sequence[str]) -> Callable[[Random], str]:
    """How to make texts like those of the pool.

    What all share stays, other digits and letters change within their sort.
    """
    shared = _shared(pool) if len(pool) > 1 else 0
    letters = sorted({c for text in pool for c in text[shared:] if c.isascii() and c.isalpha()})
    small, capital = ("".join(filter(sort, letters)) for sort in (str.islower, str.isupper))
    models = [_model(text, shared, small, capital) for text in pool]

    def draw(random: Random) -> str:
        roll = random.random
        return "".join([sort[int(roll() * len(sort))] for sort in models[int(roll() * len(models))]])

    return draw


def _model(text: str, shared: int, small: str, capital: str) -> list[str]:
    """The characters that may stand at each place of a text like this one."""
    is_hex = bool(_HEX.fullmatch(text))
    stem, dot, ending = text.rpartition(".") if _ENDING.search(text) else (text, "", "")
    # A short prefix of letters before digits names the sort of code: CUS-7014.
    head = _SORT_OF_CODE.match(stem)
    kept = max(shared, head.end() if head else 0)
    digits = "0123456789abcdef" if is_hex else "0123456789"

    def alike(c: str) -> str:
        if c in digits:
            return digits
        return (small if c.islower() else capital) if c.isascii() and c.isalpha() else c

    return [*stem[:kept], *map(alike, stem[kept:]), *dot, *ending]


def _shared(pool: Sequence[str]) -> int:
    """How many characters all texts start with."""
    least, most = min(pool), max(pool)
    return next((at for at, (a, b) in enumerate(zip(least, most, strict=False)) if a != b), len(least))
