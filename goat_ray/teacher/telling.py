"""The embedded writer: queries, sub-queries and responses from executed calls, by rule.

It names each thing by where it comes from ("the second book by Ada Lind"), never by an intermediate
id, and asks for what the last calls return, so that a query is a goal and not a list of steps.
"""

import random
from dataclasses import dataclass
from typing import Any

from goat_ray import jsonpath
from goat_ray.identity import rng
from goat_ray.naming import is_identifier, ordinal, plural, singular, words
from goat_ray.records import Argument, Parameter
from goat_ray.teacher import phrases
from goat_ray.teacher.story import Story, Told

_UNTELLING = frozenset(
    "id ids url uri link href path image photo logo icon avatar hash token etag uuid guid page total self version"
    " latitude longitude lat lng lon timezone locale language adult video order popularity key".split()
)
_NAMES = ("name", "title", "label", "headline", "subject", "summary", "description", "content", "text", "author")
MAX_LISTED = 3  # items named in a response
MAX_TEXT = 160  # characters of one value in a response


@dataclass(frozen=True)
class Goal:
    """What is asked of one call, and what its output answers."""

    question: str  # a sentence without its end mark; starts with a capital
    answer: str


class Teller:
    """Tells one story. The same seed gives the same words."""

    def __init__(self, story: Story, variant: int = 0) -> None:
        self.story = story
        self.variant = variant
        self._told_arguments: set[tuple[int, str]] = set()

    def query(self) -> str:
        """One request from which all calls follow."""
        goals = [self.goal(number).question for number in self.story.goals()]
        random_ = self._wording("query")
        text = goals[0]
        if text.split()[0] in ("What", "Which", "Who", "How", "When", "Where", "Is"):
            text = random_.choice(("", "", "", "I'm curious. ", "Quick question: ", "Could you help? ")) + text + "?"
        else:
            text = _politely(text, random_)
        for further in goals[1:]:
            also = random_.choice(("Also, ", "And ", "Besides that, ", "After that, "))
            end = "?" if further.split()[0] in ("What", "Which", "Who", "How", "When", "Where", "Is") else "."
            text += f" {also}{further[0].lower()}{further[1:]}{end}"
        return text

    def response(self) -> str:
        """An answer that says only what the outputs say."""
        return " ".join(self.goal(number).answer for number in self.story.goals())

    def subquery(self, number: int) -> str:
        """What one call does, as an instruction; upstream things are "that book"."""
        told = self.story.calls[number]
        return f"{_capital(self._instruction(number, told, shallow=True))}."

    # --- goals -----------------------------------------------------------------------------------

    def goal(self, number: int) -> Goal:
        """What the user wants of a call that nothing else uses."""
        told = self.story.calls[number]
        if told.function.method in phrases.WRITES:
            done = self._instruction(number, told, shallow=False)
            return Goal(_capital(done), f"Done. {_facts(told.call.body)}".strip())
        listed = phrases.primary_list(told.function)
        if listed is not None:
            return self._list_goal(number, told, listed)
        return self._detail_goal(number, told)

    def _list_goal(self, number: int, told: Told, root: tuple[jsonpath.Token, ...]) -> Goal:
        content, wording = self._content("goal", number), self._wording("goal", number)
        what = self.about(number)
        found = jsonpath.find(told.call.body, jsonpath.render(root))
        items = found[0][1] if found and isinstance(found[0][1], list) else []
        names = [name for name in map(_name_of, items) if name][:MAX_LISTED]
        answer = f"{_capital(what)}: {'; '.join(names)}." if names else f"{_capital(what)}: {_facts(told.call.body)}"
        fields = _telling_fields(items[0]) if items and isinstance(items[0], dict) else []
        if fields and content.random() < 0.35:
            name, value = content.choice(fields)
            first = self.item(number, (*root, 0))
            return Goal(
                f"What is the {phrases.label(name)} of {first}",
                f"The {phrases.label(name)} of {first} is {_short(value)}.",
            )
        question = wording.choice(
            (f"What are {what}", f"Show me {what}", f"List {what}", f"Give me {what}", f"I want to see {what}")
        )
        return Goal(question, answer)

    def _detail_goal(self, number: int, told: Told) -> Goal:
        content, wording = self._content("goal", number), self._wording("goal", number)
        what = self.about(number)
        body = told.call.body
        fields = _telling_fields(body) if isinstance(body, dict) else []
        if fields and content.random() < 0.8:
            name, value = content.choice(fields)
            noun = phrases.label(name)
            parts = words(name)
            if parts[-1] == "count" and len(parts) > 1:
                noun = f"number of {plural(' '.join(parts[:-1]))}"
            question = wording.choice((f"What is the {noun} of {what}", f"Tell me the {noun} of {what}"))
            if isinstance(value, int) and noun.startswith("number of"):
                question = wording.choice((question, f"How many {plural(' '.join(parts[:-1]))} does {what} have"))
            return Goal(question, f"The {noun} of {what} is {_short(value)}.")
        question = wording.choice((f"Tell me about {what}", f"Give me the details of {what}", f"Show me {what}"))
        return Goal(question, f"{_capital(what)}: {_facts(body)}")

    def _instruction(self, number: int, told: Told, *, shallow: bool) -> str:
        """The call as an imperative."""
        function = told.function
        if function.method in phrases.WRITES:
            summary = function.summary.strip().rstrip(".") or phrases.label(function.name)
            base = summary[0].lower() + summary[1:]
            things = [
                f"for {self._source(argument, shallow)}"
                for argument in told.call.arguments
                if argument.provenance == "upstream"
            ]
            return " ".join([base, *dict.fromkeys(things)]) + self._clauses(number, told)
        if self._search_text(told):
            return f"search for {self.about(number)}" if shallow else f"find {self.about(number)}"
        return f"get {self.about(number, shallow=shallow)}"

    # --- noun phrases ----------------------------------------------------------------------------

    def about(self, number: int, *, shallow: bool = False) -> str:
        """The noun phrase of what a call returns: "the reviews of Harbour Lights"."""
        told = self.story.calls[number]
        text = self._search_text(told)
        subject = phrases.topic(told.function, self.story.nouns)
        if text is not None:
            noun = phrases.pluralise(phrases.singularise(subject.noun))
            return f"{noun} matching {self._quoted(text.value, number)}{self._clauses(number, told)}"
        holder = self._holder(number, told, shallow)
        if holder and self._is_its_own_detail(told, subject.noun):
            return holder + self._clauses(number, told)
        return f"the {subject.noun}{f' {subject.preposition} {holder}' if holder else ''}{self._clauses(number, told)}"

    def item(self, number: int, tokens: tuple[jsonpath.Token, ...]) -> str:
        """The noun phrase of the object at a place in a call's output: "the second book by Ada Lind"."""
        told = self.story.calls[number]
        names = [token for token in tokens if isinstance(token, str) and not phrases.is_wrapper(token)]
        if not tokens or (not names and isinstance(tokens[-1], str)):
            return self._one(number, told)
        *before, last = tokens
        if isinstance(last, str):
            if phrases.is_wrapper(last):
                return self.item(number, tuple(before))
            return f"the {phrases.member_noun(last, self.story.nouns)} of {self.item(number, tuple(before))}"
        if phrases.primary_list(told.function) == tuple(before):
            return self._listed(number, told, last)
        name = next((token for token in reversed(before) if isinstance(token, str)), "entry")
        outer = self.item(number, tuple(before[:-1])) if before else self._one(number, told)
        return f"the {ordinal(last)} {phrases.member_noun(name, self.story.nouns)} of {outer}"

    def _listed(self, number: int, told: Told, index: int) -> str:
        """One item of the list that a call returns."""
        subject = phrases.topic(told.function, self.story.nouns)
        noun = phrases.singularise(subject.noun)
        text = self._search_text(told)
        if text is not None:
            quoted = self._quoted(text.value, number)
            clauses = self._clauses(number, told)
            if index == 0:
                return self._wording("named", number).choice((f"the {noun} {quoted}", f"{quoted}")) + clauses
            return f"the {ordinal(index)} {noun} matching {quoted}{clauses}"
        holder = self._holder(number, told, shallow=False)
        tail = f" {subject.preposition} {holder}" if holder else ""
        return f"the {ordinal(index)} {noun}{tail}{self._clauses(number, told)}"

    def _one(self, number: int, told: Told) -> str:
        """The one thing that a call without a list is about."""
        if told.function.method == "POST":
            noun = phrases.noun_for(phrases.resource(told.function), self.story.nouns)
            holder = self._holder(number, told, shallow=False)
            return f"the new {noun}{f' for {holder}' if holder else ''}{self._clauses(number, told)}"
        return self.about(number)

    def _holder(self, number: int, told: Told, shallow: bool) -> str:
        """What a call's things belong to: "season 2 of the TV show Dark Harbour"."""
        phrase = ""
        for argument in _in_path_order(told):
            if argument.provenance == "upstream":
                thing = self._source(argument, shallow)
                phrase = (
                    thing if not phrase or phrase in thing else (phrase if thing in phrase else f"{thing} of {phrase}")
                )
            elif self._names_a_thing(told, argument):
                noun = phrases.label(argument.parameter)
                noun = " ".join(part for part in noun.split() if part not in ("id", "number", "code", "key")) or (
                    phrases.noun_for(phrases.resource(told.function), self.story.nouns)
                )
                phrase = f"{noun} {argument.value}{f' of {phrase}' if phrase else ''}"
        return phrase

    def _source(self, argument: Argument, shallow: bool) -> str:
        """The thing that an upstream argument identifies."""
        assert argument.step is not None
        tokens = jsonpath.parse(argument.location)
        if shallow:
            return f"that {phrases.member_noun(argument.parameter, self.story.nouns) or 'one'}"
        *holder, leaf = tokens
        thing = self.item(argument.step, tuple(holder if isinstance(leaf, str) else tokens))
        own = phrases.member_noun(str(leaf), self.story.nouns) if isinstance(leaf, str) else ""
        holder_name = next((str(t) for t in reversed(holder) if isinstance(t, str)), "")
        kind = phrases.resource(self.story.calls[argument.step].function)
        # "author_id" in a book names another thing; "book_id" or "id" in a book is the book itself.
        if not own or own in (singular(words(holder_name)[-1]) if holder_name else "", kind) or own in thing:
            return thing
        return f"the {own} of {thing}"

    def _clauses(self, number: int, told: Told) -> str:
        """The user's other wishes: "with format hardcover and year 2021"."""
        clauses = []
        for argument in told.call.arguments:
            parameter = told.function.parameter(argument.parameter)
            if argument.provenance != "user" or argument is self._search_text(told):
                continue
            if parameter.location == "path" and self._names_a_thing(told, argument):
                continue
            clauses.append(f"{phrases.label(argument.parameter)} {_value_text(argument.value)}")
        return f" with {' and '.join(clauses)}" if clauses else ""

    # --- small questions -------------------------------------------------------------------------

    def _search_text(self, told: Told) -> Argument | None:
        for argument in told.call.arguments:
            if argument.provenance == "user" and _takes_text(told.function.parameter(argument.parameter)):
                return argument
        return None

    def _names_a_thing(self, told: Told, argument: Argument) -> bool:
        parameter = told.function.parameter(argument.parameter)
        return parameter.location == "path" and not parameter.enum

    def _is_its_own_detail(self, told: Told, noun: str) -> bool:
        """Whether the call returns the very thing that its last path parameter identifies."""
        return told.function.path.endswith("}")

    def _quoted(self, value: Any, number: int) -> str:
        marks = self._wording("quotes", number).choice(("", '"'))
        return f"{marks}{value}{marks}"

    def _content(self, *purpose: Any) -> random.Random:
        """For choices of what is said: the same in all variants."""
        return rng(self.story.seed, *purpose)

    def _wording(self, *purpose: Any) -> random.Random:
        """For choices of how it is said."""
        return rng(self.story.seed, self.variant, *purpose)


