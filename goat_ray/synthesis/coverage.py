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
from goat_ray.synthesis.orders import Starts, plain_links

Numbers = npt.NDArray[np.int64]


class Coverage:
    """Counts the functions, pairs of functions and links that calls use, and adds them to ``facts`` in the end.

    A pair is a function and one that it feeds; a link is a pair and the parameter that is fed. Memory grows
    by 16 bytes for each function and for each pair and link that is used, not with the records.
    """

    def __init__(self, graph: CallGraph, facts: dict[str, int], wanted: int = 1) -> None:
        """``wanted`` is how often each function and link should be used; what is used less often is counted."""
        self.graph = graph
        self.facts = facts
        self.wanted = max(1, wanted)
        self.functions = _Uses()
        self.pairs = _Uses()
        self.links = _Uses()

    def count(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Pass tables of ``CallPlan`` or ``Sample`` and their rejects on, and count what is kept."""
        for table in tables:
            for batch in table.filter(pc.equal(table[OUTCOME], KEPT)).select(["calls"]).to_batches():
                self.add(batch["calls"])
            yield table
        self.facts.update(self._facts())

    def lacking(self) -> Starts:
        """The functions and links that are used less often than wanted, each as many times as are missing."""
        graph = self.graph
        functions = np.arange(len(graph.ids))
        edges = plain_links(graph)
        source, slot = graph.source[edges], graph.slot[edges]
        pair = source * np.int64(len(graph.ids)) + graph.owner[slot]
        missing = [
            np.maximum(self.wanted - self.functions.of(functions), 0),
            np.maximum(self.wanted - self.links.of(pair * len(graph.names) + graph.name[slot]), 0),
        ]
        return Starts(
            np.repeat(np.concatenate([functions, graph.owner[slot]]), np.concatenate(missing)).astype(np.int32),
            np.repeat(np.concatenate([np.full(len(functions), -1), edges]), np.concatenate(missing)).astype(np.int32),
        )

    def add(self, records: pa.ListArray) -> None:
        """Count what these use: lists of calls, which have lists of arguments; flattened, all are told by numbers."""
        calls = records.flatten()
        arguments = calls.field("bindings" if calls.type.get_field_index("bindings") >= 0 else "arguments")
        function = _numbers(pc.index_in(calls.field("function"), self.graph.ids))
        self.functions.add(function)
        given = arguments.flatten()
        bound = pc.is_valid(given.field("step"))
        target = _holders(arguments)[_numbers(bound)]
        record = _holders(records)
        first_call = np.searchsorted(record, record[target])
        source = function[first_call + _numbers(given.field("step").filter(bound))]
        pair = source * np.int64(len(self.graph.ids)) + function[target]
        parameter = _numbers(pc.index_in(given.field("parameter").filter(bound), self.graph.names))
        self.pairs.add(pair)
        self.links.add(pair * len(self.graph.names) + parameter)

    def _facts(self) -> dict[str, int]:
        first = links(self.graph)
        source, target = self.graph.source[first], self.graph.owner[self.graph.slot[first]]
        pairs = np.unique(source * np.int64(len(self.graph.ids)) + target)
        facts = {}
        for name, uses, there in (
            ("functions", self.functions, len(self.graph.ids)),
            ("links", self.links, len(first)),
            ("pairs of functions", self.pairs, len(pairs)),
        ):
            facts[name] = there
            facts[f"{name} used"] = len(uses.what)
            facts[f"{name} used fewer than {self.wanted} times"] = there - int((uses.times >= self.wanted).sum())
            facts[f"evenness of the {name}' use in percent"] = round(100 * evenness(uses.times, there))
        return facts


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
