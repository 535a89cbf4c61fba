"""What is asked of a story's last calls, and what their outputs answer; how it is said is another matter.

What is asked stays the same in all wordings of a story.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from goat_ray.naming import ordinal, plural, singular, with_article, words
from goat_ray.teacher import asking_forms, phrases
from goat_ray.teacher.asking_forms import capital
from goat_ray.teacher.facts import Fact, amount, ended, facts, names_in, telling_fields, unwrapped
from goat_ray.teacher.noun_phrases import NounPhrases
from goat_ray.teacher.quantities import measured
from goat_ray.teacher.story import Story, Told
from goat_ray.teacher.things import Part, Thing, shared
from goat_ray.teacher.verbs import WRITES, makes

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MONTH = r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b"
_DAY = re.compile(
    rf"\d{{4}}-\d\d|\d{{1,4}}[./]\d\d?[./]\d\d|(?:\w+,?\s+)?(?:\d\d?(?:st|nd|rd|th)?\s+{_MONTH}|{_MONTH}\.?\s+\d)", re.I
)
_CLOCK = re.compile(r"\d\d?:\d\d(?::\d\d)?(?:\s?[ap]m)?", re.I)
_YEAR = re.compile(r"(?:1[5-9]|2[01])\d\d")
_WEEKDAY = re.compile(r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?", re.I)
_FIRST_STAMP = 100_000_000  # seconds since 1970; smaller numbers are hardly times
_SPECIFIC = r"(?:specific|single|given|particular|existing|pending|certain|specified)\s+"
_NEVER = r"(?<!\bbe )"  # "to be an owner" says what becomes of a thing
_KIND_OF = r"(?:(?!(?:in|of|for|to|from|on|by|with)\b)\w+\s+){0,2}?"  # "a specific bank transfer" is that transfer
_SPECIFIC_ONE = rf"(?:(?:an?|one|the|any)\s+)?{_SPECIFIC}{_KIND_OF}"
_ONE = rf"(?:(?:an?|one|the|any)\s+(?:\w+\s+or\s+\w+\s+)?|{_SPECIFIC_ONE})"
_SEVERAL = rf"(?:(?:an?|one|any)\s+|{_SPECIFIC_ONE})"  # "the users" are others
_END = r"(?=\s*(?:$|[,;]|\b(?:in|of|for|to|from|on|by|with|and|at|as|using|into|within)\b))"
ITEM_SHARE = 0.35  # of the goals about lists that ask for a field of the first item
HERE_SHARE = 0.5  # of the answers that list several things, "Here are the reviews: "
FIELD_SHARE = 0.85  # of the goals about one thing that ask for one of its fields
MAX_TOGETHER = 32  # words of the things that one question asks for
LONG_NAME = 60  # characters


@dataclass(frozen=True)
class Goal:
    """What is asked of one call, and the answer."""

    asks: tuple[str, ...]  # forms of the question, with ``{what}``
    what: Thing
    answer: str  # where the question is plain from what comes before
    full: str  # the answer with ``{what}``, for among others
    head: str = ""  # what the short answer says that it is, such as "the reviews"; empty for nothing
    owned: tuple[str, ...] = ()  # forms for a short ``what``
    thing: Thing | None = None  # what is asked for as one phrase, "the rating of that book", where it is one


def goals_of(story: Story) -> list[Goal]:
    """The goals of a story in order, worked out once."""
    found: list[Goal] | None = story.memory.get("goals")
    if found is None:
        made = _Goals(story)
        found = story.memory["goals"] = [made.of(number) for number in story.goals]
    return found


def shared_thing(story: Story) -> Thing | None:
    """The longest thing that all goals of a story are about."""
    if "shared thing" not in story.memory:
        story.memory["shared thing"] = shared([goal.what for goal in goals_of(story)])
    found: Thing | None = story.memory["shared thing"]
    return found


def instruction(story: Story, number: int, *, shallow: bool) -> Thing:
    """A call as an imperative; ``shallow`` says "that book" of what it takes."""
    told, named = story.calls[number], NounPhrases(story)
    if told.function.method not in WRITES:
        verb = "get" if told.search_text is None else "search for"
        return Thing((f"{verb} ", named.about(number, shallow=shallow)))
    parts: list[Part] = [story.phrases.task(told.function)]
    for source in named.sources(told, shallow=shallow):
        parts = _with_source(parts, source)
    return Thing((*parts, named.wishes(told, alone=shallow)))


def _with_source(parts: list[Part], source: Part) -> list[Part]:
    """What is to be done, with a thing in place of "a specific contact", else after the rest: "for that contact"."""
    noun = (source.noun or source.text.removeprefix("that ")) if isinstance(source, Thing) else source
    one, several = re.escape(noun), re.escape(phrases.pluralise(noun))
    pattern = re.compile(rf"{_NEVER}\b(?:{_ONE}{one}|{_SEVERAL}{several}){_END}", re.I)
    for at, part in enumerate(parts):
        if isinstance(part, str) and (found := pattern.search(part, _after_what_is_made(part) if at == 0 else 0)):
            return [*parts[:at], part[: found.start()], source, part[found.end() :], *parts[at + 1 :]]
    return [*parts, " for ", source]


def _after_what_is_made(done: str) -> int:
    """Where another thing may be told of than what is made: a new order may be for an order."""
    verb, _, rest = done.partition(" ")
    return len(verb) + len(rest.split(" ")[0]) + 2 if makes(verb) else 0


class _Goals:
    """Finds the goals of one story."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._named = NounPhrases(story)

    def of(self, number: int) -> Goal:
        """What the user wants of a call that nothing else uses."""
        told = self._story.calls[number]
        calls = self._story.fan_out(told)
        if len(calls) > 1:
            return self._fan_out(number, calls)
        if told.function.method in WRITES:
            done = f"Done. {self._made(told)}".strip()
            return Goal(("{what}",), instruction(self._story, number, shallow=False), done, done)
        is_list = self._story.phrases.primary_list(told.function) is not None
        return self._list(number, told) if is_list else self._detail(number, told)

    def _fan_out(self, number: int, calls: list[Told]) -> Goal:
        returned = [self._returned(one) for one in calls]
        told = [f"{capital(ordinal(place))}: {ended(one)}" for place, one in enumerate(returned)]
        answer = " ".join(told) if all(returned) else ""
        return Goal(asking_forms.SHOW, self._named.about(number), answer, f"{{what}}. {answer}")

    def _list(self, number: int, told: Told) -> Goal:
        content = self._content(number)
        items = self._story.phrases.items(told.function, told.call.body)
        if items and content.random() < ITEM_SHARE:
            root = self._story.phrases.primary_list(told.function) or ()
            first = self._named.item(number, (*root, 0))
            fields = [fact for fact in _unknown(telling_fields(items[0]), first) if isinstance(fact[1], str)]
            if fields:
                return of_field(*content.choice(fields), first)
        listed = _listing(names_in(items), len(items)) or facts(told.call.body)
        short = self._named.short(number)
        opening = f"Here are {short}" if len(items) > 1 and content.random() < HERE_SHARE else capital(short)
        what = self._named.about(number)
        answer = f"{opening}: {ended(listed)}" if listed else ""
        return Goal(asking_forms.LIST, what, answer, f"{{what}}: {ended(listed)}", short, thing=what)

    def _detail(self, number: int, told: Told) -> Goal:
        content, what = self._content(number), self._named.about(number)
        fields = _unknown(telling_fields(unwrapped(told.call.body)), what)
        if fields and content.random() < FIELD_SHARE:
            return of_field(*content.choice(fields), what)
        answer = facts(told.call.body)
        return Goal(asking_forms.DETAIL, what, answer, f"{{what}}: {answer}", thing=what)

    def _returned(self, told: Told) -> str:
        """What one call of several alike returned: the names in its list, else its facts; empty for codes alone."""
        body = told.call.body
        items = self._story.phrases.items(told.function, body)
        return _listing(names_in(items), len(items)) or facts(body) or ("" if phrases.scalars(body) else "nothing")

    def _made(self, told: Told) -> str:
        """What a call that writes returned of the thing itself; nothing where that is codes alone."""
        items = self._story.phrases.items(told.function, told.call.body)
        about = next((one for one in (*items[:1], unwrapped(told.call.body)) if telling_fields(one)), None)
        return facts(about) if about is not None else ""

    def _content(self, number: int) -> random.Random:
        return random.Random(f"{self._story.seed}/{number}")


