"""Filter 3 of the funnel: both calls are really made, and the value must really matter."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from goat_ray import jsonpath
from goat_ray.executors.build import ALONE, Outside, build_executor
from goat_ray.executors.config import ExecutorConfig
from goat_ray.executors.executor import TRANSIENT, CallResult, Session, mark_unanswered
from goat_ray.graph.feeding import Arguments, is_usable
from goat_ray.graph.values import fit
from goat_ray.places import Place
from goat_ray.records import ApiFunction, Edge, Reject
from goat_ray.rows import Json
from goat_ray.step import Resources, Step
from goat_ray.storage import Dataset, FunctionStore

ATTEMPTS = 4  # with other arguments each
VALUES = 3  # tried of one response
BROKEN = 500


class ExecuteEdges(Step[Edge, Edge]):
    """Keeps an edge if source and target succeed and another value gives another result."""

    name = "execute"
    version = 5
    takes = Edge
    gives = Edge

    def __init__(
        self,
        executor: ExecutorConfig,
        functions: str,
        edges: str = "",
        resources: Resources | None = None,
        outside: Outside = ALONE,
    ) -> None:
        self.config = executor
        self.outside = outside
        self.functions = functions  # Parquet folder of the functions dataset
        self.edges = edges  # folder of the dataset of all edges that are to be executed; empty if nobody knows them
        self.resources = resources or Resources()

    def settings(self) -> Json:
        return {"executor": self.outside.settings(self.config)}

    def prepare(self) -> None:
        self.outside.prepare()

    def start(self) -> None:
        self.store = FunctionStore.open(self.functions)
        self.executor = build_executor(self.config, list(self.store), self.outside)
        edges = Dataset(Place.of(self.edges), Edge, "", 0, {}) if self.edges else None
        self.arguments = Arguments(self.store, edges.records() if edges else [])

    def process(self, batch: Sequence[Edge]) -> Iterator[Edge | Reject]:
        yield from self.executor.run(self._check_all(batch))

    async def _check_all(self, batch: Sequence[Edge]) -> list[Edge | Reject]:
        return await asyncio.gather(*(self._check(edge) for edge in batch))

    async def _check(self, edge: Edge) -> Edge | Reject:
        """The edge as confirmed, or why the last of several attempts failed.

        One attempt is not enough: an unlucky example may have no results, and a field may hold ids of
        two kinds (``known_for`` lists films and shows).
        """
        outcome: Edge | Reject = Reject(id=edge.id, reason="not-attempted")
        for attempt in range(ATTEMPTS):
            async with self.executor.session() as session:
                outcome = await self._attempt(session, edge, attempt)
            if isinstance(outcome, Edge):
                break
        return outcome

    async def _attempt(self, session: Session, edge: Edge, attempt: int) -> Edge | Reject:
        source, target = self.store[edge.source], self.store[edge.target]
        place = f"{source.title} {edge.field} -> {target.title} {edge.parameter}"
        first = await session.call(source, await self._arguments(session, source, edge, attempt))
        if not first.ok:
            return _failed(edge, "source-call-failed", source, first, place)
        values = [value for _, value in jsonpath.find(first.body, edge.field) if is_usable(value)]
        if not values:
            return Reject(id=edge.id, reason="no-value", detail=f"{place}: the response holds no value there")
        arguments = await self._arguments(session, target, edge, attempt)
        parameter = target.parameter(edge.parameter)
        for value in list(dict.fromkeys(values))[:VALUES]:
            right = {**arguments, parameter.name: fit(parameter, value)}
            second = await session.call(target, right)
            if second.ok:
                break
        else:
            return _failed(edge, "target-call-failed", target, second, f"{place} for {value!r}")
        wrong = {**arguments, parameter.name: fit(parameter, _made_up(value))}
        other = await session.call(target, wrong)
        # A host that has gone, or has too much to do, would look like one that refuses what is made up.
        if not _is_heard(other) or (other.status == BROKEN and not await _breaks(session, target, right, wrong)):
            return _failed(edge, "no-answer", target, other, place)
        used = _use(second.body, other)
        if not used:
            return Reject(id=edge.id, reason="value-not-used", detail=f"{place}: any value gives the same response")
        return edge.model_copy(update={"execution": used, "origin": second.origin})

    async def _arguments(self, session: Session, function: ApiFunction, edge: Edge, attempt: int) -> dict[str, Any]:
        """Required arguments, chosen by the edge's id: by turns as the documents show them and from real responses."""
        if attempt % 2 == 0:
            return self.arguments.shown(function, edge.id, attempt)
        return await self.arguments.fed(session, function, edge.id, attempt)


async def _breaks(session: Session, target: ApiFunction, right: dict[str, Any], wrong: dict[str, Any]) -> bool:
    """Whether it is the wrong value that breaks an API: many have only a 500 for an id that they do not know.

    Then it breaks again, and the right value still succeeds; an API that is broken for a while breaks on both or none.
    """
    again, beside = await session.call(target, wrong), await session.call(target, right)
    return again.status == BROKEN and beside.ok


def _is_heard(result: CallResult) -> bool:
    return result.heard and result.status not in TRANSIENT


def _use(body: Json, other: CallResult) -> str:
    """What shows that the target used a value: a made-up one, in the ``other`` call, must not give the same body."""
    if not other.ok:
        return f"a made-up value gives status {other.status}"
    return "a made-up value gives another response" if other.body != body else ""


def _failed(edge: Edge, reason: str, function: ApiFunction, result: CallResult, place: str) -> Reject:
    """A call's failure, by a reason of its own where no API has answered it."""
    if not _is_heard(result):
        reason = "no-answer"
    if reason == "no-answer":
        mark_unanswered(function)
    said = f"{place}: status {result.status}" + (f", {result.problem}" if result.problem else "")
    return Reject(id=edge.id, reason=reason, detail=said)


def _made_up(value: Any) -> Any:
    """A value of the same type that no API is likely to know."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 987_654_321
    return f"{value}-zq7x9"
