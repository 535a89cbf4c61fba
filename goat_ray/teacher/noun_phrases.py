"""What each thing of a story is called: by where it comes from ("the second book by Ada Lind"), never by an id."""

from collections.abc import Callable, Iterator
from typing import Any

from goat_ray import jsonpath
from goat_ray.jsonpath import Token
from goat_ray.naming import ordinal, singular, words
from goat_ray.records import Argument, Parameter
from goat_ray.teacher import phrases
from goat_ray.teacher.ranking import ranked
from goat_ray.teacher.story import EACH, Story, Told, given_as
from goat_ray.teacher.things import Part, Thing
from goat_ray.teacher.wishes import joined, wishes

Tokens = tuple[Token, ...]

_PERSONS = frozenset("person customer user member account reader profile".split())


class NounPhrases:
    """The noun phrases of one story. Each is worked out once and remembered by the story, for all of its wordings."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._phrases = story.phrases
        self._known = story.memory

    def about(self, number: int, *, shallow: bool = False) -> Thing:
        """What a call returns: "the reviews of Harbour Lights"; ``shallow`` says "that book" of what it takes."""
        return self._once(("about", number, shallow), lambda: self._about(number, self._story.calls[number], shallow))

    def item(self, number: int, tokens: Tokens, wanted: str = "", chosen: str = "") -> Thing:
        """The object at a place in a call's output: "the second book by Ada Lind".

        ``wanted`` is what the next call takes it for, such as "person"; ``chosen`` is as in ``Argument``.
        """
        return self._once(("item", number, tokens, wanted, chosen), lambda: self._item(number, tokens, wanted, chosen))

    def sources(self, told: Told, *, shallow: bool) -> list[Part]:
        """The things that a call takes, each once: those that the user names by id, and those of earlier calls."""
        taken = [a for a in told.call.arguments if a.provenance == "upstream"]
        given = [Thing((f"{self._kind_of(told, a)} {a.value}",), self._kind_of(told, a)) for a in told.ids_given]
        return list({_text(part): part for part in (*given, *(self._source(told, a, shallow) for a in taken))}.values())

    def wishes(self, told: Told, *, alone: bool) -> str:
        """The user's other wishes: " in hardcover from 2021"; those of several calls only where one is ``alone``."""
        return joined(wishes(wish for name, wish in self._wished(told) if alone or name not in self._story.repeated))

    def throughout(self) -> str:
        """The wishes that several calls share, such as " with account A-7"; empty where there are none."""
        wished = dict(one for told in self._story.calls for one in self._wished(told))
        return joined(wishes(wish for name, wish in wished.items() if name in self._story.repeated))

    def _wished(self, told: Told) -> Iterator[tuple[str, tuple[Parameter, Any]]]:
        """What the user wishes of a call, each under the name that ``Story.repeated`` has for it."""
        consumed = {id(told.search_text), id(self._kind_argument(told))}
        for argument in told.call.arguments:
            parameter = told.function.parameter(argument.parameter)
            # What a path says of where a thing is tells which one is meant, and has been said.
            said = id(argument) in consumed or (parameter.location == "path" and not parameter.enum)
            if argument.provenance == "user" and not said:
                yield given_as(argument), (parameter, argument.value)

    def short(self, number: int) -> str:
        """What a call returns without what it belongs to: "the reviews"."""
        told = self._story.calls[number]
        noun, _ = self._nouns(told)
        return f"the {noun}"

    def _once(self, key: tuple[Any, ...], make: Callable[[], Thing]) -> Thing:
        found: Thing | None = self._known.get(key)
        if found is None:
            found = self._known[key] = make()
        return found

    # --- what a call returns -----------------------------------------------------------------------

    def _about(self, number: int, told: Told, shallow: bool) -> Thing:
        rest = self._rest(told, shallow)
        noun, tail = self._nouns(told)
        text = told.search_text
        if text is not None:
            return Thing((f"{phrases.pluralise(phrases.singularise(noun))}{tail} matching ", _name(text), *rest))
        holder = self._holder(told, shallow)
        if holder and told.function.path.endswith("}") and self._phrases.primary_list(told.function) is None:
            return Thing((holder, *rest), holder.noun) if rest else holder
        preposition = self._phrases.topic(told.function).preposition
        return Thing((f"the {noun}{tail}", *((f" {preposition} ", holder) if holder else ()), *rest))

    def _nouns(self, told: Told) -> tuple[str, str]:
        """The noun of what a call returns, and what stands after it."""
        topic = self._phrases.topic(told.function)
        if not topic.open:
            return topic.noun, topic.tail
        kind = self._kind_argument(told)
        if kind is None or not self._phrases.is_kind(str(kind.value)):
            return f"{topic.noun} entries", f" of {kind.value} kinds" if kind is not None else ""
        return f"{topic.noun} {phrases.pluralise(self._phrases.noun(str(kind.value)))}", ""

    def _kind_argument(self, told: Told) -> Argument | None:
        """The argument that says what kind of thing a call is about, where its document leaves that open."""
        if not self._phrases.topic(told.function).open:
            return None
        named = (a for a in told.call.arguments if words(a.parameter)[-1:] in (("type",), ("kind",)))
        return next((a for a in named if a.provenance == "user"), None)

    def _holder(self, told: Told, shallow: bool) -> Thing | None:
        """What a call's things belong to, by its path: "season 2 of the TV show Dark Harbour"."""
        holder: Thing | None = None
        for argument in told.path_arguments:
            if argument.provenance == "upstream":
                thing = self._source(told, argument, shallow)
                if holder is None or holder.text in thing.text:
                    holder = thing
                elif thing.text not in holder.text:
                    holder = Thing((thing, " of ", holder), thing.noun)
            elif not told.function.parameter(argument.parameter).enum:
                noun = self._kind_of(told, argument)
                tail: tuple[Part, ...] = (" of ", holder) if holder else ()
                holder = Thing((f"{noun} {argument.value}", *tail), noun)
        return holder

    def _kind_of(self, told: Told, argument: Argument) -> str:
        """What a path calls that which an argument identifies."""
        return self._phrases.member(argument.parameter) or self._phrases.resource_noun(told.function)

    def _rest(self, told: Told, shallow: bool) -> tuple[Part, ...]:
        """Everything that narrows a call beside its path: things from other calls, then the user's wishes."""
        together: dict[str, list[Thing]] = {}
        for argument in told.call.arguments:
            if argument.provenance == "upstream" and told.function.parameter(argument.parameter).location != "path":
                thing = self._source(told, argument, shallow)
                joined_ = together.setdefault(phrases.joiner(argument.parameter), [])
                if all(thing.text != other.text for other in joined_):
                    joined_.append(thing)
        parts: list[Part] = []
        for preposition, things in together.items():
            for place, thing in enumerate(things):
                parts += [" and " if place else f" {preposition} ", thing]
        wished = self.wishes(told, alone=shallow)
        return (*parts, wished) if wished else tuple(parts)

    # --- things in what a call returns -------------------------------------------------------------

    def _item(self, number: int, tokens: Tokens, wanted: str, chosen: str) -> Thing:
        told = self._story.calls[number]
        named = [token for token in tokens if isinstance(token, str) and not phrases.is_wrapper(token)]
        if not tokens or (not named and isinstance(tokens[-1], str)):
            return self._one(number, told)
        before, last = tokens[:-1], tokens[-1]
        if isinstance(last, str):
            if phrases.is_wrapper(last):
                return self.item(number, before, wanted, chosen)
            noun = self._phrases.member(last)
            whole = self.item(number, before, chosen=chosen)
            if not before and self._is_all(noun, whole, told):
                return Thing(whole.parts, noun, whole.name)  # {"view": {...}} is the view itself
            return Thing((f"the {noun} of ", whole), noun)
        if self._phrases.primary_list(told.function) == before:
            return self._listed(told, last, before, wanted, chosen)
        if before and isinstance(before[-1], int):  # a list within a list has no name of its own
            return _ranked("entry", "entry", (" of ", self.item(number, before)), last, chosen)
        name = next((token for token in reversed(before) if isinstance(token, str)), "entry")
        outer = self._outer(number, told, before[:-1])
        if phrases.ends_open(name):
            noun = wanted or "one"
            return _ranked(noun, noun, (" ", outer, f" is {phrases.label(name)}"), last, chosen)
        noun = self._phrases.member(name)
        if phrases.of_group(name) and not self._holds_people(told, wanted):
            noun = phrases.singularise(self._phrases.topic(told.function).noun)
        single = told.function.path.endswith("}") or self._phrases.outcome(told.function)
        if single and last == 0 and not chosen and outer.noun and noun.endswith(outer.noun):
            return outer  # a list of the one thing that was asked for or made
        return _ranked(noun, noun, (" of ", outer), last, chosen)

    def _is_all(self, noun: str, whole: Thing, told: Told) -> bool:
        """Whether a member is what its call is about anyway."""
        about = (whole.noun, self._phrases.topic(told.function).noun, self._phrases.resource_noun(told.function))
        return noun.replace(" ", "").lower() in {one.replace(" ", "").lower() for one in about}

    def _outer(self, number: int, told: Told, tokens: Tokens) -> Thing:
        """What a list inside a response belongs to; lists beside the main one share its holder."""
        if not tokens and self._phrases.primary_list(told.function) is not None:
            return self._holder(told, shallow=False) or self.about(number)
        return self.item(number, tokens)

    def _listed(self, told: Told, index: int, root: Tokens, wanted: str, chosen: str) -> Thing:
        """One item of the list that a call returns."""
        topic = self._phrases.topic(told.function)
        plural, tail = self._nouns(told)
        noun = phrases.singularise(plural)
        held = next((str(token) for token in reversed(root) if isinstance(token, str)), "")
        if self._holds_others(told, held, noun, wanted):
            noun = self._phrases.member(held)
        rest = self._rest(told, shallow=False)
        text = told.search_text
        if text is not None and index == 0 and not chosen:
            return Thing(rest, noun, str(text.value))
        kind = self._phrases.resource_noun(told.function)
        brief = kind if noun.endswith(kind) else noun
        holder = self._holder(told, shallow=False)
        made = self._phrases.outcome(told.function)
        if index == 0 and not chosen:
            if holder and told.function.path.endswith("}") and holder.noun in (noun, brief):
                return Thing((holder, *rest), holder.noun) if rest else holder  # the one thing that was asked for
            if made:
                return Thing((f"the {made} {noun}", tail, *rest), noun)
        if text is not None:
            return _ranked(noun, brief, (f"{tail} matching ", _name(text), *rest), index, chosen)
        whose: tuple[Part, ...] = (f" {topic.preposition} ", holder) if holder else ()
        return _ranked(noun, brief, (tail, *whose, *rest), index, chosen)

    def _holds_others(self, told: Told, held: str, noun: str, wanted: str) -> bool:
        """Whether a list's name says better what its items are than the call does: the cast in a film's credits."""
        if not held or phrases.is_wrapper(held) or singular(words(held)[-1]) in noun.split():
            return False
        return not phrases.of_group(held) or self._holds_people(told, wanted)

    def _holds_people(self, told: Told, wanted: str) -> bool:
        """Whether a list that is called a cast or a crew is one; a person's holds the films that they were in."""
        places = told.path_arguments
        of_person = bool(places) and told.kind_before(places[-1].parameter) in _PERSONS
        return wanted == "person" or not of_person

    def _one(self, number: int, told: Told) -> Thing:
        """The one thing that a call without a list is about."""
        made = self._phrases.outcome(told.function)
        if not made:
            return self.about(number)
        holder, rest = self._holder(told, shallow=False), self._rest(told, shallow=False)
        if holder and made == "updated" and told.function.path.endswith("}"):
            return Thing((holder, *rest), holder.noun) if rest else holder
        noun = self._phrases.resource_noun(told.function)
        whose: tuple[Part, ...] = (" for ", holder) if holder else ()
        return Thing((f"the {made} {noun}", *whose, *rest), noun)

    def _source(self, told: Told, argument: Argument, shallow: bool) -> Thing:
        """The thing that an upstream argument identifies, for the call that takes it."""
        # Arguments live as long as their story.
        return self._once(("source", id(argument), shallow), lambda: self._find_source(told, argument, shallow))

    def _find_source(self, told: Told, argument: Argument, shallow: bool) -> Thing:
        assert argument.step is not None
        wanted = self._phrases.member(argument.parameter)
        kind = told.kind_before(argument.parameter)
        if shallow:
            return Thing((f"that {self._phrases.noun(kind) if kind else wanted or 'one'}",))
        chosen = argument.chosen
        if chosen == EACH:
            chosen += f" {len(self._story.fan_out(told))}"
        tokens = jsonpath.parse(argument.location)
        at = next((n for n in range(len(tokens) - 1, -1, -1) if isinstance(tokens[n], str)), None)
        if at is None:  # the value is all of the response, or an item of a list without a name
            return self.item(argument.step, tokens, wanted, chosen)
        holder, leaf = tokens[:at], str(tokens[at])
        own = self._phrases.member(leaf)
        inner = next((str(token) for token in reversed(holder) if isinstance(token, str)), "")
        source = phrases.resource(self._story.calls[argument.step].function)
        *before, last = words(inner) or ("",)
        kinds = {singular(last), " ".join([*before, singular(last)])}
        if not (phrases.of_group(inner) and self._holds_people(self._story.calls[argument.step], wanted)):
            kinds.add(source)  # what a call is about is in its lists, but a film's credits are not its cast
        # "author_id" in a book names another thing; "book_id" or "id" in a book is the book itself, and so is
        # the "card_number" of a member where /members/{card_number} takes it, and the customer who is a reviewer.
        if not own or own in {*kinds, *map(self._phrases.noun, kinds)} or (kind and kind in kinds):
            return self.item(argument.step, holder, wanted, chosen)
        if own in _PERSONS and inner.endswith(("er", "or")):
            return self.item(argument.step, holder, own, chosen)
        place = tokens[at + 1] if at + 1 < len(tokens) else None
        noun = phrases.singularise(own)
        which = f"{ordinal(place)} " if isinstance(place, int) else ""
        return Thing((f"the {which}{noun} of ", self.item(argument.step, holder, chosen=chosen)), noun)


def _ranked(noun: str, brief: str, tail: tuple[Part, ...], index: int, chosen: str) -> Thing:
    """One item of a list, which a later sentence may call "that BRIEF"; each of several has no such name."""
    parts = (ranked(noun, index, chosen), *(part for part in tail if part))
    several = chosen.startswith(EACH)
    return Thing(parts, "" if several else brief, several=several)


def _name(text: Argument) -> Thing:
    return Thing(name=str(text.value))


def _text(part: Part) -> str:
    return part if isinstance(part, str) else part.text
