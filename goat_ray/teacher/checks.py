"""What rules can prove about a sample's language, before any judge is asked.

A judge may reject more, but accepts nothing that fails here. Each check names the first thing that is wrong.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from goat_ray import jsonpath
from goat_ray.naming import IDENTIFIER_WORDS, ordinal, plural, singular, words
from goat_ray.records import Argument
from goat_ray.teacher.grounding import (
    RESPONSE_END,
    is_plain,
    occurs,
    says_number,
    unsupported_name,
    unsupported_number,
)
from goat_ray.teacher.ranking import PLACED, names_choice
from goat_ray.teacher.story import Story, Told, leaves
from goat_ray.teacher.wishes import PERIODS

MIN_LEAK = 3  # characters; shorter upstream values ("2") occur in honest queries by chance, but see ``named_id``
QUERY_WORDS = (3, 90)
RESPONSE_WORDS = (1, 250)
MAX_SENTENCE = 48  # words
MAX_CHAIN = 5  # times "of" in one sentence
MAX_PLURAL = 60  # characters of a value that may be told in the plural; inflect takes the square of a text's length
STEM = 5  # letters of a switch's name that must begin a word: "archived" or "archives"
MAX_TELLING = 4  # words; a longer text shows its language by the most frequent words

_SENTENCE_END = re.compile(r"(?<=[.!?:;])\s+|\n+")
_LETTERS = re.compile(r"[^\W\d_]+")
_WHOLE_WORD = re.compile(r"(?<!\w)[^\W\d_]+(?!\w)")  # keys and file names are none
_FOREIGN = re.compile(r"[^\W\d_\u0000-\u024f]")  # letters of other alphabets than Latin
_SWITCHING = frozenset("include exclude with without has have is are only in on at of the and or a an".split())
_STEPS = re.compile(
    r"(?:^|\n)\s*(?:\d+[.)]|[-*•])\s|\bsteps?\s+\d|\bfirst(?:ly)?,.*\b(?:then|next|second(?:ly)?)\b", re.I
)
_SEQUENCE = re.compile(r"\b(?:and then|then|after that|afterwards|next,|finally|using that)\b", re.I)
_ID = rf"(?:{'|'.join(sorted(IDENTIFIER_WORDS))})"
_GAP = r"[\s_:=#\"'(-]*"  # between a noun and what it calls: genre_id=18, genre #18
_MARKUP = re.compile(r"[{}<>\[\]]|\b[a-z]+_[a-z_]+\b|\b(\w+) \1\b(?<!that that)(?<!had had)", re.I)

# A text of some length without any of these is hardly English. No language detector: the libraries weigh more than
# the whole of this package, and are unsure about short texts full of names.
_ENGLISH = frozenset(
    "a about all and any are as at by can could do does for from give has have how i in is it like list me my need of"
    " on or please show tell that the there this to want was what when where which who with would you".split()
)


@dataclass(frozen=True)
class Flaw:
    """What is wrong: a short constant to count by, and the evidence."""

    reason: str
    detail: str


def query_flaw(story: Story, query: str) -> Flaw | None:
    """The first thing that is wrong with a query or a paraphrase of it; None where nothing is."""
    key = "query flaw", query
    if key not in story.memory:
        said = _Said.of(story, query)
        story.memory[key] = next(filter(None, (check(story, said) for check in _QUERY_CHECKS)), None)
    flaw: Flaw | None = story.memory[key]
    return flaw


def subquery_flaw(story: Story, subquery: str) -> Flaw | None:
    """What no instruction for a call may have: a value that only a call can know, or a technical name."""
    said = _Said.of(story, subquery)
    return leaked_value(story, said) or named_id(story, said) or named_api(story, said)


def response_flaw(story: Story, query: str, response: str) -> Flaw | None:
    """The first thing that is wrong with the answer to a query; None where nothing is."""
    key = "response flaw", query, response
    if key not in story.memory:
        bad_length = _bad_length(response, RESPONSE_WORDS, "response")
        checks = (unsupported, foreign_response, unreadable_response)
        found = (check(story, query, response) for check in checks)
        story.memory[key] = bad_length or next(filter(None, found), None)
    flaw: Flaw | None = story.memory[key]
    return flaw


# --- the query ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Said:
    """A query, and its own words: what is left without the user's values."""

    query: str
    lower: str
    own: str

    @classmethod
    def of(cls, story: Story, query: str) -> "_Said":
        return cls(query, query.lower(), story.without_user_values(query))


