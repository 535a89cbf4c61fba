"""Growing one connected subgraph to a given length and shape (paper: section 3.2, step 1).

A draft grows from one function or one edge. Whatever a function needs and cannot be asked of the user comes
from another function, which has needs of its own. While there is room, the draft grows on: forwards to a
function that uses one of its outputs, or backwards to one that fills another parameter. A move that leads
nowhere is taken back; the cost of a plan is linear in its length and logarithmic in the number of edges.
"""

import random
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy.typing as npt

from goat_ray.graph.adjacency import NEEDED, SCOPED, CallGraph
from goat_ray.synthesis.shapes import LONGEST, SHAPES, Shape, bits, classify

TRIES = 6  # moves to try where one leads nowhere
REDRAWS = 4  # of an edge whose other end is in the draft already
INSIDE = 0.7  # chance that a need is met by a function of the draft where one can
DEEPEN = 0.7  # chance that a draft grows on from its last calls rather than from any
ATTACH = 0.4  # chance that it grows backwards where calls should come together
CACHED = 65_536  # functions whose inputs are kept at hand
RANK: dict[Shape, int] = {shape: rank for rank, shape in enumerate(SHAPES)}


@dataclass
class Draft:
    """A plan in the making. Its calls are numbered as they were added; sets of calls are bit masks."""

    functions: list[int] = field(default_factory=list)
    feeding: list[int] = field(default_factory=list)  # the calls whose outputs each call takes
    before: list[int] = field(default_factory=list)  # all calls that each call depends on
    feeds: dict[tuple[int, int], int] = field(default_factory=dict)  # (call, slot) -> edge
    needs: list[tuple[int, int]] = field(default_factory=list)  # (call, slot) that an edge must still feed

    def copy(self) -> "Draft":
        """One to try a move on."""
        return Draft(self.functions[:], self.feeding[:], self.before[:], self.feeds.copy(), self.needs[:])

    def add(self, function: int) -> int:
        """A call of this function, not linked yet; returns its number."""
        self.functions.append(function)
        self.feeding.append(0)
        self.before.append(0)
        return len(self.functions) - 1

    def link(self, source: int, target: int, slot: int, edge: int) -> None:
        """Let one call feed another, which must not come before it."""
        self.feeds[target, slot] = edge
        self.feeding[target] |= 1 << source
        gained = self.before[source] | 1 << source
        for call, earlier in enumerate(self.before):
            if call == target or earlier >> target & 1:
                self.before[call] |= gained

    def may_feed(self, source: int, target: int) -> bool:
        """Whether the link would make no circle."""
        return source != target and not self.before[source] >> target & 1

    @property
    def rank(self) -> int:
        """Where its shape stands among the shapes."""
        return RANK[classify(self.feeding, self.before)]

    @property
    def last(self) -> int:
        """The calls that feed no other."""
        feeding = 0
        for sources in self.feeding:
            feeding |= sources
        return ~feeding & (1 << len(self.functions)) - 1


@dataclass(frozen=True)
class Inputs:
    """The slots of one function by what they are to sampling."""

    needed: list[int]
    scoped: list[int]
    fed: list[int]  # that edges could feed, without the scoped ones


