"""Which part of the graph plans or samples use, counted in columns while they are written."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from goat_ray.graph.adjacency import CallGraph, links
from goat_ray.storage import KEPT, OUTCOME
from goat_ray.synthesis.orders import Starts, plain_edges

Numbers = npt.NDArray[np.int64]


class Coverage:
    """Counts the functions, pairs of functions, links and edges that calls use; they are ``facts`` in the end.

    A pair is a function and one that it feeds; a link is a pair and the parameter that is fed; an edge is a link and
    the field that feeds it. What a sample's plan has as one call counts once, be it a fan-out or a call that failed and
    its correction. Memory: 8 bytes for each link of the graph and 16 for each function, pair, link and edge
    that is used, however many records there are.
    """

    def __init__(self, graph: CallGraph, facts: dict[str, int], wanted: int = 1) -> None:
        """``wanted`` is how often each function and edge should be used; what is used less often is counted."""
        self.graph = graph
        self.facts = facts
        self.wanted = max(1, wanted)
        self.functions = _Uses()
        self.pairs = _Uses()
        self.links = _Uses()
        self.edges = _Uses()
        first = links(graph)
        self._all_links = np.sort(self._link(graph.source[first], graph.slot[first]))

    def count(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Pass tables of ``CallPlan`` or ``Sample`` and their rejects on, and count what is kept."""
        for table in tables:
            for batch in table.filter(pc.equal(table[OUTCOME], KEPT)).select(["calls"]).to_batches():
                self.add(batch["calls"])
            yield table
        self.facts.update(self._facts())

    def lacking(self) -> Starts:
        """The functions and edges that are used less often than wanted, each as many times as are missing."""
        graph = self.graph
        functions = np.arange(len(graph.ids))
        edges = plain_edges(graph)
        slot = graph.slot[edges]
        uses = self.edges.of(self._edge(self._link(graph.source[edges], slot), graph.field[edges]))
        missing = [np.maximum(self.wanted - self.functions.of(functions), 0), np.maximum(self.wanted - uses, 0)]
        return Starts(
            np.repeat(np.concatenate([functions, graph.owner[slot]]), np.concatenate(missing)).astype(np.int32),
            np.repeat(np.concatenate([np.full(len(functions), -1), edges]), np.concatenate(missing)).astype(np.int32),
        )

    def _link(self, source: npt.NDArray[Any], slot: npt.NDArray[Any]) -> Numbers:
        """A number for each link."""
        pair = source * np.int64(len(self.graph.ids)) + self.graph.owner[slot]
        return np.asarray(pair * len(self.graph.names) + self.graph.name[slot])

    def _edge(self, link: Numbers, field: npt.NDArray[Any]) -> Numbers:
        """A number for each edge: links are counted, as their own numbers leave no room for fields."""
        return np.asarray(np.searchsorted(self._all_links, link) * np.int64(len(self.graph.paths)) + field)

    def add(self, records: pa.ListArray) -> None:
        """Count what these use: lists of calls, which have lists of arguments; flattened, all are told by numbers."""
        calls = records.flatten()
        arguments = calls.field("bindings" if calls.type.get_field_index("bindings") >= 0 else "arguments")
        function = _numbers(pc.index_in(calls.field("function"), self.graph.ids))
        record = _holders(records)
        planned = _planned(calls, record)
        self.functions.add(function[_first(planned, function)])
        given = arguments.flatten()
        bound = pc.is_valid(given.field("step"))
        target = _holders(arguments)[_numbers(bound)]
        first_call = np.searchsorted(record, record[target])
        source = function[first_call + _numbers(given.field("step").filter(bound))]
        pair = source * np.int64(len(self.graph.ids)) + function[target]
        parameter = _numbers(pc.index_in(given.field("parameter").filter(bound), self.graph.names))
        link = pair * len(self.graph.names) + parameter
        once = _first(planned[target], link)
        self.pairs.add(pair[once])
        self.links.add(link[once])
        field = pc.index_in(_fields(given).filter(bound), self.graph.paths)
        right = _numbers(pc.is_valid(field)) & ~_failed(calls)[target]  # a wrong call may take what no edge says
        edge = self._edge(link[right], _numbers(field.filter(pa.array(right))))
        self.edges.add(edge[_first(planned[target[right]], edge)])

    def _facts(self) -> dict[str, int]:
        first = links(self.graph)
        source, target = self.graph.source[first], self.graph.owner[self.graph.slot[first]]
        pairs = np.unique(source * np.int64(len(self.graph.ids)) + target)
        facts = {}
        for name, uses, there in (
            ("functions", self.functions, len(self.graph.ids)),
            ("links", self.links, len(first)),
            ("pairs of functions", self.pairs, len(pairs)),
            ("edges", self.edges, len(self.graph.source)),
        ):
            facts[name] = there
            facts[f"{name} used"] = len(uses.what)
            facts[f"{name} used fewer than {self.wanted} times"] = there - int((uses.times >= self.wanted).sum())
            facts[f"evenness of the {name}' use in percent"] = round(100 * evenness(uses.times, there))
        facts["edges that no plan starts from"] = len(self.graph.source) - len(plain_edges(self.graph))
        return facts


