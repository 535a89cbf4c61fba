"""One session with an MCP server, shared by all calls of an executor."""

import asyncio

from mcp import Client, MCPError
from mcp.types import CONNECTION_CLOSED, INVALID_REQUEST, CallToolResult

from goat_ray.errors import GoatError
from goat_ray.mcp_client import McpError, connected, list_tools
from goat_ray.mcp_servers import McpServer


class Connection:
    """Connects at the first call, and again at the first call after the server has died.

    A call that was under way then is not repeated: nobody knows whether the server has acted on it. One that a
    restarted server refuses, because it does not know the session, is.
    """

    def __init__(self, server: McpServer) -> None:
        self.server = server
        self._life: _Life | None = None

    async def call(self, tool: str, arguments: dict[str, object]) -> CallToolResult:
        """What a tool gives; raises ``GoatError`` where the server cannot be reached, and what the SDK raises."""
        try:
            return await self._call(tool, arguments)
        except MCPError as error:
            if error.code != INVALID_REQUEST:  # which is how the SDK tells of an unknown session
                raise
        return await self._call(tool, arguments)

    async def _call(self, tool: str, arguments: dict[str, object]) -> CallToolResult:
        if self._life is None or self._life.over:
            self._life = _Life(self.server)
        life = self._life
        client = await life.client()
        try:
            return await client.call_tool(tool, arguments)
        except MCPError as error:
            if error.code in (CONNECTION_CLOSED, INVALID_REQUEST):
                await life.end()
            raise

    async def close(self) -> None:
        """End the session, and the server if it was started for it."""
        if self._life is not None:
            await self._life.end()


class _Life:
    """A session from its handshake to its end, in a task of its own: the SDK wants both in the same one."""

    def __init__(self, server: McpServer) -> None:
        self._server = server
        self._end = asyncio.Event()
        self._client: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live())

    @property
    def over(self) -> bool:
        """Whether the session has ended, for whatever reason."""
        return self._task.done() or self._end.is_set()

    async def client(self) -> Client:
        """The client, once it is connected; raises ``GoatError``."""
        return await asyncio.shield(self._client)  # of the others that wait for it, too

    async def end(self) -> None:
        self._end.set()
        await asyncio.wait([self._task])

    async def _live(self) -> None:
        limit = asyncio.timeout(self._server.timeout_s)
        try:
            async with limit, connected(self._server) as client:
                await list_tools(client, self._server)  # the SDK checks results by the listed schemas
                limit.reschedule(None)
                self._client.set_result(client)
                await self._end.wait()
        except (GoatError, TimeoutError) as error:
            if not self._client.done():
                self._client.set_exception(self._late() if limit.expired() else error)
        finally:
            self._client.cancel()

    def _late(self) -> McpError:
        return McpError(
            f"did not tell its tools within {self._server.timeout_s:g} s",
            place=self._server.place,
            remedy="Raise its timeout_s",
        )