def _politely(imperative: str, random_: random.Random) -> str:
    lowered = imperative[0].lower() + imperative[1:]
    if lowered.startswith("i want"):
        return imperative + "."
    form = random_.choice(
        (
            "{plain}.",
            "{plain}.",
            "Please {low}.",
            "Can you {low}?",
            "Could you {low}?",
            "I need you to {low}.",
            "{plain}, please.",
        )
    )
    return form.format(plain=imperative, low=lowered)


def _in_path_order(told: Told) -> list[Argument]:
    """Arguments that may hold the call's things: path first, as in the path, then other upstream ones."""
    by_name = {argument.parameter: argument for argument in told.call.arguments}
    in_path = [p.name for p in told.function.parameters if p.location == "path" and p.name in by_name]
    in_path.sort(key=lambda name: told.function.path.find("{" + name + "}"))
    others = [a.parameter for a in told.call.arguments if a.parameter not in in_path and a.provenance == "upstream"]
    return [by_name[name] for name in (*in_path, *others)]


def _takes_text(parameter: Parameter) -> bool:
    """The same notion of a search text that argument invention has."""
    return (
        parameter.type == "string"
        and parameter.location == "query"
        and not parameter.enum
        and words(parameter.name)[-1]
        in ("query", "q", "search", "term", "text", "keyword", "keywords", "name", "title")
    )


