"""Arguments from real responses, where the API does not know the documents' examples."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from goat_ray import jsonpath
from goat_ray.executors.executor import Session
from goat_ray.graph.values import ExampleValues, fit, invent
from goat_ray.identity import rng
from goat_ray.records import ApiFunction, Edge, Parameter
from goat_ray.storage import FunctionStore

MAX_FEEDERS = 4  # remembered of one parameter
DEPTH = 3  # calls before the one that is to be tried, on the way to each of its arguments


class Arguments:
    """Required arguments for trying a function out: shown by the documents, or taken from other calls' responses.

    Few documents show ids that a real API knows. A list or a search gives some, and the verified edges, which are yet
    to be executed, tell which list.
    """

    def __init__(self, functions: FunctionStore, edges: Iterable[Edge]) -> None:
        self._store = functions
        self._values = ExampleValues(functions)
        self._feeders: dict[tuple[str, str], list[Edge]] = defaultdict(list)
        for edge in edges:
            source = functions[edge.source]
            if source.method in ("GET", "CALL"):  # nothing is changed only to learn an id
                known = self._feeders[edge.target, edge.parameter]
                known.append(edge)
                # Those first that need the fewest ids themselves; then whatever the order of the edges.
                known.sort(key=lambda edge: (self._ids_needed(edge.source), -edge.similarity, edge.id))
                del known[MAX_FEEDERS:]

    def _ids_needed(self, function: str) -> int:
        return sum(one.required and one.location == "path" for one in self._store[function].parameters)

    def shown(self, function: ApiFunction, *seed: object) -> dict[str, Any]:
        """Required arguments from the documents' examples, or made up after their schemas."""
        random_ = rng(*seed, function.id)
        return {
            parameter.name: invent(parameter, self._values.of(function, parameter), random_)
            for parameter in function.parameters
            if parameter.required
        }

    async def fed(self, session: Session, function: ApiFunction, *seed: object, depth: int = DEPTH) -> dict[str, Any]:
        """The same, with values of the session's own responses wherever an edge names some."""
        arguments = self.shown(function, *seed)
        for parameter in function.parameters:
            if depth and parameter.required and (edges := self._feeders.get((function.id, parameter.name))):
                edge = rng(*seed, function.id, parameter.name).choice(edges)
                value = await self._value(session, edge, parameter, *seed, depth=depth)
                if value is not None:
                    arguments[parameter.name] = value
        return arguments

    async def _value(self, session: Session, edge: Edge, parameter: Parameter, *seed: object, depth: int) -> Any:
        source = self._store[edge.source]
        result = await session.call(source, await self.fed(session, source, *seed, depth=depth - 1))
        found = [value for _, value in jsonpath.find(result.body, edge.field) if is_usable(value)] if result.ok else []
        return fit(parameter, rng(*seed, edge.id).choice(found)) if found else None


def is_usable(value: Any) -> bool:
    """Whether a value of a response can be an argument."""
    return value is not None and value != "" and not isinstance(value, list | dict)