def of_field(name: str, value: Any, what: Thing) -> Goal:
    """The wish for one field, asked as its name suggests: how many, when, since when, or what it is."""
    parts, unit = measured(name)
    *before, last = parts
    whole = isinstance(value, int) and not unit
    if whole and last == "count" and before:
        return _of_count(plural(singular(" ".join(before))), value, what)
    if whole and singular(last) != last:
        return _of_count(" ".join(parts), value, what)
    if happened := _happened(name, parts, value, what):
        return happened
    if last == "since" and before:
        state = with_article(" ".join(before))
        ask = f"Since when has {{what}} been {state}"
        return Goal((ask,), what, f"Since {value}.", f"{{what}} has been {state} since {value}.")
    return _of_noun(_noun(name, parts, value), unit, amount(name, value), what)


def _happened(name: str, parts: tuple[str, ...], value: Any, what: Thing) -> Goal | None:
    """The wish for a field that says when something was done, or where or on what; None for other fields."""
    *before, last = parts
    when = _when(value)
    if before and phrases.is_participle(before[-1]) and last in ("on", "at", "date", "year", "day", "time"):
        if when:
            return _of_moment(" ".join(before), last, when, value, what)
        if last in ("on", "at"):  # held at a branch, based on a novel
            state, text = " ".join(parts), ended(amount(name, value))
            return Goal((f"What is {{what}} {state}",), what, f"{capital(state)} {text}", f"{{what}} is {state} {text}")
    if phrases.is_participle(last) and _DATE.match(str(value)):  # first_published
        return _of_moment(" ".join(parts), last, when, value, what)
    return None


