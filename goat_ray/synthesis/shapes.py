"""How the calls of a plan hang together. Sampling, reports and quotas share this one definition."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from goat_ray.records import CallPlan, Sample

Shape = Literal["single", "chain", "parallel", "tree", "join", "diamond"]

LONGEST = 12  # calls of a plan

SHAPES: tuple[Shape, ...] = ("single", "chain", "parallel", "tree", "join", "diamond")
"""From plain to rich: a plan that grows by a call or a link never falls back to an earlier one."""

SHORTEST: dict[Shape, int] = {"single": 1, "chain": 2, "parallel": 3, "tree": 4, "join": 3, "diamond": 3}
"""The least number of calls of each shape."""


def shape_of(record: CallPlan | Sample) -> Shape:
    """The shape of a plan, or of what became of it; calls that carry out one planned call count as one."""
    if isinstance(record, CallPlan):
        carried_out = list(range(len(record.calls)))
        taken = [mask(b.step for b in call.bindings if b.step is not None) for call in record.calls]
    else:
        numbers: dict[tuple[int, str], int] = {}
        carried_out = [numbers.setdefault((call.planned, call.function), len(numbers)) for call in record.calls]
        taken = [mask(carried_out[a.step] for a in call.arguments if a.step is not None) for call in record.calls]
    feeding = [0] * (max(carried_out) + 1)
    before = feeding[:]
    for planned, sources in zip(carried_out, taken, strict=True):
        feeding[planned] |= sources
        before[planned] |= sources
        for source in bits(sources):
            before[planned] |= before[source]
    return classify(feeding, before)


def classify(feeding: Sequence[int], before: Sequence[int]) -> Shape:
    """The shape of a dependency structure; calls are numbered, and sets of calls are bit masks.

    ``feeding[i]`` are the calls whose outputs call i takes, ``before[i]`` all calls that it depends on.

    - single: one call
    - chain: each call feeds the next
    - parallel: chains side by side, which start at one call and never meet
    - tree: some call below the first one feeds several others; no call takes from several
    - join: some call takes from several calls, which have nothing in common
    - diamond: some call takes from several calls, of which one depends on another or two on a third:
      paths part and meet again
    """
    if len(feeding) == 1:
        return "single"
    once = several = roots = 0
    joins = []
    for call, sources in enumerate(feeding):
        several |= once & sources
        once |= sources
        if not sources:
            roots |= 1 << call
        elif sources & (sources - 1):
            joins.append(sources)
    if joins:
        return "diamond" if any(_overlap(sources, before) for sources in joins) else "join"
    if several & ~roots:
        return "tree"
    return "parallel" if several or roots & (roots - 1) else "chain"


def _overlap(sources: int, before: Sequence[int]) -> bool:
    seen = 0
    for source in bits(sources):
        upto = before[source] | 1 << source
        if seen & upto:
            return True
        seen |= upto
    return False


def mask(calls: Iterable[int]) -> int:
    """A set of call numbers as a bit mask."""
    found = 0
    for call in calls:
        found |= 1 << call
    return found


def bits(calls: int) -> Iterator[int]:
    """The call numbers in a bit mask."""
    while calls:
        lowest = calls & -calls
        yield lowest.bit_length() - 1
        calls ^= lowest