def _fields(given: pa.StructArray) -> pa.StringArray:
    """The field that each binding, or argument, comes from; an argument's value has the place of one item."""
    if given.type.get_field_index("field") >= 0:
        return given.field("field")
    return pc.replace_substring_regex(given.field("location"), r"\[\d+\]", "[*]")


def _planned(calls: pa.StructArray, record: Numbers) -> Numbers:
    """For each call a number of the planned call that it carries out; of plans, each is its own."""
    if calls.type.get_field_index("planned") < 0:
        return np.arange(len(calls))
    within = _numbers(calls.field("planned"))
    return np.asarray(record * (within.max(initial=0) + 1) + within)


def _first(planned: Numbers, used: npt.NDArray[Any]) -> Numbers:
    """Where each planned call uses each thing first."""
    order = np.lexsort((used, planned))
    new = (np.diff(planned[order]) != 0) | (np.diff(used[order]) != 0)
    return np.asarray(order[np.concatenate([[True], new])[: len(order)]])


def _failed(calls: pa.StructArray) -> npt.NDArray[np.bool_]:
    """For each call whether it went wrong and was corrected; of plans, none did."""
    if calls.type.get_field_index("corrected_by") < 0:
        return np.zeros(len(calls), bool)
    return np.asarray(_numbers(pc.is_valid(calls.field("corrected_by"))))


class _Uses:
    """How often each thing was used."""

    def __init__(self) -> None:
        self.what = np.empty(0, np.int64)  # sorted
        self.times = np.empty(0, np.int64)

    def add(self, used: Numbers) -> None:
        what, times = np.unique(used, return_counts=True)
        both = np.union1d(self.what, what)
        total = np.zeros(len(both), np.int64)
        total[np.searchsorted(both, self.what)] += self.times
        total[np.searchsorted(both, what)] += times
        self.what, self.times = both, total

    def of(self, what: Numbers) -> Numbers:
        """How often each of these was used."""
        at = np.minimum(np.searchsorted(self.what, what), max(len(self.what) - 1, 0))
        return np.where(self.what[at] == what, self.times[at], 0) if len(self.what) else np.zeros(len(what), np.int64)


def evenness(times: Numbers, there: int) -> float:
    """The entropy of the uses by the most that it could be (Pielou 1966): 1.0 where all that is there is used alike."""
    shares = times / max(times.sum(), 1)
    return float(-(shares * np.log(shares)).sum() / math.log(there)) if there > 1 else 1.0


def _numbers(column: pa.Array) -> Any:
    return column.to_numpy(zero_copy_only=False)


def _holders(lists: pa.ListArray) -> Numbers:
    """For each flattened item, the number of the list that holds it."""
    return np.repeat(np.arange(len(lists)), _numbers(pc.list_value_length(lists)))
