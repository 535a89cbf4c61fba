"""The embedded writer: queries, sub-queries and responses from executed calls, by rule.

It names each thing by where it comes from ("the second book by Ada Lind"), never by an intermediate
id, and asks for what the last calls return, so that a query is a goal and not a list of steps.
"""

import random
from dataclasses import dataclass
from itertools import islice
from typing import Any

from goat_ray import jsonpath
from goat_ray.naming import ordinal, plural, singular, words
from goat_ray.records import Argument, Parameter
from goat_ray.teacher import asking_forms, phrases
from goat_ray.teacher.asking_forms import capital, lower_first
from goat_ray.teacher.facts import facts, name_of, short, telling_fields
from goat_ray.teacher.ranking import ranked
from goat_ray.teacher.story import EACH, Story, Told

MAX_LISTED = 3  # items named in a response


@dataclass(frozen=True)
class Goal:
    """What is asked of one call, and what its output answers."""

    question: str  # a sentence without its end mark; starts with a capital
    answer: str


class Teller:
    """Tells one story. The same seed and variant give the same words; variants say the same in other words."""

    def __init__(self, story: Story, variant: int = 0) -> None:
        self.story = story
        self.variant = variant
        self._phrases = story.phrases
        self._goals: dict[int, Goal] = {}
        self._mentions: dict[str, str] = {}  # noun phrases of single things -> their nouns
        self._wording = random.Random(f"{story.seed}/{variant}")  # how things are said
        self._quotes = self._wording.choice(("", '"'))
        self._names_kind = self._wording.random() < 0.5  # "the film Quiet Tide" rather than "Quiet Tide"

    def query(self) -> str:
        """One request from which all calls follow."""
        numbers = self.story.goals()
        questions = [self.goal(number).question for number in numbers]
        topic = phrases.pluralise(self._phrases.resource_noun(self.story.calls[numbers[0]].function))
        return asking_forms.request(questions, self._mentions, topic, self._wording)

    def response(self) -> str:
        """An answer that says only what the outputs say."""
        return " ".join(self.goal(number).answer for number in self.story.goals())

    def subquery(self, number: int) -> str:
        """What one call does, as an instruction; upstream things are "that book"."""
        return f"{capital(self._instruction(number, self.story.calls[number], shallow=True))}."

    # --- goals -----------------------------------------------------------------------------------

    def goal(self, number: int) -> Goal:
        """What the user wants of a call that nothing else uses."""
        if number not in self._goals:
            self._goals[number] = self._find_goal(number)
        return self._goals[number]

    def _find_goal(self, number: int) -> Goal:
        told = self.story.calls[number]
        calls = self.story.fan_out(told)
        if len(calls) > 1:
            what = self.about(number)
            answers = ". ".join(self._answer(one) for one in calls)
            return Goal(self._wording.choice(asking_forms.LIST).format(what=what), f"{capital(what)}: {answers}.")
        if told.function.method in phrases.WRITES:
            done = self._instruction(number, told, shallow=False)
            return Goal(capital(done), f"Done. {facts(told.call.body)}".strip())
        root = self._phrases.primary_list(told.function)
        return self._detail_goal(number, told) if root is None else self._list_goal(number, told, root)

    def _list_goal(self, number: int, told: Told, root: tuple[jsonpath.Token, ...]) -> Goal:
        content, wording = self._content(number), self._wording
        found = jsonpath.find(told.call.body, jsonpath.render(root))
        items = found[0][1] if found and isinstance(found[0][1], list) else []
        first = self.item(number, (*root, 0))
        telling = _unknown(telling_fields(items[0]), first) if items else []
        fields = [pair for pair in telling if isinstance(pair[1], str)]
        if fields and content.random() < 0.35:
            name, value = content.choice(fields)
            return self._field_goal(phrases.label(name), first, value, wording)
        what = self.about(number)
        names = list(islice(filter(None, map(name_of, items)), MAX_LISTED))
        answer = f"{capital(what)}: {'; '.join(names)}." if names else f"{capital(what)}: {facts(told.call.body)}"
        return Goal(wording.choice(asking_forms.LIST).format(what=what), answer)

    def _answer(self, told: Told) -> str:
        """What one call of several alike returned: the names in its list, else its facts."""
        root = self._phrases.primary_list(told.function)
        found = jsonpath.find(told.call.body, jsonpath.render(root)) if root is not None else []
        items = found[0][1] if found and isinstance(found[0][1], list) else []
        names = list(islice(filter(None, map(name_of, items)), MAX_LISTED))
        return "; ".join(names) or facts(told.call.body).rstrip(".") or "nothing"

    def _detail_goal(self, number: int, told: Told) -> Goal:
        content, wording = self._content(number), self._wording
        what = self.about(number)
        fields = _unknown(telling_fields(told.call.body), what)
        if fields and content.random() < 0.85:
            name, value = content.choice(fields)
            parts = words(name)
            if parts[-1] == "count" and len(parts) > 1 and isinstance(value, int):
                counted = plural(" ".join(parts[:-1]))
                question = wording.choice(asking_forms.COUNT).format(counted=counted, what=what)
                return Goal(question, f"{capital(what)} has {value} {counted}.")
            return self._field_goal(phrases.label(name), what, value, wording)
        question = wording.choice(asking_forms.DETAIL).format(what=what)
        return Goal(question, f"{capital(what)}: {facts(told.call.body)}")

    def _field_goal(self, noun: str, what: str, value: Any, wording: random.Random) -> Goal:
        *before, last = noun.split()
        if last in ("on", "at") and before:  # created_at, starts_on
            if before[-1].endswith("ed"):
                verb = " ".join(before)
                return Goal(f"When was {what} {verb}", f"{capital(what)} was {verb} {last} {short(value)}.")
            noun = " ".join([*before[:-1], before[-1].removesuffix("s"), "date"])
        owner = len(what.split()) <= asking_forms.MAX_OWNER and not what.endswith(('"', "s"))
        form = wording.choice(asking_forms.OWNED if owner and wording.random() < 0.5 else asking_forms.FIELD)
        return Goal(form.format(noun=noun, what=what), f"The {noun} of {what} is {short(value)}.")

    def _instruction(self, number: int, told: Told, *, shallow: bool) -> str:
        """The call as an imperative."""
        function = told.function
        if function.method in phrases.WRITES:
            summary = function.summary.strip().rstrip(".") or phrases.label(function.name)
            things = [
                f"for {self._source(told, a, shallow)}" for a in told.call.arguments if a.provenance == "upstream"
            ]
            return " ".join([lower_first(summary), *dict.fromkeys(things)]) + self._clauses(told)
        if _search_text(told) is not None:
            return f"search for {self.about(number)}"
        return f"get {self.about(number, shallow=shallow)}"

    # --- noun phrases ----------------------------------------------------------------------------

    def about(self, number: int, *, shallow: bool = False) -> str:
        """The noun phrase of what a call returns: "the reviews of Harbour Lights"."""
        told = self.story.calls[number]
        topic = self._phrases.topic(told.function)
        text = _search_text(told)
        if text is not None:
            noun = phrases.pluralise(phrases.singularise(topic.noun))
            return f"{noun} matching {self._quoted(text.value)}{self._rest(told, shallow)}"
        holder = self._holder(told, shallow)
        if holder and told.function.path.endswith("}") and self._phrases.primary_list(told.function) is None:
            return holder + self._rest(told, shallow)
        return f"the {topic.noun}{f' {topic.preposition} {holder}' if holder else ''}{self._rest(told, shallow)}"

    def item(self, number: int, tokens: tuple[jsonpath.Token, ...], wanted: str = "", chosen: str = "") -> str:
        """The noun phrase of the object at a place in a call's output: "the second book by Ada Lind".

        ``wanted`` is what the next call takes it for, such as "person"; ``chosen`` is as in ``Argument``.
        """
        told = self.story.calls[number]
        named = [token for token in tokens if isinstance(token, str) and not phrases.is_wrapper(token)]
        if not tokens or (not named and isinstance(tokens[-1], str)):
            return self._one(number, told)
        *before, last = tokens
        if isinstance(last, str):
            if phrases.is_wrapper(last):
                return self.item(number, tuple(before), wanted, chosen)
            outer = self.item(number, tuple(before), chosen=chosen)
            return f"the {self._phrases.member(last)} of {outer}"
        if self._phrases.primary_list(told.function) == tuple(before):
            return self._listed(number, told, last, before, wanted, chosen)
        name = next((token for token in reversed(before) if isinstance(token, str)), "entry")
        outer = self._outer(number, told, tuple(before[:-1]))
        if phrases.ends_open(name):
            noun = wanted or "one"
            return self._mention(ranked(noun, f" that {outer} is {phrases.label(name)}", last, chosen), noun)
        noun = self._phrases.member(name)
        if phrases.of_group(name) and wanted not in ("", "person"):
            noun = phrases.singularise(self._phrases.topic(told.function).noun)  # a person's cast list holds films
        return self._mention(ranked(noun, f" of {outer}", last, chosen), noun)

    def _outer(self, number: int, told: Told, tokens: tuple[jsonpath.Token, ...]) -> str:
        """What a list inside a response belongs to; lists beside the main one share its holder."""
        if not tokens and self._phrases.primary_list(told.function) is not None:
            return self._holder(told, shallow=False) or self.about(number)
        return self.item(number, tokens)

    def _listed(self, number: int, told: Told, index: int, root: list[jsonpath.Token], wanted: str, chosen: str) -> str:
        """One item of the list that a call returns."""
        topic = self._phrases.topic(told.function)
        noun = phrases.singularise(topic.noun)
        held = next((str(token) for token in reversed(root) if isinstance(token, str)), "")
        foreign = bool(held) and not phrases.is_wrapper(held) and singular(words(held)[-1]) not in noun.split()
        if foreign and (wanted == "person" or not phrases.of_group(held)):
            noun = self._phrases.member(held)  # people in the credits of a film are its cast
        text = _search_text(told)
        rest = self._rest(told, shallow=False)
        if text is not None:
            quoted = self._quoted(text.value)
            if index == 0 and not chosen:
                return (f"the {noun} {quoted}" if self._names_kind else quoted) + rest
            return self._mention(ranked(noun, f" matching {quoted}{rest}", index, chosen), noun)
        holder = self._holder(told, shallow=False)
        whose = f" {topic.preposition} {holder}" if holder else ""
        kind = self._phrases.resource_noun(told.function)
        return self._mention(ranked(noun, whose + rest, index, chosen), kind if noun.endswith(kind) else noun)

    def _mention(self, phrase: str, noun: str) -> str:
        """The phrase; a later sentence may call it "that NOUN"."""
        if not phrase.startswith("each"):
            self._mentions[phrase] = noun
        return phrase

    def _one(self, number: int, told: Told) -> str:
        """The one thing that a call without a list is about."""
        if told.function.method != "POST":
            return self.about(number)
        holder = self._holder(told, shallow=False)
        noun = self._phrases.resource_noun(told.function)
        return f"the new {noun}{f' for {holder}' if holder else ''}{self._rest(told, shallow=False)}"

    def _holder(self, told: Told, shallow: bool) -> str:
        """What a call's things belong to, by its path: "season 2 of the TV show Dark Harbour"."""
        phrase = ""
        for argument in _path_arguments(told):
            if argument.provenance == "upstream":
                thing = self._source(told, argument, shallow)
                if thing not in phrase:
                    phrase = thing if phrase in thing else f"{thing} of {phrase}"
            elif not told.function.parameter(argument.parameter).enum:
                noun = self._phrases.member(argument.parameter) or self._phrases.resource_noun(told.function)
                phrase = f"{noun} {argument.value}{f' of {phrase}' if phrase else ''}"
        return phrase

    def _source(self, told: Told, argument: Argument, shallow: bool) -> str:
        """The thing that an upstream argument identifies, for the call that takes it."""
        assert argument.step is not None
        wanted = self._phrases.member(argument.parameter)
        kind = _segment_before(told, argument.parameter)
        if shallow:
            return f"that {self._phrases.noun(kind) if kind else wanted or 'one'}"
        tokens = jsonpath.parse(argument.location)
        at = next(n for n in range(len(tokens) - 1, -1, -1) if isinstance(tokens[n], str))
        holder, leaf = tokens[:at], str(tokens[at])
        chosen = argument.chosen
        if chosen == EACH:
            chosen += f" {len(self.story.fan_out(told))}"
        thing = self.item(argument.step, holder, wanted, chosen)
        own = self._phrases.member(leaf)
        inner = next((str(token) for token in reversed(holder) if isinstance(token, str)), "")
        source = phrases.resource(self.story.calls[argument.step].function)
        kinds = {singular(words(inner)[-1]) if words(inner) else "", source}
        # "author_id" in a book names another thing; "book_id" or "id" in a book is the book itself, and so is
        # the "card_number" of a member where /members/{card_number} takes it.
        if not own or own in {*kinds, *map(self._phrases.noun, kinds)} or (kind and kind in kinds):
            return thing
        place = tokens[at + 1] if at + 1 < len(tokens) else None
        return f"the {ordinal(place) + ' ' if isinstance(place, int) else ''}{phrases.singularise(own)} of {thing}"

    def _rest(self, told: Told, shallow: bool) -> str:
        """Everything that narrows a call beside its path: things from other calls, then the user's wishes."""
        things = [
            f" {phrases.joiner(argument.parameter)} {self._source(told, argument, shallow)}"
            for argument in told.call.arguments
            if argument.provenance == "upstream" and told.function.parameter(argument.parameter).location != "path"
        ]
        return "".join(dict.fromkeys(things)) + self._clauses(told)

    def _clauses(self, told: Told) -> str:
        """The user's other wishes: "with format hardcover and year 2021"."""
        clauses = [
            f"{phrases.label(argument.parameter)} {_value_text(argument.value)}"
            for argument in told.call.arguments
            if argument.provenance == "user"
            and argument is not _search_text(told)
            and not _is_place(told.function.parameter(argument.parameter))
        ]
        return f" with {' and '.join(clauses)}" if clauses else ""

    def _quoted(self, value: Any) -> str:
        return f"{self._quotes}{value}{self._quotes}"

    def _content(self, number: int) -> random.Random:
        """For choices of what is said of a call: the same in all variants."""
        return random.Random(f"{self.story.seed}/{number}")