def missing_value(story: Story, said: _Said) -> Flaw | None:
    """A value that only the user can give and the query does not."""
    for told in story.calls:
        for argument in told.call.arguments:
            for name, value in leaves(argument.parameter, argument.value) if argument.provenance == "user" else ():
                if not _is_said(name, value, said.lower):
                    return Flaw("missing-value", f"the query lacks the user's value {value!r} of {name}")
    return None


def _is_said(name: str, value: str | int | float, query: str) -> bool:
    """Whether a query tells a value as it is written, and of a switch what it switches."""
    text = str(value).lower()
    if isinstance(value, bool):
        told = [word[:STEM] for word in words(name) if word not in _SWITCHING]
        return not told or occurs(text, query) or any(re.search(rf"\b{stem}", query) for stem in told)
    if isinstance(value, int | float):
        return says_number(text, query)
    if occurs(text, query) or occurs(PERIODS.get(text, text), query):  # the day is today
        return True
    # Trending people are of the kind "person".
    return len(text) <= MAX_PLURAL and any(occurs(form, query) for form in (f"{text}s", plural(text)))


def leaked_value(story: Story, said: _Said) -> Flaw | None:
    """A value that only a call can know."""
    given = {str(value).lower() for value in story.user_values}
    for value in story.upstream_values:
        text = str(value).lower()
        if isinstance(value, bool):
            continue
        if len(text) >= MIN_LEAK and occurs(text, said.lower) and not any(occurs(text, one) for one in given):
            return Flaw("leaked-value", f"the query reveals {value!r}, which only a call can know")
    return None


def named_id(story: Story, said: _Said) -> Flaw | None:
    """An id that is too short for ``leaked_value``, after what it is the id of: "genre 18".

    It is looked for in the query's own words, so nothing that the user gives is one: "season 2".
    """
    for told in story.calls:
        for argument in told.call.arguments:
            for name, value in leaves(argument.parameter, argument.value) if argument.step is not None else ():
                text = str(value)
                if len(text) >= MIN_LEAK or not text.isdecimal() or not occurs(text, said.own):
                    continue
                if not _is_place(argument, text) and _calls(said.own, _nouns(story, told, argument, name), text):
                    return Flaw("leaked-value", f"the query reveals {value!r} of {name}, which only a call can know")
    return None


def _is_place(argument: Argument, number: str) -> bool:
    """Whether a number that counts, which no id does, is also the item's place in its list: season 1 is the first."""
    tokens = jsonpath.parse(argument.location)
    counts = bool(tokens) and words(str(tokens[-1]))[-1:] in (("number",), ("no",)) and not argument.chosen
    return counts and any(isinstance(token, int) and str(token + 1) == number for token in tokens)


def _nouns(story: Story, told: Told, argument: Argument, name: str) -> set[str]:
    """What a value may be called by: the nouns of its parameter and of the field that it comes from."""
    phrases, members = story.phrases, jsonpath.names(argument.location)
    nouns = {phrases.member(one) for one in (argument.parameter, name, *members[-1:])}
    kinds = {told.kind_before(argument.parameter)}
    if "" in nouns and argument.step is not None:  # a plain id is of what holds it
        nouns.add(phrases.resource_noun(story.calls[argument.step].function))
        kinds |= {singular(word) for holder in members[-2:-1] for word in words(holder)[-1:]}
    return {*nouns, *kinds, *map(phrases.noun, kinds)} - {"", *PLACED}


def _calls(text: str, nouns: set[str], number: str) -> bool:
    """Whether a number directly follows one of the nouns, in the singular or plural, or the word id."""
    heads = "|".join(["ids?", *sorted(re.escape(one) for noun in nouns for one in (noun, plural(noun)))])
    before = rf"(?<![^\W_])(?:{heads}){_GAP}(?:{_ID}\.?{_GAP})*"
    return re.search(rf"{before}{number}(?!\w|[.,]\d)", text, re.IGNORECASE) is not None


def unnamed_choice(story: Story, said: _Said) -> Flaw | None:
    """An item of a list that is not the first or was not taken by its place, and the query does not say which."""
    for told in story.calls:
        for argument in told.call.arguments:
            if argument.step is None:
                continue
            indices = [token for token in jsonpath.parse(argument.location) if isinstance(token, int)]
            # Where an item was chosen otherwise, the path does not tell whether in the outer or in the inner list.
            for index in [0] if argument.chosen else indices:
                if not names_choice(said.own, index, argument.chosen):
                    meant = argument.chosen or ordinal(index)
                    return Flaw("unnamed-choice", f"the query does not say that {meant!r} is meant")
    return None


