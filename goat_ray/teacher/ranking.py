"""How one says which item of a list is meant: by place, by a number or a date, or each of the first few."""

from goat_ray.naming import ordinal, words
from goat_ray.teacher.phrases import label, pluralise
from goat_ray.teacher.story import EACH

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_RATINGS = frozenset("rating ratings average score stars".split())
_DATES = {"latest": "most recent", "earliest": "earliest"}
_POPULAR = {"highest": "most popular", "lowest": "least popular"}


def ranked(noun: str, tail: str, index: int, chosen: str) -> str:
    """The noun phrase of an item; ``chosen`` as in ``Argument``, but "each 3" says how many.

    >>> ranked("movie", " by Ada Lind", 0, "highest vote_average")
    'the highest rated movie by Ada Lind'
    """
    how, _, name = chosen.partition(" ")
    if not how:
        return f"the {ordinal(index)} {noun}{tail}"
    if how == EACH:
        count = int(name)
        return f"each of the first {_NUMBERS[count] if count < len(_NUMBERS) else count} {pluralise(noun)}{tail}"
    last = words(name)[-1:]
    if how in _DATES:
        return f"the {_DATES[how]} {noun}{tail}"
    if last and last[0] in _RATINGS:
        return f"the {how} rated {noun}{tail}"
    if last == ("popularity",):
        return f"the {_POPULAR[how]} {noun}{tail}"
    return f"the {noun} with the {how} {label(name)}{tail}"
