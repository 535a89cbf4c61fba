"""A host that has gone says nothing about an edge: neither that a call is wrong, nor that a value was used."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from goat_ray import metering
from goat_ray.executors.config import ExecutorConfig
from goat_ray.executors.executor import CallResult, Executor, Session
from goat_ray.graph.execution import ExecuteEdges
from goat_ray.records import ApiFunction, Edge, Reject
from goat_ray.storage import write_records
from tests.graph.test_feeding import EDGES, KEEPER, LIST, PARK

GOOD = CallResult(status=200, body={"parks": [{"id": "p1"}]}, origin="real")
CIRCUIT_OPEN = CallResult.failed(503, "left alone for now", "circuit-open")


class Scripted(Executor):
    """An API that gives the same answers to each session, the last of them for ever."""

    name = "scripted"

    def __init__(self, answers: Sequence[CallResult]) -> None:
        self.answers = answers

    def session(self) -> Session:
        return _Scripted(self.answers)


class _Scripted(Session):
    def __init__(self, answers: Sequence[CallResult]) -> None:
        *self.answers, self.last = answers

    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        return self.answers.pop(0) if self.answers else self.last


def executed(answers: Sequence[CallResult], folder: Path) -> tuple[Edge | Reject, set[str]]:
    """(what becomes of the edge from LIST to PARK, functions that are marked as unanswered)."""
    write_records(folder / "functions", ApiFunction, [LIST, PARK, KEEPER])
    step = ExecuteEdges(ExecutorConfig(), str(folder / "functions" / "outcome=kept"), "")
    step.start()
    step.executor = Scripted(answers)
    metering.drain()
    (outcome,) = step.process(EDGES[:1])
    return outcome, {whom for what, whom in metering.drain() if what == "unanswered"}


def status(code: int, problem: str = "") -> CallResult:
    return CallResult(status=code, body={"error": "no"}, origin="real", problem=problem)


@pytest.mark.parametrize("answers", [0, 1, 2])
@pytest.mark.parametrize(
    "failure",
    [CIRCUIT_OPEN, status(429), status(503), status(504), status(502, "invalid-simulation"), status(503, "no-process")],
    ids=lambda result: result.problem or str(result.status),
)
def test_an_outage_is_no_answer(answers: int, failure: CallResult, tmp_path: Path) -> None:
    outcome, marked = executed([*[GOOD] * answers, failure], tmp_path)
    assert isinstance(outcome, Reject)
    assert outcome.reason == "no-answer" and (failure.problem or str(failure.status)) in outcome.detail
    assert marked == {f"{one.service}: {one.title}" for one in ([LIST] if answers == 0 else [PARK])}


@pytest.mark.parametrize(
    ("after", "evidence"),
    [
        ([status(404)], "a made-up value gives status 404"),
        ([status(500), status(500), GOOD], "a made-up value gives status 500"),  # each time, and only for it
        ([status(500), GOOD], ""),  # a passing error
        ([status(500)], ""),  # broken for all
    ],
)
def test_an_api_that_breaks_is_heard_only_where_the_value_breaks_it(
    after: list[CallResult], evidence: str, tmp_path: Path
) -> None:
    outcome, marked = executed([GOOD, GOOD, *after], tmp_path)
    if evidence:
        assert isinstance(outcome, Edge) and outcome.execution == evidence
    else:
        assert isinstance(outcome, Reject) and outcome.reason == "no-answer" and len(marked) == 1
