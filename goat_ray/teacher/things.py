"""Noun phrases as trees: a thing is told once, and "that movie" stands for it from there.

A tree is worked out once for a story, and said in each of the story's wordings.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Union

MAX_OWNER = 5  # words that an apostrophe may follow

Part = Union[str, "Thing"]


class Thing:
    """A noun phrase: words, and other things within it. Not to be changed once made."""

    __slots__ = ("name", "noun", "parts", "several", "text")

    def __init__(self, parts: tuple[Part, ...] = (), noun: str = "", name: str = "", *, several: bool = False) -> None:
        self.parts = parts
        self.noun = noun  # what "that NOUN" calls it later; empty where nothing may
        self.several: bool = several or any(isinstance(part, Thing) and part.several for part in parts)
        """Whether it is each of several things, or of each of them, which no "that NOUN" may call."""
        self.name = name  # how the user calls it; said before the parts, with or without its noun
        called = f"the {noun} {name}" if noun and name else name
        # The whole phrase; equal for equal things.
        self.text: str = called + "".join([part if isinstance(part, str) else part.text for part in parts])

    def within(self) -> Iterator["Thing"]:
        """The things that a later sentence may refer to: this one, and those in it."""
        if self.noun and not self.several:
            yield self
        for part in self.parts:
            if isinstance(part, Thing):
                yield from part.within()


class Voice:
    """One way to say things, and what has been said so far."""

    def __init__(self, *, quotes: str = "", names_kind: bool = True, owners: bool = False) -> None:
        self._quotes = quotes
        self._names_kind = names_kind  # "the film Quiet Tide" rather than "Quiet Tide"
        self._owners = owners  # "that film's second review" rather than "the second review of that film"
        self._told: dict[str, set[str]] = {}  # noun -> texts of the things that it has stood for

    def say(self, thing: Thing) -> str:
        """The phrase in full, or "that NOUN" where only this thing can be meant."""
        told = self._told.setdefault(thing.noun, set()) if thing.noun and not thing.several else None
        if told == {thing.text}:
            return f"that {thing.noun}"
        said = self._owned(thing) or self._called(thing) + self.join(thing.parts)
        if told is not None:
            told.add(thing.text)
        return said

    def introduce(self, thing: Thing) -> str:
        """The phrase in full; from here on its noun means this thing alone."""
        said = self.say(thing)
        if not thing.several:
            self._told[thing.noun] = {thing.text}
        return said

    def join(self, parts: Iterable[Part]) -> str:
        """Words and things one after the other."""
        return "".join([part if isinstance(part, str) else self.say(part) for part in parts])

    def _owned(self, thing: Thing) -> str:
        """The phrase with its owner before it, where the owner is told in few words; empty elsewhere."""
        match thing.parts:
            case (str() as own, " of ", Thing() as owner) if self._owners and own.startswith("the "):
                said = self.say(owner)
                if len(said.split()) > MAX_OWNER or "'s" in said or said.endswith(("s", '"')):
                    return f"{own} of {said}"
                return f"{said}'s {own.removeprefix('the ')}"
        return ""

    def may_own(self, thing: Thing) -> bool:
        """Whether an apostrophe may follow the phrase in full: none follows a quotation mark."""
        return not thing.text.endswith(("s", '"')) and not (self._quotes and _ends_with_name(thing))

    def _called(self, thing: Thing) -> str:
        if not thing.name:
            return ""
        name = f"{self._quotes}{thing.name}{self._quotes}"
        return f"the {thing.noun} {name}" if thing.noun and self._names_kind else name


def _ends_with_name(thing: Thing) -> bool:
    last = thing.parts[-1] if thing.parts else ""
    return _ends_with_name(last) if isinstance(last, Thing) else bool(thing.name) and not thing.parts


def shared(things: Sequence[Thing]) -> Thing | None:
    """The longest thing within all of the given ones whose noun means no other one of theirs; None without such."""
    common = set.intersection(*({one.text for one in thing.within()} for thing in things))
    inner = {one.text: one for thing in things for one in thing.within()}
    fit = [one for text, one in inner.items() if text in common and not _is_mistaken(one, inner.values())]
    return max(fit, key=lambda one: (len(one.text), one.text), default=None)


def _is_mistaken(one: Thing, others: Iterable[Thing]) -> bool:
    """Whether "that NOUN" might mean another thing, which is neither within this one nor this one within it."""
    return any(other.noun == one.noun and other.text not in one.text and one.text not in other.text for other in others)
