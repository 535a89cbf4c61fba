"""The llm executor: a model behind real HTTP plays the API, and what it says is checked against the document."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from goat_ray import metering
from goat_ray.config import GoatConfig
from goat_ray.errors import ConfigError
from goat_ray.executors.build import Outside, build_executor
from goat_ray.executors.config import ExecutorConfig
from goat_ray.executors.executor import CallResult
from goat_ray.records import ApiFunction, OutputField, Parameter
from goat_ray.settings import build
from goat_ray.simulation import LlmExecutor
from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.config import TeacherConfig
from goat_ray.teacher.fake_server import Body, FakeServer

LIST = ApiFunction.create(
    service="zoo",
    name="listAnimals",
    path="/animals",
    outputs=[OutputField(path="$.animals[*].id", type="integer"), OutputField(path="$.total", type="integer")],
)
ANIMAL = ApiFunction.create(
    service="zoo",
    name="getAnimal",
    path="/animals/{id}",
    parameters=[Parameter(name="id", location="path", type="integer", required=True)],
    outputs=[OutputField(path="$.name", type="string"), OutputField(path="$.tame", type="boolean")],
)
FREE = ApiFunction.create(service="zoo", name="ask", path="/ask")  # a document without a schema


def said(status: int, body: Any) -> dict[str, Any]:
    return {"status": status, "body": body if isinstance(body, str) else json.dumps(body)}


def asked(request: Body) -> str:
    """The call at the end of a prompt."""
    return request["messages"][-1]["content"].rpartition("The call: ")[2]


def call(server: FakeServer, *calls: tuple[ApiFunction, dict[str, Any]]) -> list[CallResult]:
    """The results of the calls, one after another in one session."""
    return in_sessions(server, [calls])[0]


def in_sessions(
    server: FakeServer, sessions: Sequence[Sequence[tuple[ApiFunction, dict[str, Any]]]]
) -> list[list[CallResult]]:
    """The results of several sessions at once."""
    config = TeacherConfig(backend="openai", model="fake", base_url=server.base_url, max_retries=0)
    teacher = build_teacher(config)
    executor = build_executor(ExecutorConfig(backend="llm"), [LIST, ANIMAL, FREE], Outside(player=LlmExecutor(teacher)))

    async def run(calls: Sequence[tuple[ApiFunction, dict[str, Any]]]) -> list[CallResult]:
        async with executor.session() as session:
            return [await session.call(function, arguments) for function, arguments in calls]

    async def run_all() -> list[list[CallResult]]:
        return await asyncio.gather(*(run(calls) for calls in sessions))

    try:
        return executor.run(run_all())
    finally:
        executor.shutdown()
        teacher.close()


def test_a_response_that_fits_is_a_simulated_result() -> None:
    metering.drain()
    with FakeServer(answers={"SimulatedResponse": said(200, {"animals": [{"id": 3}], "total": 1})}) as server:
        (result,) = call(server, (LIST, {}))
    assert metering.drain()["status 200", "llm"] == 1
    assert (result.status, result.body["animals"][0]["id"], result.origin) == (200, 3, "simulated")
    assert "$.animals[*].id" in server.requests[0]["messages"][-1]["content"]


def test_a_session_shows_the_model_what_it_said_before_and_no_other_does() -> None:
    def play(request: Body) -> Any:
        return said(200, {"animals": [{"id": 77}], "total": 1} if "/animals {" in asked(request) else {"name": "Ada"})

    with FakeServer(answers=play) as server:
        call(server, (LIST, {}), (ANIMAL, {"id": 77}))
        call(server, (ANIMAL, {"id": 77}))
    later, alone = (one["messages"][-1]["content"] for one in server.requests if "/animals/{id} {" in asked(one))
    assert '"id": 77' in later.partition("Earlier:")[2]
    assert "Earlier:" not in alone


@pytest.mark.parametrize(
    ("function", "body", "flaw"),
    [
        (ANIMAL, {"name": 5}, "$.name is 5, not of type string"),
        (ANIMAL, {"tame": 1, "name": "Ada"}, "$.tame is 1"),
        (ANIMAL, {"something": "else"}, "none of the 2 documented fields"),
        (LIST, {"total": True}, "$.total is True"),
        (ANIMAL, "{no json", "no JSON"),
    ],
)
def test_a_response_that_contradicts_the_document_is_a_failed_call(function: ApiFunction, body: Any, flaw: str) -> None:
    with FakeServer(answers={"SimulatedResponse": said(200, body)}) as server:
        (result,) = call(server, (function, {"id": 1}))
    assert (result.status, result.problem) == (502, "invalid-simulation")
    assert flaw in result.body["error"]


@pytest.mark.parametrize(
    ("function", "status", "body"),
    [
        (LIST, 200, {"animals": []}),  # an empty list has none of its items' fields
        (FREE, 200, {"anything": ["goes"]}),
        (ANIMAL, 404, {"message": "no such animal"}),  # an error is not held to the schema of success
    ],
)
def test_what_a_real_api_might_say_passes(function: ApiFunction, status: int, body: Any) -> None:
    with FakeServer(answers={"SimulatedResponse": said(status, body)}) as server:
        (result,) = call(server, (function, {"id": 1}))
    assert (result.status, result.body, result.problem) == (status, body, "")


def test_calls_of_many_sessions_are_asked_about_together() -> None:
    with FakeServer(answers={"SimulatedResponse": said(200, {"name": "Ada"})}, latency_s=0.05) as server:
        results = in_sessions(server, [[(ANIMAL, {"id": number}), (ANIMAL, {"id": -number})] for number in range(20)])
    assert all(one.ok for session in results for one in session)
    assert server.most_in_flight >= 10


def test_a_model_that_gives_no_answer_is_a_failed_call() -> None:
    with FakeServer(errors={400: 1.0}) as server:
        (result,) = call(server, (ANIMAL, {"id": 1}))
    assert (result.status, result.problem) == (502, "no-simulation")


def test_rules_cannot_play_an_api() -> None:
    with pytest.raises(ConfigError, match="sandbox"):
        build({"documents": {"paths": ["x"]}, "executor": {"backend": "llm"}}, GoatConfig, place="here")
