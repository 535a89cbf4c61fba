"""Orders: what each plan should be like, decided before any is drawn, so that plans are independent of each other."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goat_ray.graph.adjacency import NEEDED, SCOPED, CallGraph, links
from goat_ray.identity import ID_HEX_DIGITS, digest, ids_of
from goat_ray.records import PlanOrder
from goat_ray.synthesis.config import SamplingConfig
from goat_ray.synthesis.shapes import LONGEST, SHORTEST, Shape

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio
ROWS = 65_536  # orders of one table

LACKING = 4  # one of so many orders of a kind, at most, starts from what is used too little: it may never succeed

Numbers = npt.NDArray[np.int64]
Small = npt.NDArray[np.uint8]


class Cell(NamedTuple):
    """One kind of plan that quotas speak of."""

    length: int  # calls
    shape: Shape
    service: str = ""  # of the function that the plan grows from; empty for any


class Starts(NamedTuple):
    """What plans are to grow from, as numbers of the graph."""

    functions: npt.NDArray[np.int32]
    edges: npt.NDArray[np.int32]  # the edge that feeds the function; -1 for any

    @property
    def id(self) -> str:
        """An id of their content."""
        return hashlib.sha256(self.functions.tobytes() + self.edges.tobytes()).hexdigest()[:ID_HEX_DIGITS]


Mix = Mapping[Cell, float]
"""Relative shares of the kinds of plans."""


def configured_mix(config: SamplingConfig) -> dict[Cell, float]:
    """The mix of a configuration: lengths as they say, and shapes and services alike at each length."""
    services = config.services or {"": 1.0}
    mix: dict[Cell, float] = {}
    for length, share in config.lengths.items():
        possible: dict[Shape, float] = {s: w for s, w in config.shapes.items() if 2 <= SHORTEST[s] <= length and w > 0}
        if length == 1 or not possible:
            possible = {"single" if length == 1 else "chain": 1.0}
        for shape, weight in possible.items():
            for service, part in services.items():
                alike = weight / sum(possible.values()) * part / sum(services.values())
                mix[Cell(length, shape, service)] = share * alike
    return {cell: weight for cell, weight in mix.items() if weight > 0}


def plan_orders(
    graph: CallGraph,
    mix: Mix,
    config: SamplingConfig,
    first: int,
    count: int,
    earlier: Mapping[tuple[int, str], int] | None = None,
    lacking: Starts | None = None,
) -> Iterator[pa.Table]:
    """The orders ``[first, first + count)`` as tables of ``PlanOrder``.

    Each order is a function of graph, mix, settings and its number. Kinds of plans are dealt out by the golden
    ratio's multiples, so that any stretch of orders has the mix. Each function and each edge is at home at one of the
    mix's lengths that can have it. Within each length and service, orders start from each function that is at home
    there ``config.coverage`` times, costly ones first, and then as often from each such edge, rare ones first; all
    further orders start from functions by the graph's even weights.

    ``earlier`` counts the orders before ``first`` by length and service, where another mix has made them. The first
    orders start from what is ``lacking`` among what became of those.
    """
    cells = sorted(cell for cell, weight in mix.items() if weight > 0)
    if not cells or not len(graph.ids):
        return
    numbers = np.arange(first + count)
    dealt = _dealt(np.array([mix[cell] for cell in cells]), numbers, digest("orders", config.seed))
    starts = _Starts(graph, config, cells, lacking)
    function = np.full(count, -1, np.int32)
    edge = np.full(count, -1, np.int32)
    for length, service in sorted({(cell.length, cell.service) for cell in cells}):
        same = np.array([(cell.length, cell.service) == (length, service) for cell in cells])
        mine = np.flatnonzero(same[dealt])
        before = int(np.searchsorted(mine, first))
        here = mine[before:] - first
        done = before if earlier is None else earlier.get((length, service), 0)
        function[here], edge[here] = starts.deal(length, service, done, done + len(here))
    for start in range(0, count, ROWS):
        yield _table(cells, dealt[first:], function, edge, first, range(start, min(start + ROWS, count)))


def _dealt(weights: npt.NDArray[np.float64], turns: Numbers, offset: int) -> Numbers:
    """For each turn one of the weights' numbers, so that any stretch of turns has their shares."""
    at = turns.astype(np.uint64) * GOLDEN + np.uint64(offset)
    shares = np.cumsum(weights / weights.sum())
    found = np.searchsorted(shares, (at >> np.uint64(11)) * 2.0**-53, side="right")
    return np.asarray(np.minimum(found, len(weights) - 1))


