"""Calls the tools of MCP servers.

The body is the result's ``structuredContent``, which an ``outputSchema`` describes, or else its text, read as JSON
where it is a JSON object or array. The nearest HTTP statuses stand for what can happen:

- 400: the tool says ``isError``. Of these only a text is left, so that no status can be closer.
- 422: the server refuses tool or arguments; 500: it answers with another error of the protocol.
- 501: no server has the function's service as its name.
- 502: the server died during the call, or its result breaks the protocol or its own schema.
- 503: the server cannot be reached, or has been given up on for a while.
- 504: the call took longer than the server's ``timeout_s``.
"""

import asyncio
import uuid
from typing import Any
from urllib.parse import urlsplit

from mcp import MCPError
from mcp.types import (
    CONNECTION_CLOSED,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    REQUEST_TIMEOUT,
    CallToolResult,
    ContentBlock,
    TextContent,
)

from goat_ray.errors import GoatError
from goat_ray.executors.executor import CallResult, Executor, Session, counted
from goat_ray.executors.limits import CircuitOpen, Gate, Limits, LocalLimits
from goat_ray.executors.mcp.config import McpConfig
from goat_ray.executors.mcp.connection import Connection
from goat_ray.executors.nesting import nested
from goat_ray.mcp_servers import McpServer
from goat_ray.records import ApiFunction
from goat_ray.storable import parsed, writable

_STATUS = {INVALID_PARAMS: 422, METHOD_NOT_FOUND: 422, CONNECTION_CLOSED: 502, REQUEST_TIMEOUT: 504}
_ILLNESSES = ("server-died", "timeout", "unreachable-server")
_PROBLEM = {CONNECTION_CLOSED: "server-died", REQUEST_TIMEOUT: "timeout"}


class McpExecutor(Executor):
    """Keeps one session with each server. What a server remembers is shared by all traces.

    Raises ``ConfigError`` if a variable that a server needs is not set.
    """

    name = "mcp"
    starts_anew = False

    def __init__(self, config: McpConfig, limits: Limits | None = None) -> None:
        for server in config.servers:
            _ = server.variables(), server.headers()
        self._connections = {server.name: Connection(server) for server in config.servers}
        process, own = uuid.uuid4().hex, LocalLimits()
        self._gates = {
            server.name: Gate(_shared_name(server), config, limits, process)
            if server.url and limits is not None
            else Gate(server.name, config, own, process)
            for server in config.servers
        }

    def session(self) -> Session:
        return _McpSession(self._connections, self._gates)

    async def close(self) -> None:
        await asyncio.gather(*(connection.close() for connection in self._connections.values()))


def _shared_name(server: McpServer) -> str:
    """What a server is called among all that the cluster calls; a whole URL may hold a key."""
    return f"{server.name} at {urlsplit(server.url).netloc}"


class _McpSession(Session):
    def __init__(self, connections: dict[str, Connection], gates: dict[str, Gate]) -> None:
        self._connections, self._gates = connections, gates

    @counted("mcp")
    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        connection = self._connections.get(function.service)
        if connection is None:
            return CallResult.failed(501, f"no MCP server is called {function.service!r}", "unknown-server")
        gate = self._gates[function.service]
        try:
            await gate.enter()
        except CircuitOpen:
            return CallResult.failed(503, "the server has not answered for a while", "circuit-open")
        is_well: bool | None = None
        try:
            result = await _called(connection, function.name, nested(arguments))
            is_well = result.problem not in _ILLNESSES
        finally:
            gate.leave(succeeded=is_well is True, failed=is_well is False)
        return result.model_copy(update={"body": connection.server.secrets().hide_in(result.body)})

    async def close(self) -> None:
        await asyncio.gather(*(gate.settle() for gate in self._gates.values()))


async def _called(connection: Connection, tool: str, arguments: dict[str, Any]) -> CallResult:
    try:
        result = await connection.call(tool, arguments)
    except GoatError as error:
        return CallResult.failed(503, str(error), "unreachable-server")
    except MCPError as error:
        return CallResult.failed(_STATUS.get(error.code, 500), error.message, _PROBLEM.get(error.code, ""))
    except Exception as error:  # the SDK's complaints about a result have no type in common
        return CallResult.failed(502, f"bad result: {' '.join(str(error).split())[:500]}", "bad-result")
    body = _body(result)
    if result.is_error:
        return CallResult(status=400, body={"error": body}, origin="real")
    return CallResult(status=200, body=body, origin="real")


def _body(result: CallToolResult) -> Any:
    if result.structured_content is not None:
        return result.structured_content
    parts = [_part(block) for block in result.content]
    return parts[0] if len(parts) == 1 else parts


def _part(block: ContentBlock) -> Any:
    """A text, the JSON in it, or what is known of a picture, a sound or a resource besides its data."""
    if not isinstance(block, TextContent):
        return block.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"data"})
    if block.text.lstrip()[:1] in ("{", "["):
        try:
            return parsed(block.text)
        except ValueError:  # a text that only looks like it
            pass
    return writable(block.text)
