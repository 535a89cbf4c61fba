"""The list that a function answers with: what is in it, what the arguments choose, which page is shown."""

from typing import Any

from goat_ray.executors.sandbox.call import Call
from goat_ray.executors.sandbox.filters import (
    Test,
    bound_of,
    matches,
    member_test,
    reference_test,
    search_text,
    sort_key,
)
from goat_ray.executors.sandbox.keys import noun
from goat_ray.executors.sandbox.kinds import Kind, Ref
from goat_ray.executors.sandbox.lookups import slots
from goat_ray.executors.sandbox.paging import Paging
from goat_ray.executors.sandbox.shape import ROOT, Place, relation_name, tail_segments
from goat_ray.executors.sandbox.things import Link, Thing
from goat_ray.executors.sandbox.values import is_name_like
from goat_ray.executors.sandbox.world import World
from goat_ray.naming import words
from goat_ray.records import ApiFunction, Parameter


def primary_list(holder: Place) -> Place | None:
    """The one list that an answer is there to give; None if it gives a thing, or several lists."""
    root = holder.members.get(ROOT)
    if not isinstance(root, Place):
        return None
    if root.depth:
        return root
    function = root.function
    wrapped = wrapped_list(root)
    if wrapped is not None and not function.path.endswith("}"):
        return wrapped
    bound = any(True for _ in slots(function))
    if root.kinds and not (bound and tail_segments(function.path)):
        return None
    places = [root, *(place for place in root.places.values() if place.same)]
    lists = [place for outer in places for place in outer.places.values() if place.depth]
    keyed = [place for place in lists if place.kinds] or lists
    return keyed[0] if len(keyed) == 1 else None


def wrapped_list(root: Place) -> Place | None:
    """The list through which a body tells about its own things: ``{"Contacts": [{...}]}``, even of only one."""
    lists = [place for place in root.places.values() if place.depth and len(place.kinds) == 1]
    if root.depth or len(lists) != 1 or any(not ref.relation for ref in root.refs.values()):
        return None
    (kind,) = lists[0].kinds
    return lists[0] if root.kinds == (kind,) or (not root.kinds and noun(lists[0].name) == kind.name) else None


class Listing:
    """Chooses the items of one function's list."""

    def __init__(
        self, function: ApiFunction, place: Place, refs: dict[str, Ref], listed: list[Thing], world: World
    ) -> None:
        self._place = place
        self._relation = relation_name(place)
        things = [thing for kind in place.kinds for thing in world.rolls[kind].things]
        first = {thing.scope: thing for thing in listed if thing.kind in place.kinds}  # as the document's example
        self._base = [Link(thing) for thing in (*first.values(), *(t for t in things if t.scope not in first))]
        self._random = world.random
        self._title = function.title
        self.paging = Paging(function.parameters)
        self._searches: list[str] = []
        self._tests: list[tuple[Parameter, Test]] = []
        self._references: list[tuple[str, Ref, Test | None]] = []
        self._opaque: list[str] = []
        self._sorts = [p.name for p in function.parameters if words(p.name)[:1] in (("sort",), ("order",))]
        self._variants: tuple[str, dict[str, Kind]] | None = None
        self._names = [name for name in place.leaves if is_name_like(name) and not place.leaves[name].depth]
        for parameter in function.parameters:
            self._plan(parameter, refs.get(parameter.name))

    @property
    def keyed(self) -> bool:
        """Whether the list holds things of a kind rather than mere parts of an answer."""
        return bool(self._place.kinds)

    def _plan(self, parameter: Parameter, ref: Ref | None) -> None:
        name, place = parameter.name, self._place
        if name in self.paging.names or name in self._sorts:
            return
        if ref is not None:
            if parameter.location != "path":
                self._references.append((name, ref, reference_test(parameter, ref, place.kinds, place)))
            return
        by_name = {kind.name: kind for kind in place.kinds}
        spoken = {str(value): by_name[str(value)] for value in parameter.enum if str(value) in by_name}
        if spoken and len(place.kinds) > 1:
            self._variants = (name, spoken)
        elif place.kinds and search_text(parameter, place):
            self._searches.append(name)
        elif place.kinds and (test := member_test(parameter, place)) is not None:
            self._tests.append((parameter, test))
        elif parameter.required and not parameter.enum:
            self._opaque.append(name)  # nobody knows what it does, but it must do something

    def fill(self, call: Call, owner: Thing | None, found: dict[str, list[Thing]]) -> None:
        """Put the page that the arguments choose into the call; ``found`` has the things that they name."""
        if not self._place.kinds:
            world = call.state.world
            group = world.specs.group(self._place)
            chosen = world.parts(owner, group, self._relation, True).items if owner is not None else []
        else:
            chosen = self._choose(call, self._candidates(call, owner), found)
        self.paging.apply(call)
        call.total = len(chosen)
        call.listed = chosen[call.offset : call.offset + call.size]

    def _candidates(self, call: Call, owner: Thing | None) -> list[Link]:
        if owner is not None and owner.kind is not None:
            return call.state.many(owner, self._relation, self._place.kinds).items
        state = call.state
        if not state.writes:
            return self._base
        made = [Link(thing) for kind in self._place.kinds for thing in state.created(kind)]
        seen = (state.view(link.thing) for link in self._base)
        return [*made, *(Link(thing) for thing in seen if thing is not None)]

    def _choose(self, call: Call, links: list[Link], found: dict[str, list[Thing]]) -> list[Link]:
        arguments = call.arguments
        if self._variants is not None:
            kind = self._variants[1].get(str(arguments.get(self._variants[0])))
            links = [link for link in links if link.thing.kind is kind] if kind is not None else links
        for name in self._searches:
            if name in arguments:
                links = [link for link in links if matches(call, link.thing, str(arguments[name]), self._names)]
        shift: list[Any] = [arguments.get(name) for name in self._opaque]
        for name, _, test in self._references:
            if name not in found:
                continue
            if not found[name]:
                return []  # nothing is related to what does not exist
            kept = [link for link in links if test(call, link.thing, found[name])] if test is not None else []
            links = kept or links
            if not kept:
                shift.append(sorted(thing.scope for thing in found[name]))
        for parameter, test in self._tests:
            if parameter.name in arguments:
                kept = [link for link in links if test(call, link.thing, arguments[parameter.name])]
                links = kept if kept or self._may_be_none(call, parameter, test) else links
        return self._sort(call, self._shift(links, shift))

    def _may_be_none(self, call: Call, parameter: Parameter, test: Test) -> bool:
        """Whether nothing fits a bound, or a choice that tells things apart; of other values they may know nothing."""
        if parameter.enum:
            return any(test(call, link.thing, option) for link in self._base for option in parameter.enum)
        return bool(bound_of(parameter))

    def _shift(self, links: list[Link], by: list[Any]) -> list[Link]:
        """Start elsewhere for arguments whose effect no document tells."""
        if not any(value is not None for value in by) or not links:
            return links
        start = self._random(self._title, by).randrange(len(links))
        return links[start:] + links[:start]

    def _sort(self, call: Call, links: list[Link]) -> list[Link]:
        for parameter in self._sorts:
            for name, descending in sort_key(call.arguments.get(parameter), self._place):
                values = [(call.attribute(link.thing, name), link) for link in links]
                sort = str if any(isinstance(value, str) for value, _ in values) else float
                if all(isinstance(value, str | int | float) for value, _ in values):
                    values.sort(key=lambda pair: sort(pair[0]), reverse=descending)
                    links = [link for _, link in values]
        return links