class Grower:
    """Grows drafts on one graph. All choices are made by the random generator that is passed in."""

    def __init__(self, graph: CallGraph) -> None:
        self.slots, self.into, self.out = _view(graph.slots), _view(graph.into), _view(graph.out)
        self.source, self.slot, self.leaving = _view(graph.source), _view(graph.slot), _view(graph.leaving)
        self.kind, self.owner, self.cost = _view(graph.kind), _view(graph.owner), _view(graph.cost)
        self.name, self.field = _view(graph.name), _view(graph.field)
        self.into_weight, self.out_weight = _view(graph.into_weight), _view(graph.out_weight)
        self.within = [
            bisect_right(self.cost, cost) for cost in range(LONGEST + 1)
        ]  # functions that cost so much or less
        self.inputs = lru_cache(CACHED)(self._inputs)

    def grow(self, function: int, edge: int, length: int, shape: Shape, random_: random.Random) -> Draft | None:
        """A draft of that length and shape with this function, fed by this edge if one is given; None for no luck."""
        wanted = RANK[shape]
        draft = self._start(function, edge)
        if not self._settle(draft, length, wanted, random_):
            return None
        while len(draft.functions) < length:
            for _ in range(TRIES):
                grown = draft.copy()
                if self._extend(grown, length, wanted, random_) and self._settle(grown, length, wanted, random_):
                    break
            else:
                return None
            draft = grown
        self._take_scoped(draft, wanted, random_)
        if draft.rank < wanted:
            self._close(draft, wanted, random_)
        return draft if draft.rank == wanted else None

    def _start(self, function: int, edge: int) -> Draft:
        draft = Draft()
        self._include(draft, function)
        if edge >= 0:
            slot = self.slot[edge]
            source = self._include(draft, self.source[edge])
            draft.link(source, 0, slot, edge)
            draft.needs = [need for need in draft.needs if need != (0, slot)]
        return draft

    def _include(self, draft: Draft, function: int) -> int:
        call = draft.add(function)
        draft.needs += [(call, slot) for slot in self.inputs(function).needed]
        return call

    def _inputs(self, function: int) -> Inputs:
        slots = range(self.slots[function], self.slots[function + 1])
        fed = [slot for slot in slots if self.into[slot] < self.into[slot + 1]]
        return Inputs(
            needed=[slot for slot in fed if self.kind[slot] & NEEDED],
            scoped=[slot for slot in fed if self.kind[slot] & SCOPED],
            fed=[slot for slot in fed if not self.kind[slot] & SCOPED],
        )

    # --- backwards -------------------------------------------------------------------------------

    def _settle(self, draft: Draft, length: int, wanted: int, random_: random.Random) -> bool:
        """Meet all open needs within the length; False if there is no way, or it gives too rich a shape."""
        while draft.needs:
            call, slot = draft.needs.pop(0)
            if not self._feed(draft, call, slot, length - len(draft.functions) - len(draft.needs), wanted, random_):
                return False
        return len(draft.functions) <= length and draft.rank <= wanted

    def _feed(self, draft: Draft, call: int, slot: int, room: int, wanted: int, random_: random.Random) -> bool:
        inside = self._inside(draft, call, slot, wanted)
        joins = draft.feeding[call] != 0 and wanted < RANK["join"]
        if not inside or random_.random() >= INSIDE:
            edge = -1 if joins else self._draw_into(draft, slot, room, random_)
            if edge >= 0:
                draft.link(self._include(draft, self.source[edge]), call, slot, edge)
                return True
        if not inside:
            return False
        source, first, last = random_.choice(inside)
        draft.link(source, call, slot, random_.randrange(first, last))
        return True

    def _inside(self, draft: Draft, call: int, slot: int, wanted: int) -> list[tuple[int, int, int]]:
        """(call, first edge, last edge) for the calls of the draft that can feed the slot."""
        found = []
        for source, function in enumerate(draft.functions):
            if not draft.may_feed(source, call):
                continue
            if wanted < RANK["join"] and draft.feeding[call] | 1 << source != 1 << source:
                continue
            first, last = self._edges(function, slot)
            if first < last:
                found.append((source, first, last))
        return found

    def _edges(self, function: int, slot: int) -> tuple[int, int]:
        """The range of edges from a function into a slot."""
        first = bisect_left(self.source, function, self.into[slot], self.into[slot + 1])
        return first, bisect_right(self.source, function, first, self.into[slot + 1])

    def _draw_into(self, draft: Draft, slot: int, room: int, random_: random.Random) -> int:
        """An edge into the slot from a function outside the draft that costs at most ``room`` calls; -1 for none."""
        if room < 1:
            return -1
        first = self.into[slot]
        last = bisect_left(self.source, self.within[room], first, self.into[slot + 1])
        for _ in range(REDRAWS if first < last else 0):
            edge = _weighted(self.into_weight, first, last, random_)
            if self.source[edge] not in draft.functions:
                return edge
        return -1

    # --- onwards ---------------------------------------------------------------------------------

    def _extend(self, draft: Draft, length: int, wanted: int, random_: random.Random) -> bool:
        """Add one function to the draft; False if the one tried does not fit."""
        if wanted >= RANK["join"] and random_.random() < ATTACH and self._attach(draft, length, random_):
            return True
        inputs = 2 if draft.rank < RANK["join"] <= wanted else 1  # calls can come together where there are several
        call = random_.choice(list(bits(self._starts(draft, wanted, random_))))
        function = draft.functions[call]
        first, last = self.out[function], self.out[function + 1]
        for _ in range(REDRAWS * inputs if first < last else 0):
            edge = self.leaving[_weighted(self.out_weight, first, last, random_)]
            slot = self.slot[edge]
            if self.owner[slot] not in draft.functions and len(self.inputs(self.owner[slot]).fed) >= inputs:
                target = self._include(draft, self.owner[slot])
                draft.needs = [need for need in draft.needs if need != (target, slot)]
                draft.link(call, target, slot, edge)
                return True
        return False

    def _starts(self, draft: Draft, wanted: int, random_: random.Random) -> int:
        """The calls to grow on from."""
        everything = (1 << len(draft.functions)) - 1
        if wanted <= RANK["chain"]:
            return draft.last
        missing = draft.rank < wanted <= RANK["tree"]  # it must branch somewhere
        if random_.random() < (1 - DEEPEN if missing else DEEPEN):
            return draft.last
        if wanted > RANK["parallel"]:
            return everything
        return sum(1 << call for call, sources in enumerate(draft.feeding) if not sources)

    def _attach(self, draft: Draft, length: int, random_: random.Random) -> bool:
        """Let a function outside fill one more parameter of a call."""
        free = [(call, slot) for call in range(len(draft.functions)) for slot in self._free_slots(draft, call)]
        if not free:
            return False
        call, slot = random_.choice(free)
        edge = self._draw_into(draft, slot, length - len(draft.functions), random_)
        if edge < 0:
            return False
        draft.link(self._include(draft, self.source[edge]), call, slot, edge)
        return True

    def _free_slots(self, draft: Draft, call: int) -> list[int]:
        """The parameters of a call that edges could feed, and none does."""
        return [slot for slot in self.inputs(draft.functions[call]).fed if (call, slot) not in draft.feeds]

    def _close(self, draft: Draft, wanted: int, random_: random.Random) -> None:
        """Link two calls of the draft so that it gets the wanted shape, if that can be."""
        found = []
        for call in range(len(draft.functions)):
            for slot in self._free_slots(draft, call):
                for source, first, last in self._inside(draft, call, slot, wanted):
                    tried = draft.copy()
                    tried.link(source, call, slot, first)
                    if tried.rank == wanted:
                        found.append((source, call, slot, first, last))
        if found:
            source, call, slot, first, last = random_.choice(found)
            draft.link(source, call, slot, random_.randrange(first, last))

    def _take_scoped(self, draft: Draft, wanted: int, random_: random.Random) -> None:
        """Take some scoped numbers from a call about the same thing; the user gives the others ("season 2")."""
        for call, function in enumerate(draft.functions):
            for slot in self.inputs(function).scoped:
                if random_.random() < 0.5:
                    continue
                fitting = []
                for source, first, last in self._inside(draft, call, slot, wanted):
                    if self._about_the_same(draft, source, call):
                        tried = draft.copy()
                        tried.link(source, call, slot, first)
                        if tried.rank <= wanted:
                            fitting.append((source, first, last))
                if fitting:
                    source, first, last = random_.choice(fitting)
                    draft.link(source, call, slot, random_.randrange(first, last))

    def _about_the_same(self, draft: Draft, source: int, call: int) -> bool:
        """Whether two calls are about one thing: one gives the other what it is about, or a third gives both."""
        if draft.feeding[call] >> source & 1:
            return True
        given = {
            (self.name[slot], self.source[edge], self.field[edge])
            for (fed, slot), edge in draft.feeds.items()
            if fed == call
        }
        return any(
            (self.name[slot], self.source[edge], self.field[edge]) in given
            for (fed, slot), edge in draft.feeds.items()
            if fed == source
        )


def _view(array: npt.NDArray[Any]) -> "memoryview[Any]":
    """An array whose items are plain numbers, several times quicker to get than NumPy's."""
    return memoryview(array)  # type: ignore[arg-type]


def _weighted(sums: "memoryview[float]", first: int, last: int, random_: random.Random) -> int:
    """A number of [first, last) by the weights of which ``sums`` are the running sums."""
    drawn = sums[first] + random_.random() * (sums[last] - sums[first])
    return min(max(bisect_right(sums, drawn, first, last + 1) - 1, first), last - 1)
