"""A small MCP server for the tests, on the official SDK: ``python mcp_server.py [flaw]``, or ``serving(...)``.

It lists two tools a page. The tools ``misbehave`` and ``liar`` go wrong when they are called. Flaws of the server:
``hang`` never answers, ``die`` ends while it lists, ``circle`` gives one cursor again and again.
"""

import asyncio
import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import uvicorn
from mcp import MCPError, types
from mcp.server import Server
from mcp.server.stdio import stdio_server
from starlette.requests import Request
from starlette.responses import PlainTextResponse

PRODUCT = {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}
STOCK = {1: {"id": 1, "name": "lamp"}, 2: {"id": 2, "name": "desk"}}


def tools() -> list[types.Tool]:
    """What the server lists; the description of the last one gives away the server's token."""

    def tool(name: str, properties: dict[str, Any], output: dict[str, Any] | None = None, says: str = "") -> types.Tool:
        schema = {"type": "object", "properties": properties, "required": sorted(properties)}
        return types.Tool(name=name, description=says or f"The tool {name}", input_schema=schema, output_schema=output)

    found = {"type": "object", "properties": {"results": {"type": "array", "items": PRODUCT}}}
    ask = {"question": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}}
    return [
        tool("search", {"query": {"type": "string"}}, found),
        tool("product", {"product_id": {"type": "integer"}}, PRODUCT),
        tool("misbehave", {"how": {"type": "string"}}),
        tool("ask", ask),
        tool("liar", {}, PRODUCT),
        tool("secret", {}, says=f"My token is {os.environ.get('SHOP_TOKEN', 'unset')}"),
    ]


def make(flaw: str = "") -> Server[Any]:
    """The server, which speaks over whatever transport it is given."""

    async def list_tools(ctx: Any, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        start = int((params and params.cursor) or 0)
        if flaw == "hang":
            await anyio.sleep_forever()
        if flaw == "die" and start:
            print(f"cannot open the till with {os.environ.get('SHOP_TOKEN')}", file=sys.stderr, flush=True)
            os._exit(3)
        more = 2 if flaw == "circle" else start + 2
        page = tools()[start : start + 2]
        return types.ListToolsResult(tools=page, next_cursor=str(more) if start + 2 < len(tools()) else None)

    async def call_tool(ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        given = params.arguments or {}
        if params.name == "search":
            results = [product for product in STOCK.values() if given["query"] in str(product["name"])]
            return _structured({"results": results})
        if params.name == "product":
            product = STOCK.get(given["product_id"])
            return _structured(product) if product else _text(f"no product {given['product_id']}", wrong=True)
        if params.name == "ask":
            return _text('{"said": "' + given["question"]["text"] + '"}')
        if params.name == "liar":
            return _structured({"id": "not a number"})
        if params.name == "secret":
            return _text(f"It is {os.environ.get('SHOP_TOKEN')}")
        if params.name == "misbehave":
            return await _misbehave(given["how"])
        raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")

    return Server("Acme internal v7", on_list_tools=list_tools, on_call_tool=call_tool)


async def _misbehave(how: str) -> types.CallToolResult:
    if how == "hang":
        await anyio.sleep_forever()
    if how == "die":
        os._exit(3)
    if how == "pid":
        return _text(str(os.getpid()))
    if how == "raise":
        raise RuntimeError("the till is open")
    return _text(how)


def _structured(value: Any) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=str(value))], structured_content=value)


def _text(text: str, wrong: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=wrong)


async def stdio(flaw: str) -> None:
    """Serve stdin and stdout until stdin ends."""
    server = make(flaw)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


@contextlib.contextmanager
def serving(token: str, flaw: str = "", port: int = 0, legacy: bool = False) -> Iterator[str]:
    """The URL of a server on a real socket that asks for ``Authorization: Bearer <token>``.

    A legacy one knows only the revisions of the protocol with sessions, which it forgets when it ends.
    """
    inner = make(flaw).streamable_http_app()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = Request(scope).headers if scope["type"] == "http" else {"authorization": f"Bearer {token}"}
        shown = headers.get("authorization")
        if shown != f"Bearer {token}":
            await PlainTextResponse(f"bad token {shown}", status_code=401)(scope, receive, send)
        elif legacy and headers.get("mcp-protocol-version", "") > "2026":
            await PlainTextResponse("unknown revision", status_code=400)(scope, receive, send)
        else:
            await inner(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


if __name__ == "__main__":
    anyio.run(stdio, sys.argv[1] if len(sys.argv) > 1 else "")
