"""Whether what a response says stands in an output, an argument or the query: its numbers and its names."""

import re
from collections.abc import Iterator

from goat_ray.naming import singular, spelled, words
from goat_ray.teacher.story import Story

_NUMBER = re.compile(r"(?<![\w.])(\d+(?:[.,]\d+)*)(\w*)")
_NUMBER_BEGINS = re.compile(r"(?<!\w)(?<!\d\.)")
_NUMBER_ENDS = re.compile(r"s?(?!\w|\.\d|,\d{3}(?!\d))")
_QUOTED = re.compile(r'"([^"]+)"')
RESPONSE_END = re.compile(r"(?<=[.!?:;…])\s+|\n+")  # of a sentence; long values are cut by an ellipsis
_WORD = re.compile(r"(?<!\w)[^\W\d_][\w'\u2019-]*")
_OPENING = " \t\"'(*\u201c\u2018"  # may stand before a sentence's first word
# "Directed by", "Created the"
_PARTICIPLE = re.compile(r"[a-z]+(?:ed|ing|en) (?:a|as|at|by|for|from|in|it|of|on|the|to|with|your)\b", re.I)

_SCALES = {spelled(10**power).split()[-1]: 10**power for power in (2, 3, 6, 9)}
_SMALL = {spelled(number): number for number in [*range(21), *range(30, 100, 10)]}
_NUMBER_WORD = "|".join(sorted({*_SCALES, *_SMALL}, key=len, reverse=True))
_SPELLED = re.compile(rf"\b(?:{_NUMBER_WORD})(?:(?:[\s-]|\sand\s)(?:{_NUMBER_WORD}))*\b", re.I)

_CALENDAR = frozenset(
    "january february march april may june july august september october november december monday tuesday wednesday"
    " thursday friday saturday sunday".split()
)
# What may open a sentence of an answer without being anybody's name: words of grammar, and those that lead over.
_OPENERS = frozenset(
    "a about above according additionally after all also although altogether among an and another any apart are"
    " as at available based because before below besides between both but by can consequently could currently"
    " despite do does done due during each either every everything finally first firstly following for from"
    " further furthermore given great has have having he hello her here his how however i if in including indeed"
    " instead is it its just last lastly later likewise many meanwhile more moreover most neither next no none"
    " nor not note nothing now of on once one only or other others otherwise our out over overall part per"
    " perhaps please previously regarding second secondly see several she similarly since so some sorry such"
    " sure thank thanks that the their them then there therefore these they third this those though through thus"
    " to together total two unfortunately until up upon was we were what when where whereas whether which while"
    " who whose why with within without would yes yet you your".split()
)


def unsupported_number(story: Story, query: str, response: str) -> str | None:
    """The first number that nothing says, in digits or in words; None where there is none.

    A number in words may also count what a list of an output holds: "three reviews".
    """
    asked, text = query.lower(), response.lower()
    for match in _NUMBER.finditer(text):
        if not any(says_number(one, asked) or says_number(one, story.known) for one in _spellings(match)):
            return match[0]
    for words_ in (match[0] for match in _SPELLED.finditer(text) if match[0] != "one"):
        value = _value(words_)
        said = any(occurs(one, asked) or occurs(one, story.known) for one in (words_, str(value)))
        said = said or _documented(story, words_)  # a card's "last four"
        if not said and value not in {len(one) for one in story.containers if isinstance(one, list)}:
            return words_
    return None


def _spellings(match: re.Match[str]) -> set[str]:
    """How a number with what is joined to it (``4,000km``) may stand elsewhere."""
    plain = match[1].replace(",", "")
    equal = plain.rstrip("0").removesuffix(".") if plain.count(".") == 1 else f"{plain}.0"  # $12.50 is 12.5
    return {match[0], match[1], plain, plain.zfill(2), equal}  # 2016-05-03 may be told as May 3rd, 2016


def unsupported_name(story: Story, query: str, response: str) -> str | None:
    """The first name or word of a quotation that nothing says, in lower case; None where there is none."""
    asked = query.lower()
    for name in _names(story, response):
        if not (occurs(name, asked) or occurs(name, story.known)) and name not in _CALENDAR:
            return name
    return None


def occurs(text: str, within: str) -> bool:
    """Whether a text stands in another one as whole words; both in one case. A pattern for each text costs more."""
    at = within.find(text)
    while at >= 0:
        end = at + len(text)
        if not (at and _joins(within[at - 1])) and not (end < len(within) and _joins(within[end])):
            return True
        at = within.find(text, at + 1)
    return False


def says_number(text: str, within: str) -> bool:
    """Whether a number stands by itself, as in "the 1990s", and not in another one: 10 is not in 10,000 or 10.5."""
    at = within.find(text)
    while at >= 0:
        if _NUMBER_BEGINS.match(within, at) and _NUMBER_ENDS.match(within, at + len(text)):
            return True
        at = within.find(text, at + 1)
    return False


def _joins(character: str) -> bool:
    return character == "_" or character.isalnum()


def _names(story: Story, response: str) -> Iterator[str]:
    """Words in capitals and the words of quotations, in lower case."""
    for quotation in _QUOTED.findall(response):
        yield from (word.lower() for word in _WORD.findall(quotation))
    for sentence in RESPONSE_END.split(response):
        text = sentence.lstrip(_OPENING)
        for match in _WORD.finditer(text):
            word = match[0].removesuffix("'s").removesuffix("\u2019s").rstrip("'\u2019-")
            if not word[0].isupper() or len(word) == 1:
                continue
            may_be_plain = match.start() == 0 or word.isupper()  # the documents may write TV
            if not (may_be_plain and is_plain(story, word.lower())) and not (
                match.start() == 0 and _PARTICIPLE.match(text)
            ):
                yield word.lower()


def is_plain(story: Story, word: str) -> bool:
    """Whether a word, in lower case, is there for grammar's sake, or calls something as the documents do."""
    return word in _OPENERS or _documented(story, word)


def _documented(story: Story, text: str) -> bool:
    """Whether all words of a text stand in the documents of the functions or in the names of output fields."""
    parts = {singular(part) for part in words(text)}
    missing = parts.difference(*(story.phrases.vocabulary(told.function) for told in story.calls))
    if not missing:
        return bool(parts)
    keys = {key for one in story.containers if isinstance(one, dict) for key in one}  # some are in no document
    return missing <= {singular(word) for key in keys for word in words(key)}


def _value(text: str) -> int:
    """What a number in words is."""
    whole = part = 0
    for word in re.findall(_NUMBER_WORD, text):
        scale = _SCALES.get(word, 0)
        if scale == 100:
            part = max(part, 1) * scale
        elif scale:
            whole, part = whole + max(part, 1) * scale, 0
        else:
            part += _SMALL[word]
    return whole + part
