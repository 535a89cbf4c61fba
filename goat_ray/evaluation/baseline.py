"""A plan without any language model: what the retriever finds, connected over the graph. Tuned models must beat it.

Each function weighs 1 minus its cosine to the query. The lightest derivation of a function (Knuth 1977) adds, for
each parameter that another call must fill, the lightest function that an edge says can fill it, and so on. Of all
functions' derivations, the plan is the one with the most evidence: the sum over its calls of how much more alike they
are to the query than the first function that the retriever leaves out. Ties go to the smaller id.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from goat_ray.agent.retrieval import Retriever
from goat_ray.graph.values import is_scoped
from goat_ray.naming import is_identifier
from goat_ray.records import ApiFunction, Edge, Parameter

RETRIEVED = 10  # chosen on synthetic samples, on which 6 to 25 differ by a point of CP

Similarities = npt.NDArray[np.float32]


class GraphPlanner:
    """Plans for queries over one corpus."""

    def __init__(
        self,
        functions: Sequence[ApiFunction],
        edges: Iterable[Edge],
        retriever: Retriever,
        retrieved: int = RETRIEVED,
    ) -> None:
        self._functions = list(functions)
        self._retrieved = retrieved
        self._retriever = retriever
        number = {function.id: place for place, function in enumerate(self._functions)}
        feeds: dict[tuple[int, str], set[int]] = defaultdict(set)
        for edge in edges:
            feeds[number[edge.target], edge.parameter].add(number[edge.source])
        self._needs = [
            [frozenset(feeds[place, p.name]) for p in function.parameters if _must_be_fed(function, p, place, feeds)]
            for place, function in enumerate(self._functions)
        ]
        self._users: dict[int, set[int]] = defaultdict(set)  # source -> functions that it can feed
        for place, needs in enumerate(self._needs):
            for sources in needs:
                for source in sources:
                    self._users[source].add(place)

    def plan(self, queries: Sequence[str]) -> list[list[ApiFunction]]:
        """The functions to call for each query, in order."""
        return [[self._functions[place] for place in self._best(row)] for row in self._retriever.similarities(queries)]

    def _best(self, similarities: Similarities) -> list[int]:
        chosen = self.derivations(1.0 - similarities.astype(float))
        line = np.sort(similarities)[::-1][min(self._retrieved, len(similarities) - 1)]
        plans = [_in_order(place, chosen) for place in range(len(self._functions)) if place in chosen]
        return max(plans, key=lambda plan: float(sum(similarities[plan] - line)), default=[])

    def derivations(self, weights: npt.NDArray[np.float64]) -> dict[int, list[int]]:
        """For each function that can be derived, the sources of its lightest derivation.

        ``weights`` [functions] are not negative. Functions are settled in order of their derivations' weights, so
        the first settled source of a parameter is its lightest, and a derivation never needs itself.
        """
        settled: dict[int, list[int]] = {}
        total = weights.copy()
        open_needs = [dict(enumerate(needs)) for needs in self._needs]
        sources: list[list[int]] = [[] for _ in self._needs]
        heap = [(float(weights[place]), place) for place, needs in enumerate(self._needs) if not needs]
        heapq.heapify(heap)
        while heap:
            _, place = heapq.heappop(heap)
            settled[place] = sources[place]
            for user in sorted(self._users[place]):
                filled = [key for key, feeders in open_needs[user].items() if place in feeders]
                for key in filled:
                    del open_needs[user][key]
                if filled:
                    sources[user].append(place)
                    total[user] += total[place]
                    if not open_needs[user]:
                        heapq.heappush(heap, (float(total[user]), user))
        return settled


def _must_be_fed(
    function: ApiFunction, parameter: Parameter, place: int, feeds: dict[tuple[int, str], set[int]]
) -> bool:
    identifies = is_identifier(parameter.name) or parameter.location == "path"
    fed = (place, parameter.name) in feeds
    return parameter.required and fed and identifies and not parameter.enum and not is_scoped(function, parameter)


def _in_order(place: int, sources: dict[int, list[int]]) -> list[int]:
    """A derivation's functions, each once and after its sources."""
    found: dict[int, None] = {}
    for source in sources[place]:
        found.update(dict.fromkeys(_in_order(source, sources)))
    return [*found, place]