def _telling_fields(item: dict[str, Any]) -> list[tuple[str, Any]]:
    """Fields that a person might ask for: short scalars that are no ids, links or bookkeeping."""
    return [
        (name, value)
        for name, value in item.items()
        if isinstance(value, str | int | float)
        and not isinstance(value, bool)
        and value != ""
        and not is_identifier(name)
        and not (set(words(name)) & _UNTELLING)
        and "://" not in str(value)
    ]


def _name_of(item: Any) -> str:
    """What to call an item in an answer."""
    if not isinstance(item, dict):
        return _short(item) if isinstance(item, str | int | float) else ""
    for wanted in _NAMES:
        for name, value in item.items():
            if words(name)[-1:] == (wanted,) and isinstance(value, str) and value:
                return _short(value)
    fields = _telling_fields(item)
    return (
        f"{phrases.label(fields[0][0])} {_short(fields[0][1])}"
        if fields
        else _short(next(iter(phrases.scalars(item)), ""))
    )


def _facts(body: Any) -> str:
    """The first telling facts of a body as a sentence; empty if it has none."""
    fields = _telling_fields(body) if isinstance(body, dict) else []
    if not fields:
        values = [_short(value) for value in phrases.scalars(body)[:MAX_LISTED]]
        return f"{', '.join(values)}." if values else ""
    return "; ".join(f"{phrases.label(name)} {_short(value)}" for name, value in fields[:MAX_LISTED]) + "."


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT].rsplit(" ", 1)[0]


def _value_text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
