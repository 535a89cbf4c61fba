"""How one says which item of a list is meant: by place, by a number or a date, or each of the first few."""

import re
from functools import cache

from goat_ray.naming import ordinal, ordinal_numeral, plural, singular, words
from goat_ray.teacher.phrases import label, pluralise
from goat_ray.teacher.quantities import measured
from goat_ray.teacher.story import EACH

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_RATINGS = frozenset("rating ratings average score stars".split())
_DATES = {"latest": "most recent", "earliest": "earliest"}
_COUNTS = {"highest": "most", "lowest": "fewest"}
_EXTREME = re.compile(r"\b(?:\w{2,}est|most|least|top|best|worst|last|first|maximum|minimum|max|min)\b", re.I)
_NO_EXTREME = frozenset("request interest guest test contest forest west suggest quest rest harvest digest".split())
_SEVERAL = "|".join((*_NUMBERS[2:], *map(str, range(2, len(_NUMBERS)))))
_EVERY = re.compile(
    rf"\b(?:each|every|all|both|any|first|top|respective(?:ly)?|them|their|these|those|{_SEVERAL})\b", re.I
)
PLACED = ("item", "result", "entry")  # a number after these says a place
_POPULAR = {"highest": "most popular", "lowest": "least popular"}


def ranked(noun: str, index: int, chosen: str) -> str:
    """How one item of a list is called; ``chosen`` as in ``Argument``, but "each 3" says how many.

    >>> ranked("movie", 0, "highest vote_average")
    'the highest rated movie'
    """
    how, _, name = chosen.partition(" ")
    if not how:
        return _placed(noun, index)
    if how == EACH:
        count = int(name)
        return f"each of the first {_NUMBERS[count] if count < len(_NUMBERS) else count} {pluralise(noun)}"
    last = words(name)[-1:]
    if how in _DATES:
        return _most(_DATES[how], noun)
    if last and last[0] in _RATINGS:
        return _most(f"{how} rated", noun)
    if last == ("popularity",):
        return _most(_POPULAR[how], noun)
    if last == ("count",):
        return f"the {noun} with the {_COUNTS[how]} {plural(singular(label(name).removesuffix(' count')))}"
    return f"the {noun} with the {how} {' '.join(measured(name)[0])}"


def names_choice(text: str, index: int, chosen: str) -> bool:
    """Whether a text has any word that could say which item is meant; ``chosen`` as in ``Argument``.

    The first item needs none. That the words mean this item, of this list, is for a reader to judge.
    """
    if chosen == EACH:
        return _EVERY.search(text) is not None
    if chosen:
        return any(found.lower() not in _NO_EXTREME for found in _EXTREME.findall(text))
    return index == 0 or _places(index).search(text) is not None


@cache
def _places(index: int) -> re.Pattern[str]:
    """The ways to say a place; a list's last item may be any."""
    place, ways = index + 1, (ordinal(index), ordinal_numeral(index), "last")
    return re.compile(rf"\b(?:{'|'.join(ways)}|(?:number|no\.?|{'|'.join(PLACED)}) {place})\b|#{place}\b", re.I)


def _placed(noun: str, index: int) -> str:
    """By place; the first of what is sorted by something has the most of it."""
    adjective, _, rest = noun.partition(" ")
    if index == 0 and adjective == "popular" and rest:
        return f"the most popular {rest}"
    return f"the {noun}" if index == 0 and adjective == "top" and rest else f"the {ordinal(index)} {noun}"


def _most(superlative: str, noun: str) -> str:
    """The item that has most of something, among items that may be chosen by the same thing already."""
    adjective, _, rest = noun.partition(" ")
    if rest and superlative == f"most {adjective}":
        return f"the {superlative} {rest}"
    if rest and (adjective in superlative.split() or (adjective == "top" and superlative.endswith("rated"))):
        return f"the {superlative} of the {pluralise(noun)}"
    return f"the {superlative} {noun}"
