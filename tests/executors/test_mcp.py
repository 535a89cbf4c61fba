"""Calls on live MCP servers, over real pipes and sockets."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from goat_ray import metering
from goat_ray.errors import ConfigError
from goat_ray.executors.build import build_executor
from goat_ray.executors.config import ExecutorConfig
from goat_ray.executors.executor import CallResult, Executor
from goat_ray.executors.limits import LocalLimits
from goat_ray.executors.mcp.config import McpConfig
from goat_ray.executors.mcp.executor import McpExecutor
from goat_ray.records import ApiFunction
from goat_ray.settings import build
from tests.documents import mcp_server

SECRET = "s3cr3t-of-the-shop"


@pytest.fixture(autouse=True, scope="module")
def token() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_TOKEN", SECRET)
        patch.setenv("SHOP_HEADER", f"Bearer {SECRET}")
        yield


def function(name: str, service: str = "shop") -> ApiFunction:
    return ApiFunction.create(service=service, name=name, method="CALL")


def built(*servers: dict[str, Any], **limits: float) -> Executor:
    mcp = {"servers": list(servers), **limits}
    return build_executor(ExecutorConfig.model_validate({"backend": "mcp", "mcp": mcp}), [])


def stdio(*arguments: str, **more: Any) -> dict[str, Any]:
    command = [sys.executable, mcp_server.__file__, *arguments]
    return {"name": "shop", "command": command, "env": ["SHOP_TOKEN"], **more}


def http(url: str, **more: Any) -> dict[str, Any]:
    return {"name": "shop", "url": url, "headers_env": {"Authorization": "SHOP_HEADER"}, **more}


@pytest.fixture(scope="module", params=["pipe", "socket"])
def executor(request: pytest.FixtureRequest, token: None) -> Iterator[Executor]:
    with mcp_server.serving(SECRET) as url:
        executor = built(stdio() if request.param == "pipe" else http(url))
        yield executor
        executor.shutdown()


def call(executor: Executor, name: str, **arguments: Any) -> CallResult:
    result = executor.run(executor.session().call(function(name), arguments))
    assert result.origin == "real" and SECRET not in result.model_dump_json()
    return result


def test_structured_content_is_the_body(executor: Executor) -> None:
    result = call(executor, "search", query="la")
    assert (result.status, result.body) == (200, {"results": [{"id": 1, "name": "lamp"}]})


def test_text_is_the_body_and_json_in_it_is_read(executor: Executor) -> None:
    assert call(executor, "misbehave", how="plain words").body == "plain words"
    assert call(executor, "misbehave", how="[not json").body == "[not json"
    assert call(executor, "ask", **{"question.text": "why"}).body == {"said": "why"}


def test_what_a_tool_or_the_protocol_refuses_is_a_status(executor: Executor) -> None:
    metering.drain()
    wrong = call(executor, "product", product_id=99)
    assert (wrong.status, wrong.body, wrong.problem) == (400, {"error": "no product 99"}, "")
    assert call(executor, "no_such_tool").status == 422
    assert call(executor, "misbehave", how="raise").status == 500
    assert executor.run(executor.session().call(function("search", "bank"), {})).status == 501
    counted = {"status 400": 1, "status 422": 1, "status 500": 1, "status unknown-server": 1}
    assert {what: amount for (what, whom), amount in metering.drain().items() if whom == "mcp"} == counted


def test_a_result_that_breaks_the_tools_own_schema_is_told(executor: Executor) -> None:
    result = call(executor, "liar")
    assert (result.status, result.problem) == (502, "bad-result")


def test_a_secret_that_a_server_echoes_is_hidden(executor: Executor) -> None:
    assert call(executor, "secret").body == "It is ***"


def test_calls_run_at_once_on_one_connection(executor: Executor) -> None:
    async def all_of_them() -> list[CallResult]:
        session = executor.session()
        return await asyncio.gather(*(session.call(function("product"), {"product_id": 1}) for _ in range(30)))

    assert [result.status for result in executor.run(all_of_them())] == [200] * 30


def test_one_server_process_serves_all_sessions() -> None:
    executor = built(stdio())
    pids = {call(executor, "misbehave", how="pid").body for _ in range(3)}
    executor.shutdown()
    assert len(pids) == 1


@pytest.mark.parametrize("by", ["pipe", "socket"])
def test_a_late_answer_is_a_result_and_the_connection_goes_on(by: str) -> None:
    with mcp_server.serving(SECRET) as url:
        executor = built(stdio(timeout_s=10) if by == "pipe" else http(url, timeout_s=3))
        late = call(executor, "misbehave", how="hang")
        assert (late.status, late.problem) == (504, "timeout")
        assert call(executor, "product", product_id=1).status == 200
        executor.shutdown()


def test_a_server_that_dies_is_started_again() -> None:
    executor = built(stdio())
    before = call(executor, "misbehave", how="pid").body
    dead = call(executor, "misbehave", how="die")
    assert (dead.status, dead.problem) == (502, "server-died")
    assert call(executor, "misbehave", how="pid").body != before
    executor.shutdown()


def test_a_server_that_stays_away_is_not_tried_for_each_call() -> None:
    server = {"name": "shop", "command": [sys.executable, "-c", "raise SystemExit(1)"]}
    executor = built(server, failures=2, cool_down_s=0.2)
    problems = [call(executor, "find_books").problem for _ in range(6)]
    executor.shutdown()
    assert problems == ["unreachable-server"] * 3 + ["circuit-open"] * 3, "the third one was the probe"


@pytest.mark.parametrize("is_address", [True, False])
def test_processes_share_the_limits_of_an_address_and_not_of_a_command(is_address: bool) -> None:
    server = {"url": "http://127.0.0.1:9/mcp"} if is_address else {"command": [sys.executable, "-c", "exit(1)"]}
    config = McpConfig.model_validate({"servers": [{"name": "shop", **server}], "failures": 1, "cool_down_s": 1})
    shared = LocalLimits()  # on a cluster an actor's
    one, other = McpExecutor(config, shared), McpExecutor(config, shared)
    assert [call(one, "search").problem for _ in range(2)] == ["unreachable-server"] * 2
    assert call(other, "search").problem == ("circuit-open" if is_address else "unreachable-server")
    for executor in (one, other):
        executor.shutdown()


ENDLESS = """
import json, sys
def answer(method, params, page):
    if method == "initialize":
        server = {"name": "endless", "version": "1"}
        version = params["protocolVersion"]
        return {"result": {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server}}
    if method == "tools/list":
        return {"result": {"tools": [], "nextCursor": str(page)}}
    return {"error": {"code": -32601, "message": "unknown"}}
