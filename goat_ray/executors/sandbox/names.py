"""Names of things: put together from those that a document shows, else from a stock of words."""

from collections.abc import Callable, Sequence
from random import Random

from goat_ray.executors.sandbox import vocabulary
from goat_ray.naming import words

_SMALL_WORDS = frozenset("a an and at by for from in of on or the to with &".split())
_ATTEMPTS = 8  # at a combination that repeats no word
_TITLES = (
    "The {adjective} {noun}",
    "{adjective} {noun}",
    "The {noun} and the {other}",
    "{noun} of the {adjective} {other}",
    "The Last {noun}",
    "The {noun} by the {other}",
    "{noun} and {other}",
)


def naming(name: str, pool: list[str], about: str) -> Callable[[Random], str]:
    """How to name things, given some names that the document shows and what sort of thing it is."""
    long = [text for text in pool if " " in text]
    meant = {*words(about), *words(name)}
    if meant & vocabulary.TOPICS and not (pool and all(text.islower() for text in pool)):
        return lambda random: random.choice(vocabulary.TOPIC_NAMES)
    if len(long) >= 3:
        return lambda random: _combine(long, random)
    if meant & vocabulary.PEOPLE:
        return person
    if meant & vocabulary.FIRMS:
        return lambda random: f"{random.choice(vocabulary.NOUNS)} {random.choice(vocabulary.COMPANY_ENDINGS)}"
    if meant & vocabulary.PLACES:
        return lambda random: random.choice(vocabulary.CITIES)
    if meant & {"country"}:
        return lambda random: random.choice(vocabulary.COUNTRY_NAMES)
    lower = bool(pool) and all(text.islower() for text in pool)
    make = _word if pool and not long else title
    return (lambda random: make(random).lower()) if lower else make


def person(random: Random) -> str:
    """A first and a last name."""
    return f"{random.choice(vocabulary.FIRST_NAMES)} {random.choice(vocabulary.LAST_NAMES)}"


def title(random: Random) -> str:
    """What a book, a film or a place might be called."""
    noun, other = random.sample(vocabulary.NOUNS, 2)
    return random.choice(_TITLES).format(noun=noun, other=other, adjective=random.choice(vocabulary.ADJECTIVES))


def _word(random: Random) -> str:
    return random.choice(vocabulary.NOUNS)


def _combine(pool: Sequence[str], random: Random) -> str:
    """The start of one name and the end of another, cut at the same sort of place, without saying a word twice."""
    for _ in range(_ATTEMPTS):
        (start, joint), (end, other) = _halves(random.choice(pool), 0), _halves(random.choice(pool), 1)
        said = [word.lower() for word in (*start, *end) if word.lower() not in _SMALL_WORDS]
        made = " ".join([*start, *end])
        if joint == other and end and len(said) == len(set(said)) and made not in pool:
            return made
    return title(random)


def _halves(name: str, half: int) -> tuple[list[str], str]:
    """(words of that half, joint): cut after a small word where there is one inside, else in the middle."""
    parts = name.split()
    joints = [at for at, word in enumerate(parts[1:-1], 1) if word.lower() in _SMALL_WORDS]
    cut = joints[-1] + 1 if joints else (len(parts) + 1) // 2
    return (parts[:cut], parts[cut:])[half], parts[cut - 1].lower() if joints else ""