class _Starts:
    """What the orders of one length and service start from, one after the other."""

    def __init__(self, graph: CallGraph, config: SamplingConfig, cells: Sequence[Cell], lacking: Starts | None) -> None:
        self.graph = graph
        self.coverage = config.coverage
        self.seed = config.seed
        self.edges = _rare_first(graph)
        self.reach = _reach(graph, self.edges)
        # The configured shares, and not the mix's: homes stay the same while rounds lean towards what is missing.
        self.lengths: dict[str, dict[int, float]] = {}  # of each service
        for cell in cells:
            self.lengths.setdefault(cell.service, {})[cell.length] = config.lengths.get(cell.length) or 1.0
        self.most = _most_calls(graph)
        self.lacking = lacking
        self.stock = cache(self._stock)

    def deal(self, length: int, service: str, done: int, until: int) -> tuple[Numbers, Numbers]:
        """(functions, edges) for the orders ``[done, until)`` of that length and service; edge -1 for none."""
        graph = self.graph
        functions, homes, edges, edge_homes = self.stock(service)
        able = (graph.cost[functions] <= length) & (length <= self.most[functions])
        functions, at_home = functions[able], functions[homes == length]
        edges = edges[edge_homes == length]
        if not len(functions):
            return np.full(until - done, -1), np.full(until - done, -1)
        turn = np.arange(done, until)
        covering = turn // max(self.coverage, 1)
        each = self.coverage * len(at_home)  # turns until each function had its share, then each edge
        linked = (turn >= each) & (turn < each + self.coverage * len(edges))
        function = functions[_dealt(graph.even[functions], turn, 0)]
        function[turn < each] = at_home[covering[turn < each]]
        edge = np.full(len(turn), -1)
        edge[linked] = edges[covering[linked] - len(at_home)]
        function[linked] = graph.owner[graph.slot[edge[linked]]]
        if self.lacking is not None:
            chosen = self._chosen(self.lacking, length, service, done, (until - done) // LACKING)
            function[: len(chosen)], edge[: len(chosen)] = self.lacking.functions[chosen], self.lacking.edges[chosen]
        return function, edge

    def _stock(self, service: str) -> tuple[Numbers, Small, Numbers, Small]:
        """The functions of a service, costly ones first, and its edges, rare ones first, each with its home."""
        graph, edges, reach = self.graph, self.edges, self.reach
        functions = np.arange(len(graph.ids))[::-1]
        if service:
            found = graph.services.index(service).as_py()
            functions = functions[graph.service[functions] == found]
            mine = graph.service[graph.owner[graph.slot[edges]]] == found
            edges, reach = edges[mine], reach[mine]
        lengths = self.lengths[service]
        homes = _homes(graph.cost[functions], self.most[functions], lengths, self.seed)
        return functions, homes, edges, _homes(reach, self.most[graph.source[edges]], lengths, self.seed)

    def _chosen(self, lacking: Starts, length: int, service: str, done: int, most: int) -> Numbers:
        """What of the lacking a plan of that length and service may have: functions, then edges, shuffled anew."""
        graph = self.graph
        fits = (graph.cost[lacking.functions] <= length) & (length <= self.most[lacking.functions])
        fed = lacking.edges >= 0
        fits[fed] &= _reach(graph, lacking.edges[fed]) <= length
        if service:
            fits &= graph.service[lacking.functions] == graph.services.index(service).as_py()
        random_ = np.random.default_rng(digest("lacking", self.seed, length, service, done))
        shuffled = random_.permutation(np.flatnonzero(fits))
        return shuffled[np.argsort(fed[shuffled], kind="stable")][:most]


def plain_edges(graph: CallGraph) -> Numbers:
    """All edges but those into scoped slots: whether they make sense depends on the plan, so that none starts there."""
    return np.flatnonzero(graph.kind[graph.slot] & SCOPED == 0)


def _most_calls(graph: CallGraph) -> Numbers:
    """How many calls a plan with each function can have: it never leaves what edges join, and calls nothing twice."""
    from scipy.sparse import csr_array  # takes half a second to load, and most commands need no orders
    from scipy.sparse.csgraph import connected_components

    functions = len(graph.ids)
    target = graph.owner[graph.slot[graph.leaving]]
    joined = csr_array((np.ones(len(target)), target, graph.out), shape=(functions, functions))
    _, part = connected_components(joined, connection="weak")
    return np.asarray(np.minimum(np.bincount(part)[part], LONGEST))


def _homes(least: npt.NDArray[Any], most: Numbers, shares: Mapping[int, float], seed: int) -> Small:
    """A length for each of what takes so many calls, dealt out by the lengths' shares; 0 where there is none."""
    homes = np.zeros(len(least), np.uint8)
    kinds = least.astype(np.int64) * (LONGEST + 1) + most
    for kind in np.flatnonzero(np.bincount(kinds)).tolist():
        calls, bound = divmod(kind, LONGEST + 1)
        mine = np.flatnonzero(kinds == kind)
        able = [length for length in sorted(shares) if calls <= length <= bound]
        if able:
            parts = np.array([shares[length] for length in able])
            homes[mine] = np.array(able)[_dealt(parts, np.arange(len(mine)), digest("homes", seed))]
    return homes


def _reach(graph: CallGraph, edges: npt.NDArray[Any]) -> Numbers:
    """The least number of calls of a plan with this edge, where no call of it serves two needs."""
    slot = graph.slot[edges]
    target = graph.cost[graph.owner[slot]].astype(np.int64)
    needed = graph.kind[slot] & NEEDED > 0
    cheapest = graph.cost[graph.source[graph.into[slot]]]  # costs rise with the numbers of functions
    return np.asarray(target - np.where(needed, cheapest, 0) + graph.cost[graph.source[edges]])


def _rare_first(graph: CallGraph) -> Numbers:
    """The first edge of each link, then the edges of its other fields.

    Each time those of costly functions come first, then those of functions with few links.
    """
    edges = plain_edges(graph)
    first = np.isin(edges, links(graph), assume_unique=True)
    source, target = graph.source[edges], graph.owner[graph.slot[edges]]
    ends = np.concatenate([source[first], target[first]])
    around = np.bincount(ends, minlength=len(graph.ids))
    order = np.lexsort((edges, np.minimum(around[source], around[target]), -_reach(graph, edges), ~first))
    return np.asarray(edges[order])


def _table(cells: list[Cell], dealt: Numbers, function: Any, edge: Any, first: int, rows: range) -> pa.Table:
    part = slice(rows.start, rows.stop)
    numbers = np.arange(first + rows.start, first + rows.stop)
    columns = {
        "id": ids_of(numbers),
        "number": numbers,
        "length": np.array([cell.length for cell in cells])[dealt[part]],
        "shape": np.array([cell.shape for cell in cells])[dealt[part]],
        "service": np.array([cell.service for cell in cells])[dealt[part]],
        "function": function[part],
        "edge": edge[part],
    }
    return pa.table({name: pa.array(column) for name, column in columns.items()}).cast(PlanOrder.arrow_schema())
