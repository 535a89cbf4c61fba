"""Live MCP servers as documents, over real pipes and sockets."""

import asyncio
import json
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.documents.servers import with_tool_lists
from goat_ray.errors import ConfigError, GoatError
from goat_ray.mcp_client import connected
from goat_ray.records import ApiFunction
from goat_ray.settings import build

from . import mcp_server

SECRET = "s3cr3t-of-the-shop"
NAMES = ["ask", "liar", "misbehave", "product", "search", "secret"]


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", SECRET)
    monkeypatch.setenv("SHOP_HEADER", f"Bearer {SECRET}")


def stdio(*arguments: str, **more: Any) -> dict[str, Any]:
    command = [sys.executable, mcp_server.__file__, *arguments]
    return {"name": "shop", "command": command, "env": ["SHOP_TOKEN"], **more}


def http(url: str, **more: Any) -> dict[str, Any]:
    return {"name": "shop", "url": url, "headers_env": {"Authorization": "SHOP_HEADER"}, **more}


def config(*servers: dict[str, Any]) -> DocumentsConfig:
    return build({"mcp": list(servers)}, DocumentsConfig, place="test")


def ingested(settings: DocumentsConfig, folder: Path) -> list[ApiFunction]:
    found = list(Ingest(settings).process(discover(with_tool_lists(settings, folder))))
    assert all(isinstance(one, ApiFunction) for one in found), found
    return [one for one in found if isinstance(one, ApiFunction)]


def failure(server: dict[str, Any], folder: Path) -> str:
    with pytest.raises(GoatError) as caught:
        with_tool_lists(config(server), folder)
    assert caught.value.place == "MCP server shop" and caught.value.remedy
    assert SECRET not in str(caught.value)
    assert not list(folder.glob("*.json"))
    return caught.value.problem


def test_both_transports_give_the_same_functions_of_all_pages(tmp_path: Path) -> None:
    by_pipe = ingested(config(stdio()), tmp_path / "a")
    with mcp_server.serving(SECRET) as url:
        by_socket = ingested(config(http(url)), tmp_path / "b")
    assert by_pipe == by_socket
    assert [(one.service, one.name) for one in by_pipe] == [("shop", name) for name in NAMES]
    search = by_pipe[4]
    assert [(one.path, one.type) for one in search.outputs] == [
        ("$.results[*].id", "integer"),
        ("$.results[*].name", "string"),
    ]


def test_the_file_is_canonical_and_has_no_secret(tmp_path: Path) -> None:
    once, again = tmp_path / "once", tmp_path / "again"
    for folder in (once, again):
        with_tool_lists(config(stdio()), folder)
    text = (once / "shop.json").read_text()
    assert text == (again / "shop.json").read_text()
    assert "My token is ***" in text and SECRET not in text
    names = [tool["name"] for tool in json.loads(text)["tools"]]
    assert names == sorted(names)


def test_paths_and_servers_are_read_together(tmp_path: Path) -> None:
    (tmp_path / "bank.json").write_text(json.dumps({"tools": [{"name": "balance", "inputSchema": {"type": "object"}}]}))
    settings = build({"paths": [str(tmp_path / "bank.json")], "mcp": [stdio()]}, DocumentsConfig, place="test")
    functions = ingested(settings, tmp_path / "run")
    assert {one.service for one in functions} == {"bank", "shop"}


def test_a_wrong_token_is_told_without_showing_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    with mcp_server.serving("another token") as url:
        assert failure(http(url), tmp_path) == "refused with HTTP status 401"
    assert SECRET not in caplog.text + "".join(capfd.readouterr())


def test_a_server_that_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    problem = failure(stdio("die"), tmp_path)
    assert problem == "ended the connection; its last words on stderr: cannot open the till with ***"


def test_a_command_that_is_no_server_is_told(tmp_path: Path) -> None:
    assert "No module named" in failure(stdio() | {"command": [sys.executable, "-m", "no_such_module"]}, tmp_path)
    assert "cannot be started" in failure(stdio() | {"command": ["no-such-program"]}, tmp_path)