for page, line in enumerate(sys.stdin):
    message = json.loads(line)
    if "id" in message:
        said = {"jsonrpc": "2.0", "id": message["id"], **answer(message["method"], message.get("params"), page)}
        print(json.dumps(said), flush=True)
"""


@pytest.mark.timeout(120)
def test_a_server_that_never_ends_its_list_of_tools_is_given_up_on() -> None:
    executor = built({"name": "shop", "command": [sys.executable, "-c", ENDLESS], "timeout_s": 2})
    result = call(executor, "search", query="la")
    assert (result.status, result.problem) == (503, "unreachable-server")
    assert "within 2 s" in result.body["error"]
    executor.shutdown()


def test_an_address_is_tried_again_once_its_server_is_back() -> None:
    with mcp_server.serving(SECRET) as url:
        executor = built(http(url))
        assert call(executor, "product", product_id=1).status == 200
    gone = [call(executor, "product", product_id=1) for _ in range(2)]
    assert {result.status for result in gone} <= {502, 503}
    assert gone[1].problem == "unreachable-server"
    with mcp_server.serving(SECRET, port=int(url.split(":")[2].split("/")[0])):
        assert call(executor, "product", product_id=1).status == 200
        executor.shutdown()


def test_a_session_that_a_restarted_server_forgot_is_opened_again() -> None:
    with mcp_server.serving(SECRET, legacy=True) as url:
        executor = built(http(url))
        assert call(executor, "product", product_id=1).status == 200
    with mcp_server.serving(SECRET, legacy=True, port=int(url.split(":")[2].split("/")[0])):
        assert call(executor, "product", product_id=1).status == 200
        executor.shutdown()


def test_a_wrong_token_is_a_result() -> None:
    with mcp_server.serving("another token") as url:
        executor = built(http(url))
        refused = call(executor, "product", product_id=1)
        assert refused.status == 503 and "HTTP status 401" in refused.body["error"]
        executor.shutdown()


def test_calls_from_several_event_loops_connect_anew() -> None:
    executor = built(stdio())
    for _ in range(2):
        result = asyncio.run(executor.session().call(function("product"), {"product_id": 1}))
        assert result.status == 200


def test_settings_without_servers_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"executor\.mcp\.servers"):
        build({"backend": "mcp"}, ExecutorConfig, place="test")


def test_a_variable_that_is_not_set_is_told_at_once() -> None:
    with pytest.raises(ConfigError, match="NO_SUCH_VARIABLE is not set"):
        built(stdio(env=["NO_SUCH_VARIABLE"]))
