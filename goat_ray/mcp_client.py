"""Connections to MCP servers with the official SDK: over stdio, or streamable HTTP."""

import asyncio
import io
import logging
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Self

import anyio
import httpx2
from mcp import Client, MCPError, StdioServerParameters, Tool, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT

from goat_ray.errors import GoatError
from goat_ray.mcp_servers import McpServer

# The SDK logs what servers send, which may hold secrets, with tracebacks of failures that are told here.
logging.getLogger("mcp").setLevel(logging.CRITICAL + 1)

MAX_CAUSE = 500  # characters of an error that a server worded


class McpError(GoatError):
    """An MCP server cannot be reached, or does not keep to the protocol."""


@asynccontextmanager
async def connected(server: McpServer, within_s: float | None = None) -> AsyncIterator[Client]:
    """A client that has shaken hands with a server.

    Each request times out after ``server.timeout_s``, all of the block after ``within_s``. Raises ``McpError``
    for whatever goes wrong with the server, also inside the block, and ``ConfigError`` for a variable that is
    not set.
    """
    limit = asyncio.timeout(within_s)
    with _Witness() as witness:
        try:
            async with limit, _client(server, witness) as client:
                yield client
        except Exception as error:
            cause = _cause_of(error, late=limit.expired())
            raise _told(server, cause, witness) from None  # the chain could show secrets


async def list_tools(client: Client, server: McpServer) -> list[Tool]:
    """All tools of a server, page by page; raises ``McpError`` where it has too many or its pages go in circles."""
    tools: list[Tool] = []
    cursors: set[str] = set()
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if len(tools) > server.max_tools:
            raise McpError(
                f"lists more than {server.max_tools} tools", place=server.place, remedy="Raise its max_tools"
            )
        if not cursor:
            return tools
        if cursor in cursors:
            problem = f"lists its tools in circles: the same nextCursor twice, after {len(tools)} tools"
            raise McpError(problem, place=server.place, remedy="Mend the server")
        cursors.add(cursor)


@asynccontextmanager
async def _client(server: McpServer, witness: "_Witness") -> AsyncIterator[Client]:
    if server.url:
        # Requests have deadlines of their own, and streams may be silent for long.
        timeout = httpx2.Timeout(server.timeout_s, read=None)
        hooks = {"response": [witness.note_status]}
        async with httpx2.AsyncClient(headers=server.headers(), timeout=timeout, event_hooks=hooks) as http:
            transport = streamable_http_client(server.url, http_client=http)
            async with Client(transport, cache=None, read_timeout_seconds=server.timeout_s) as client:
                yield client
        return
    program, *arguments = server.command
    parameters = StdioServerParameters(command=program, args=arguments, env=server.variables())
    transport = stdio_client(parameters, errlog=witness.stderr)
    async with Client(transport, cache=None, read_timeout_seconds=server.timeout_s) as client:
        yield client


class _Witness:
    """Sees what the SDK's errors do not say: the HTTP status of a refusal, and a command's last words on stderr."""

    def __init__(self) -> None:
        self.status: int | None = None
        reading, writing = os.pipe()
        self.stderr = io.TextIOWrapper(io.FileIO(writing, "w"), write_through=True)
        self._last: deque[bytes] = deque(maxlen=1)
        self._thread = threading.Thread(target=self._drain, args=(reading,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stderr.close()

    async def note_status(self, response: httpx2.Response) -> None:
        """Remember the last refusal of a message, until another one is taken."""
        if response.request.method == "POST":  # servers may refuse to GET a stream, or to DELETE a session
            self.status = response.status_code if response.is_error else None

    def last_words(self) -> str:
        """The last line that the command wrote to stderr."""
        self.stderr.close()
        self._thread.join(timeout=1)  # ends with the command; its children may live on
        return self._last[0].decode(errors="replace").strip() if self._last else ""

    def _drain(self, reading: int) -> None:
        with open(reading, "rb") as stream:
            while line := stream.readline(MAX_CAUSE):
                if line.strip():
                    self._last.append(line)


def _cause_of(error: BaseException, *, late: bool) -> BaseException:
    """The first error inside the groups in which task groups raise theirs, or what it is a consequence of.

    Where one task gives up or is late, its streams close under the others, which may be quicker to say so.
    """
    found = [*_leaves(error)]
    if late:
        return next((one for one in found if isinstance(one, GoatError)), TimeoutError())
    closed = (anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream)
    return next((one for one in found if not isinstance(one, closed)), found[0])


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for one in error.exceptions:
        yield from _leaves(one)


def _told(server: McpServer, error: BaseException, witness: _Witness) -> GoatError:
    if isinstance(error, GoatError):
        return error
    refused = witness.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    if refused:
        remedy = "Correct the variables that headers_env names"
    elif server.url:
        remedy = "Check that the server runs, and its url"
    else:
        remedy = "Run its command by hand to see more, and list the variables it needs in env"
    return McpError(server.secrets().hide(_cause(server, error, witness)), place=server.place, remedy=remedy)


def _cause(server: McpServer, error: BaseException, witness: _Witness) -> str:
    late = isinstance(error, TimeoutError) or (isinstance(error, MCPError) and error.code == REQUEST_TIMEOUT)
    if late:
        return f"did not answer within {server.timeout_s:g} s"
    if witness.status is not None:
        return f"refused with HTTP status {witness.status}"
    if isinstance(error, MCPError) and error.code == CONNECTION_CLOSED:
        words = witness.last_words()
        return "ended the connection" + (f"; its last words on stderr: {words}" if words else "")
    if isinstance(error, MCPError):
        return f"failed: {_shortened(error)}"
    if isinstance(error, httpx2.HTTPError):
        return f"cannot be reached: {_shortened(error)}"
    if isinstance(error, OSError):
        return f"cannot be started: {error.strerror or _shortened(error)}"
    return f"does not keep to the protocol: {type(error).__name__}: {_shortened(error)}"


def _shortened(error: BaseException) -> str:
    return " ".join(str(error).split())[:MAX_CAUSE] or type(error).__name__
