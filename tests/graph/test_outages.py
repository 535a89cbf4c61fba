"""A host that has gone says nothing about an edge: neither that a call is wrong, nor that a value was used."""

from pathlib import Path
from typing import Any

import pytest

from goat_ray import metering
from goat_ray.executors.config import ExecutorConfig
from goat_ray.executors.executor import CallResult, Executor, Session
from goat_ray.graph.execution import ExecuteEdges
from goat_ray.records import ApiFunction, Reject
from goat_ray.storage import write_records
from tests.graph.test_feeding import EDGES, KEEPER, LIST, PARK


class Leaving(Executor):
    """An API that answers so many calls of each session, and then its circuit is open."""

    name = "leaving"

    def __init__(self, answers: int) -> None:
        self.answers = answers

    def session(self) -> Session:
        return _Leaving(self.answers)


class _Leaving(Session):
    def __init__(self, left: int) -> None:
        self.left = left

    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        self.left -= 1
        if self.left < 0:
            return CallResult.failed(503, "left alone for now", "circuit-open")
        return CallResult(status=200, body={"parks": [{"id": "p1"}]}, origin="real")


@pytest.mark.parametrize("answers", [0, 1, 2])
def test_an_outage_is_no_answer(answers: int, tmp_path: Path) -> None:
    write_records(tmp_path / "functions", ApiFunction, [LIST, PARK, KEEPER])
    step = ExecuteEdges(ExecutorConfig(), str(tmp_path / "functions" / "outcome=kept"), "")
    step.start()
    step.executor = Leaving(answers)
    metering.drain()
    (outcome,) = step.process(EDGES[:1])
    assert isinstance(outcome, Reject)
    assert outcome.reason == "no-answer" and "circuit-open" in outcome.detail
    marked = {whom for what, whom in metering.drain() if what == "unanswered"}
    assert marked == {f"{one.service}: {one.title}" for one in ([LIST] if answers == 0 else [PARK])}