def _noun(name: str, parts: tuple[str, ...], value: Any) -> str:
    """The words of a field's name, made a noun phrase."""
    if len(parts) > 1 and parts[-1] in ("on", "at") and _when(value):  # starts_on
        text = str(value)
        kind = "time" if _CLOCK.fullmatch(text) else "day" if _WEEKDAY.fullmatch(text) else "date"
        return " ".join((*parts[:-2], singular(parts[-2]), kind))
    if len(parts) > 2 and phrases.is_participle(parts[0]) and phrases.ends_open(parts[1]):  # known_for_department
        return " ".join(parts[2:])
    return " ".join(parts) if parts != words(name) else phrases.label(name)


def _of_noun(noun: str, unit: str, text: str, what: Thing) -> Goal:
    last = noun.split()[-1]
    be = "are" if singular(last) != last and not unit else "is"
    asked = f"{noun} in {unit}" if unit else noun
    # A text in sentences of its own is not the end of another one.
    told = f" {be} {text}." if len(text) <= LONG_NAME and ended(text) != text else f": {ended(text)}"
    asks, owned = (
        tuple(form.replace("{be}", be).replace("{noun}", asked) for form in forms)
        for forms in (asking_forms.FIELD, asking_forms.OWNED)
    )
    whole = Thing((f"the {asked}", " of ", what))
    return Goal(asks, what, f"The {noun}{told}", f"The {noun} of {{what}}{told}", f"the {noun}", owned, whole)


def _of_count(counted: str, value: int, what: Thing) -> Goal:
    forms = tuple(form.replace("{counted}", counted) for form in asking_forms.COUNT)
    if value == 1:
        counted = phrases.singularise(counted)
    return Goal(forms, what, f"{value} {counted}.", f"{{what}} has {value} {counted}.")


def _of_moment(verb: str, last: str, at: str, value: Any, what: Thing) -> Goal:
    """When something happened: created_at, published_on, born_year."""
    when = "In which year" if last == "year" else "When"
    return Goal((f"{when} was {{what}} {verb}",), what, f"{capital(at)} {value}.", f"{{what}} was {verb} {at} {value}.")


def _when(value: Any) -> str:
    """The preposition before a value that looks like a time; empty for another value."""
    text = str(value)
    if _YEAR.fullmatch(text):
        return "in"
    if isinstance(value, int | float):
        return "at" if value >= _FIRST_STAMP else ""
    if _CLOCK.fullmatch(text):
        return "at"
    if _DAY.match(text):
        return "at" if _CLOCK.search(text) else "on"
    return "on" if _WEEKDAY.fullmatch(text) else ""


def together(goals: Sequence[Goal]) -> Goal | None:
    """One question for several goals, "the reviews and ratings of that book"; None where that makes none to be read."""
    things = [goal.thing for goal in goals if goal.thing is not None]
    if len(things) < len(goals):
        return None
    parts = [_part_of(thing) for thing in things]
    wholes = {whole.text: whole for _, whole in parts if whole is not None}
    if len(wholes) == 1 and all(whole for _, whole in parts) and len({part for part, _ in parts}) == len(parts):
        whole = next(iter(wholes.values()))
        return Goal(
            asking_forms.TOGETHER, Thing((f"the {_enumerated([part for part, _ in parts])}", " of ", whole)), "", ""
        )
    if sum(len(thing.text.split()) for thing in things) > MAX_TOGETHER:
        return None
    between = [", "] * (len(things) - 2) + [" and "]
    joined = [part for thing, mark in zip(things, [*between, ""], strict=True) for part in (thing, mark)]
    return Goal(asking_forms.TOGETHER, Thing(tuple(joined)), "", "")


def _part_of(thing: Thing) -> tuple[str, Thing | None]:
    """ "the reviews of a book" as "reviews" and the book; nothing for other things."""
    match thing.parts:
        case (str() as part, " of ", Thing() as whole) if not thing.name and part.startswith("the "):
            return part.removeprefix("the "), whole
    return "", None


def _enumerated(texts: Sequence[str]) -> str:
    """Texts one after the other, "and" before the last."""
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


def _listing(names: list[str], count: int) -> str:
    """Names one after the other; "and" before the last where they are all, and no mark would be misread."""
    if len(names) < 2 or any("," in name or len(name) > LONG_NAME for name in names):
        listed = "; ".join(names)
        return f"{listed}; and more" if count > len(names) and names else listed
    if count > len(names):
        return f"{', '.join(names)} and more"
    return _enumerated(names)


def _unknown(fields: list[Fact], what: Thing) -> list[Fact]:
    """The fields whose values the question does not give away: nobody asks for the name of Runa Feldspar."""
    given = what.text.lower()
    return [(name, value) for name, value in fields if str(value).lower() not in given]
