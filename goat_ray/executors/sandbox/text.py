"""Plausible text: names, dates, links, codes and sentences, shaped like the examples of the document."""

import re
from collections.abc import Callable, Sequence
from random import Random

from goat_ray.executors.sandbox import vocabulary
from goat_ray.executors.sandbox.codes import is_coded, reshaper
from goat_ray.executors.sandbox.keys import is_label
from goat_ray.executors.sandbox.names import naming, person, title
from goat_ray.naming import words

_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(.*)", re.DOTALL)
_CLOCK = re.compile(r"\d\d:\d\d")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WORD_LISTS: tuple[tuple[frozenset[str], Sequence[str]], ...] = (
    (frozenset({"currency"}), vocabulary.CURRENCIES),
    (frozenset({"language", "lang", "locale"}), vocabulary.LANGUAGE_CODES),
    (frozenset({"timezone"}), vocabulary.TIMEZONES),
    (frozenset({"color", "colour"}), vocabulary.COLORS),
    (frozenset({"status", "state"}), vocabulary.STATES),
    *((frozenset({word}), values) for word, values in vocabulary.CHOICES.items()),
    (frozenset({"street", "address"}), vocabulary.STREETS),
    (vocabulary.PLACES, vocabulary.CITIES),
)
# What values look like whose names say that they are codes or numbers; each digit and letter varies.
_SHAPES: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"postcode", "zip"}), "48213"),
    (frozenset({"count", "quantity", "size", "day", "days", "rank", "position"}), "27"),
    (frozenset({"number", "no"}), "48213907"),
    (frozenset({"code", "mcc", "abbreviation"}), "K4821"),
    (frozenset({"reference", "ref", "sku", "serial", "tracking"}), "R-48213907"),
    (
        frozenset({"key", "token", "hash", "secret", "signature", "etag", "checksum", "data", "payload"}),
        "9f2c41d7a0b35e86",
    ),
    (frozenset({"id", "identifier"}), "A48213907"),
    (frozenset({"version"}), "2.14"),
    (frozenset({"ts"}), "1712345678.48213"),
)


def drawer(name: str, format_: str, pool: list[str], about: str) -> Callable[[Random], str]:
    """How to make texts for an attribute."""
    pool = [text for text in pool if text] or pool
    parts = set(words(name))
    found = _by_form(parts, format_, pool)
    if found is not None:
        return found
    if is_label(name):
        return naming(name, pool, about)
    if pool and all(map(is_coded, pool)):
        return reshaper(pool)
    if pool and max(map(len, pool)) > 60:
        return _writing(pool)
    if pool:
        return lambda random: random.choice(pool)
    return _by_name(words(name))


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
        return _dating([1950, 2004] if parts & {"birth", "birthday", "born"} else [2021, 2025], [""])
    if format_ == "email" or "email" in parts:
        hosts = [text.partition("@")[2] for text in pool if "@" in text] or ["mail.example"]
        return lambda random: f"{person(random).lower().replace(' ', '.')}@{random.choice(hosts)}"
    if format_ == "uuid":
        return reshaper(["0f8fad5b-d9cb-469f-a165-70867728950e"])
    if format_ in ("uri", "url") or (pool and all("://" in text for text in pool)):
        return _linking(pool)
    if not pool and parts & {"url", "uri", "link", "href", "website", "homepage", "image", "photo", "avatar"}:
        return _linking(pool)
    if not pool and parts & {"phone", "telephone", "mobile", "fax"}:
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
        return f"{random.choice(hosts)}/{title(random).lower().replace(' ', '-')}"

    return draw


def _relinking(pool: list[str]) -> Callable[[Random], str]:
    """Links that end in codes of their own."""
    ends = [(head, reshaper([tail])) for head, _, tail in (text.rpartition("/") for text in pool)]

    def draw(random: Random) -> str:
        head, tail = random.choice(ends)
        return f"{head}/{tail(random)}"

    return draw


def _writing(pool: list[str]) -> Callable[[Random], str]:
    """Longer texts: sentences of the examples in another order."""
    sentences = [part for text in pool for part in _SENTENCE_END.split(text) if len(part) > 10] or pool
    return lambda random: " ".join(random.sample(sentences, min(2, len(sentences))))


def _by_name(parts: tuple[str, ...]) -> Callable[[Random], str]:
    """Texts of which the documents show none, by what the last words of the name ask for."""
    meant = set(parts)
    if meant >= {"iso", "639"}:
        return lambda random: random.choice(vocabulary.LANGUAGE_CODES)
    if "country" in meant or meant >= {"iso", "3166"}:
        return lambda random: random.choice(vocabulary.COUNTRY_CODES)
    for words_, values in _WORD_LISTS:
        if meant & words_:
            return lambda random, values=values: random.choice(values)  # type: ignore[misc]
    if {*parts[-1:]} & vocabulary.PEOPLE:
        return person
    if meant & {"description", "text", "summary", "overview", "content", "comment", "body", "message", "bio", "note"}:
        return lambda random: " ".join(random.sample(vocabulary.SENTENCES, 2))
    last = parts[-1] if parts else "value"
    if last in ("amount", "price", "total", "cost", "fee", "balance"):
        return lambda random: f"{random.uniform(5, 500):.2f}"
    found = next((shape for names, shape in _SHAPES if last in names), None)
    if found is not None:
        return reshaper([found])
    return lambda random: f"{random.choice(vocabulary.ADJECTIVES)} {random.choice(vocabulary.NOUNS)}".lower()
