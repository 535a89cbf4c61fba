"""Names in API documents as words: splitting, singular and plural, what looks like an identifier."""

import re
import threading
from functools import lru_cache
from typing import Any
from unittest.mock import patch

import typeguard


def _inflect() -> Any:
    """The library without run-time type checks, whose preparation takes each process three seconds at import."""
    with patch.object(typeguard, "typechecked", lambda target: target):
        import inflect
    return inflect


_engine = _inflect().engine()
_spelling = threading.Lock()  # the engine counts in a field of its own while it spells a number
_BOUNDARY = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_SINGULAR = frozenset("news gas alias atlas canvas bias lens".split())

IDENTIFIER_WORDS = frozenset(
    {"id", "ids", "key", "code", "uuid", "guid", "slug", "number", "no", "isbn", "sku", "symbol", "ticker", "handle"}
)
"""Last words of names that identify something: ``movie_id``, ``branchCode``, ``season_number``."""


@lru_cache(maxsize=65536)
def words(name: str) -> tuple[str, ...]:
    """Lower-case words of a name: ``productionCompanies`` and ``production_companies`` give the same."""
    return tuple(word.lower() for word in _BOUNDARY.split(name) if word)


@lru_cache(maxsize=65536)
def singular(word: str) -> str:
    """Singular of an English noun; the word itself where it already is one."""
    # inflect takes any final s for a plural; these are singular far more often (address, bus, basis).
    if len(word) < 4 or word.endswith(("ss", "us", "is")) or word in _SINGULAR:
        return word
    found: str = _engine.singular_noun(word) or word
    return found


@lru_cache(maxsize=65536)
def plural(word: str) -> str:
    """Plural of an English noun."""
    found: str = _engine.plural_noun(word) or word
    return found


@lru_cache(maxsize=4096)
def with_article(phrase: str) -> str:
    """``a branch``, ``an order``."""
    return str(_engine.a(phrase))


@lru_cache(maxsize=1024)
def ordinal(index: int) -> str:
    """Word for a zero-based index: 0 is ``first``."""
    return _spelled(ordinal_numeral(index))


def ordinal_numeral(index: int) -> str:
    """The same in digits: 0 is ``1st``."""
    return str(_engine.ordinal(str(index + 1)))


def spelled(number: int) -> str:
    """A whole number in words: 300 is ``three hundred``."""
    return _spelled(str(number))


def _spelled(numeral: str) -> str:
    with _spelling:
        return str(_engine.number_to_words(numeral))


@lru_cache(maxsize=65536)
def is_identifier(name: str) -> bool:
    """Whether the name's last word says that its value identifies something."""
    parts = words(name)
    return bool(parts) and parts[-1] in IDENTIFIER_WORDS