@pytest.mark.parametrize("by", ["pipe", "socket"])
def test_a_server_that_hangs_is_given_up(tmp_path: Path, by: str) -> None:
    if by == "pipe":
        assert failure(stdio("hang", timeout_s=3), tmp_path) == "did not answer within 3 s"
        return
    with mcp_server.serving(SECRET, "hang") as url:
        assert failure(http(url, timeout_s=1), tmp_path) == "did not answer within 1 s"


def test_the_cause_is_told_and_not_the_streams_that_it_closed() -> None:
    """On a busy machine a stream that closes under its reader may be quicker than the deadline that closed it."""

    async def fail(*errors: Exception, within_s: float | None = None) -> None:
        async with connected(config(stdio()).mcp[0], within_s):
            try:
                await asyncio.sleep(60 if within_s else 0)
            finally:
                raise ExceptionGroup("of a task group", errors)

    late = ExceptionGroup("of another", [TimeoutError()])
    with pytest.raises(GoatError, match="did not answer within"):
        asyncio.run(fail(anyio.ClosedResourceError(), late))
    with pytest.raises(GoatError, match="did not answer within"):
        asyncio.run(fail(anyio.ClosedResourceError(), within_s=3))
    with pytest.raises(GoatError, match="ClosedResourceError"):
        asyncio.run(fail(anyio.ClosedResourceError()))


def test_an_address_where_nobody_listens_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "cannot be reached" in failure(http(f"http://127.0.0.1:{port}/mcp"), tmp_path)


def test_pages_in_circles_and_too_many_tools_are_refused(tmp_path: Path) -> None:
    assert "in circles" in failure(stdio("circle"), tmp_path)
    assert "more than 3 tools" in failure(stdio(max_tools=3), tmp_path)


def test_a_variable_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_TOKEN")
    assert failure(stdio(), tmp_path) == "the environment variable SHOP_TOKEN is not set"


@pytest.mark.ray
def test_the_road_reads_servers_like_other_documents(ray_cluster: None, tmp_path: Path) -> None:
    from goat_ray.config import GoatConfig
    from goat_ray.pipeline import Road

    settings = {"run": {"directory": str(tmp_path / "run")}, "documents": {"mcp": [stdio()]}}
    functions = Road(GoatConfig.model_validate(settings)).ingest()
    assert sorted(one.name for one in functions.records()) == NAMES
    assert (tmp_path / "run" / "mcp" / "shop.json").exists()
    again = Road(GoatConfig.model_validate(settings)).ingest()
    assert again == functions


@pytest.mark.parametrize(
    ("documents", "problem"),
    [
        ({}, "set documents.paths, documents.mcp or both"),
        ({"mcp": [{"name": "shop"}]}, "exactly one of command and url"),
        ({"mcp": [stdio(url="http://127.0.0.1/mcp")]}, "exactly one of command and url"),
        ({"mcp": [http("http://me:pass@127.0.0.1/mcp")]}, "holds credentials"),
        ({"mcp": [http("ftp://127.0.0.1/mcp")]}, "no http"),
        ({"mcp": [stdio(), stdio()]}, "two servers are called 'shop'"),
        ({"mcp": [stdio(name="../shop")]}, "mcp.0.name"),
        ({"mcp": [http("http://127.0.0.1/mcp", headers_env={"Authorization": f"Bearer {SECRET}"})]}, "headers_env"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_starts(documents: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        build(documents, DocumentsConfig, place="test")
    assert SECRET not in str(caught.value)


def test_the_servers_of_the_tests_get_no_other_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_SECRET", "not-for-the-shop")
    spy = "import os, sys; sys.stderr.write(str('OTHER_SECRET' in os.environ)); sys.exit(1)"
    assert failure(stdio() | {"command": [sys.executable, "-c", spy]}, tmp_path).endswith("stderr: False")
    assert os.environ["OTHER_SECRET"] == "not-for-the-shop"
