"""Which part of the graph a set of plans uses, counted in columns while the plans are written."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from goat_ray.graph.adjacency import CallGraph, links
from goat_ray.storage import KEPT, OUTCOME

Numbers = npt.NDArray[np.int64]


class Coverage:
    """Counts the functions, pairs of functions and links of plans, and adds them to ``facts`` in the end.

    A pair is a function and one that it feeds; a link is a pair and the parameter that is fed. Memory grows
    by 8 bytes for each function and for each pair and link that is used, not with the plans.
    """

    def __init__(self, graph: CallGraph, facts: dict[str, int]) -> None:
        self.graph = graph
        self.facts = facts
        self.uses = np.zeros(len(graph.ids), np.int64)
        self.pairs = np.empty(0, np.int64)
        self.links = np.empty(0, np.int64)

    def count(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Pass tables of ``CallPlan`` and its rejects on, and count what is kept."""
        for table in tables:
            for batch in table.filter(pc.equal(table[OUTCOME], KEPT)).select(["calls"]).to_batches():
                self._add(batch["calls"])
            yield table
        self.facts.update(self._facts())

    def _add(self, plans: pa.ListArray) -> None:
        """``plans`` are lists of calls, and calls have lists of bindings; flattened, all are told by numbers."""
        calls = plans.flatten()
        function = _numbers(pc.index_in(calls.field("function"), self.graph.ids))
        self.uses += np.bincount(function, minlength=len(self.uses))
        bindings = calls.field("bindings").flatten()
        bound = pc.is_valid(bindings.field("step"))
        target = _holders(calls.field("bindings"))[_numbers(bound)]
        plan = _holders(plans)
        first_call = np.searchsorted(plan, plan[target])
        source = function[first_call + _numbers(bindings.field("step").filter(bound))]
        pair = source * np.int64(len(self.uses)) + function[target]
        parameter = _numbers(pc.index_in(bindings.field("parameter").filter(bound), self.graph.names))
        self.pairs = np.union1d(self.pairs, pair)
        self.links = np.union1d(self.links, pair * len(self.graph.names) + parameter)

    def _facts(self) -> dict[str, int]:
        first = links(self.graph)
        source, target = self.graph.source[first], self.graph.owner[self.graph.slot[first]]
        return {
            "functions": len(self.uses),
            "functions used": int((self.uses > 0).sum()),
            "links": len(first),
            "links used": len(self.links),
            "pairs of functions": len(np.unique(source * np.int64(len(self.uses)) + target)),
            "pairs of functions used": len(self.pairs),
            "evenness of the functions' use in percent": round(100 * evenness(self.uses)),
        }


def evenness(uses: Numbers) -> float:
    """The entropy of the uses by the most that it could be (Pielou 1966): 1.0 where all are used alike."""
    shares = uses[uses > 0] / max(uses.sum(), 1)
    return float(-(shares * np.log(shares)).sum() / math.log(len(uses))) if len(uses) > 1 else 1.0


def _numbers(column: pa.Array) -> Any:
    return column.to_numpy(zero_copy_only=False)


def _holders(lists: pa.ListArray) -> Numbers:
    """For each flattened item, the number of the list that holds it."""
    return np.repeat(np.arange(len(lists)), _numbers(pc.list_value_length(lists)))
