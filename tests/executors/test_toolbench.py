"""The toolbench executor against a proxy on a real socket."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from goat_ray.executors.executor import CallResult
from goat_ray.executors.toolbench import ToolbenchConfig, ToolbenchExecutor
from goat_ray.records import ApiFunction, Parameter
from tests.executors.servers import serving

KEY = "t00lbench-k3y"


@pytest.fixture
def proxy() -> Iterator[tuple[Starlette, int]]:
    asked: list[dict[str, Any]] = []

    async def virtual(request: Request) -> Response:
        asked.append(json.loads(await request.body()))
        wanted = asked[-1]["tool_input"]
        if wanted.get("status"):
            return JSONResponse({}, wanted["status"])
        response = {} if wanted.get("bare") else {"response": wanted.get("response", f"key {KEY}")}
        return JSONResponse({"error": wanted.get("error", ""), **response})

    app = Starlette(routes=[Route("/virtual", virtual, methods=["POST"])])
    app.state.asked = asked
    with serving(app) as port:
        yield app, port


def call(port: int, arguments: dict[str, Any], method: str = "GET", **more: Any) -> CallResult:
    function = ApiFunction.create(
        service="Vimeo Pro",
        name="Get-Related Channels",
        method=method,
        category="Video, Images/All",
        parameters=[
            Parameter(name=name, location="query", type="any") for name in ("id", "error", "response", "status", "bare")
        ],
    )
    config = {"url": f"http://127.0.0.1:{port}/virtual", "key_env": "TB_KEY", "allow_private": True, "backoff_s": 0.001}
    executor = ToolbenchExecutor(ToolbenchConfig.model_validate(config | more))

    async def one() -> CallResult:
        async with executor.session() as session:
            return await session.call(function, arguments)

    try:
        return executor.run(one())
    finally:
        executor.shutdown()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TB_KEY", KEY)


def test_methods_are_allowed_however_they_are_written(proxy: tuple[Starlette, int]) -> None:
    _, port = proxy
    assert call(port, {}, method="POST").problem == "refused-method"
    assert call(port, {}, method="POST", allow_methods=["post"]).ok


def test_the_question_is_as_the_proxies_take_it_and_the_key_does_not_come_back(proxy: tuple[Starlette, int]) -> None:
    app, port = proxy
    result = call(port, {"id": 7})
    assert app.state.asked == [
        {
            "category": "Video_Images_All",
            "tool_name": "vimeo_pro",
            "api_name": "get_related_channels",
            "tool_input": {"is_id": 7},
            "strip": "",
            "toolbench_key": KEY,
        }
    ]
    assert result == CallResult(status=200, body="key ***", origin="real")


def test_json_that_is_quoted_is_json(proxy: tuple[Starlette, int]) -> None:
    assert call(proxy[1], {"response": '{"a": [1]}'}).body == {"a": [1]}
    assert call(proxy[1], {"response": {"b": 2}}).body == {"b": 2}


@pytest.mark.parametrize(
    ("error", "status", "problem"),
    [
        ("API not working error...", 404, "not-working"),
        ("Unauthorized error...", 401, "unauthorised"),
        ("Unsubscribed error...", 403, "unsubscribed"),
        ("Too many requests error...", 429, "rate-limited"),
        ("Rate limit per minute error...", 429, "rate-limited"),
        ("Timeout error...", 504, "timeout"),
        ("Message error...", 422, "message-error"),
        ("request invalid, data error", 422, "bad-arguments"),
        ("Something new", 500, "proxy-error"),
    ],
)
def test_errors_become_statuses(proxy: tuple[Starlette, int], error: str, status: int, problem: str) -> None:
    result = call(proxy[1], {"error": error, "response": ""})
    assert (result.status, result.problem, result.body) == (status, problem, {"error": error})
    assert call(proxy[1], {"error": error, "bare": True}) == result, "with an empty response or without one"


def test_only_reading_apis_are_called_and_asked_again(proxy: tuple[Starlette, int]) -> None:
    app, port = proxy
    assert call(port, {}, method="POST").problem == "refused-method"
    assert app.state.asked == []
    assert call(port, {"status": 503}, retries=2).status == 503
    assert len(app.state.asked) == 3
    assert call(port, {"status": 503}, method="POST", retries=2, allow_methods=["POST"]).status == 503
    assert len(app.state.asked) == 4


def test_an_api_with_too_much_to_do_is_asked_again_like_a_busy_host(proxy: tuple[Starlette, int]) -> None:
    app, port = proxy
    result = call(port, {"error": "Too many requests error...", "response": ""}, retries=2)
    assert (result.status, result.problem) == (429, "rate-limited")
    assert len(app.state.asked) == 3


def test_a_proxy_on_this_machine_must_be_allowed(proxy: tuple[Starlette, int]) -> None:
    assert call(proxy[1], {}, allow_private=False).problem == "refused-address"