def named_api(story: Story, said: _Said) -> Flaw | None:
    """A function, path or parameter that is called by its technical name."""
    words = said.own.lower()
    for told in story.calls:
        for name in story.phrases.technical_names(told.function):
            if name in words and occurs(name, words):
                return Flaw("names-api", f"the query names {name!r}")
    return None


def listed_steps(_story: Story, said: _Said) -> Flaw | None:
    """A recipe in place of a goal: an enumeration, or one sequence word after another."""
    found = _STEPS.search(said.own)
    sequence = _SEQUENCE.findall(said.own)
    if found or len(sequence) > 1:
        return Flaw("lists-steps", f"the query lists steps: {(found[0] if found else ', '.join(sequence)).strip()!r}")
    return None


def foreign_language(_story: Story, said: _Said) -> Flaw | None:
    """A text that is not English, as far as its letters and its most frequent words tell."""
    words = _LETTERS.findall(said.own.lower())
    if not _is_latin(said.own) or (len(words) > MAX_TELLING and _ENGLISH.isdisjoint(words)):
        return Flaw("wrong-language", "the query is not in English")
    return None


def _is_latin(text: str) -> bool:
    foreign = _FOREIGN.findall(text)
    return not foreign or len(foreign) <= 0.1 * sum(map(str.isalpha, text))


def bad_length(_story: Story, said: _Said) -> Flaw | None:
    """Too few words for a goal, or too many for a person."""
    return _bad_length(said.query, QUERY_WORDS, "query")


def _bad_length(text: str, bounds: tuple[int, int], what: str) -> Flaw | None:
    count = len(text.split())
    return None if bounds[0] <= count <= bounds[1] else Flaw("bad-length", f"the {what} has {count} words")


def unreadable(_story: Story, said: _Said) -> Flaw | None:
    """Markup, a doubled word, an endless sentence or an endless chain of "of"."""
    if found := _MARKUP.search(said.own):
        return Flaw("unreadable", f"the query has {found[0]!r}")
    for sentence in _SENTENCE_END.split(said.own):
        words = sentence.lower().split()
        if len(words) > MAX_SENTENCE or words.count("of") > MAX_CHAIN:
            return Flaw("unreadable", f"a sentence of {len(words)} words with {words.count('of')} times 'of'")
    return None


_QUERY_CHECKS: tuple[Callable[[Story, _Said], Flaw | None], ...] = (
    bad_length,
    missing_value,
    leaked_value,
    named_id,
    unnamed_choice,
    named_api,
    listed_steps,
    foreign_language,
    unreadable,
)


# --- the response -------------------------------------------------------------------------------


def unsupported(story: Story, query: str, response: str) -> Flaw | None:
    """A number, name or quotation in the response that no output, argument or query has."""
    if (number := unsupported_number(story, query, response)) is not None:
        return Flaw("unsupported-number", f"the response has {number!r}, which no output has")
    if (name := unsupported_name(story, query, response)) is not None:
        return Flaw("unsupported-name", f"the response has {name!r}, which no output has")
    return None


def foreign_response(story: Story, query: str, response: str) -> Flaw | None:
    """A response that is not English, as far as it does not repeat what outputs or the query say."""
    words = _WHOLE_WORD.findall(response.lower())
    if _is_latin(response) and not (len(words) > MAX_TELLING and _ENGLISH.isdisjoint(words)):
        return None
    own = [
        word
        for word in words
        if not (is_plain(story, word) or occurs(word, story.known) or occurs(word, query.lower()))
    ]
    if not _is_latin(" ".join(own)) or (len(own) > MAX_TELLING and _ENGLISH.isdisjoint(words)):
        return Flaw("wrong-language", "the response is not in English")
    return None


def unreadable_response(story: Story, query: str, response: str) -> Flaw | None:
    """Markup, a doubled word or an endless sentence that neither an output nor the query has."""
    for found in _MARKUP.finditer(response):
        if not any(found[0].lower() in text.lower() for text in (query, *story.texts)):
            return Flaw("unreadable", f"the response has {found[0]!r}")
    for sentence in RESPONSE_END.split(response):
        length = len(sentence.split())
        if length > MAX_SENTENCE and sentence.strip(' "').lower() not in story.known:
            return Flaw("unreadable", f"the response has a sentence of {length} words")
    return None