def _search_text(told: Told) -> Argument | None:
    for argument in told.call.arguments:
        if argument.provenance == "user" and phrases.is_search_text(told.function.parameter(argument.parameter)):
            return argument
    return None


def _unknown(fields: list[tuple[str, Any]], what: str) -> list[tuple[str, Any]]:
    """The fields whose values the question does not give away: nobody asks for the name of Runa Feldspar."""
    return [(name, value) for name, value in fields if str(value).lower() not in what.lower()]


def _segment_before(told: Told, parameter: str) -> str:
    """The kind that a path names before a parameter: member in ``/members/{card_number}``."""
    before, found, _ = told.function.path.partition("/{" + parameter + "}")
    parts = words(before.rsplit("/", 1)[-1]) if found else ()
    return singular(parts[-1]) if parts else ""


def _is_place(parameter: Parameter) -> bool:
    """Whether the parameter says where in the path's tree a thing is, rather than narrowing a choice."""
    return parameter.location == "path" and not parameter.enum


def _path_arguments(told: Told) -> list[Argument]:
    by_name = {argument.parameter: argument for argument in told.call.arguments}
    names = [p.name for p in told.function.parameters if p.location == "path" and p.name in by_name]
    return [by_name[name] for name in sorted(names, key=lambda name: told.function.path.find("{" + name + "}"))]


def _value_text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
