"""Codes, hashes and paths that no two things share: what they look like, and how to make more of them."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from random import Random

_CODED = re.compile(r"(?=.*\d)(?!\d{4}-[\dW]\d)(?![^@]*@)\S{4,}|/?\S{20,}")
_HEX = re.compile(r"(?=.*[a-f])[0-9a-f-]{8,}")
_ENDING = re.compile(r"\.\w{2,4}$")
_SORT_OF_CODE = re.compile(r"[A-Za-z]{1,4}[-_]?(?=\d)")


def is_coded(value: object) -> bool:
    """Whether a value is a code, a hash or a path that no two things share, rather than words or a date."""
    return isinstance(value, str) and bool(_CODED.fullmatch(value))


def reshaper(pool: Sequence[str]) -> Callable[[Random], str]:
    """How to make texts like those of the pool.

    What all share stays, other digits and letters change within their sort.
    """
    shared = _shared(pool) if len(pool) > 1 else 0
    letters = sorted({c for text in pool for c in text[shared:] if c.isascii() and c.isalpha()})
    small, capital = ("".join(filter(sort, letters)) for sort in (str.islower, str.isupper))
    model = cache(lambda text: _model(text, shared, small, capital))  # of a long pool few are ever drawn

    def draw(random: Random) -> str:
        roll = random.random
        return "".join([sort[int(roll() * len(sort))] for sort in model(pool[int(roll() * len(pool))])])

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
