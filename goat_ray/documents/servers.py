"""Documents from live MCP servers: their tool lists, written to files that are then read like all others."""

import asyncio
from typing import Any

from goat_ray.documents.config import DocumentsConfig
from goat_ray.identity import canonical_json
from goat_ray.mcp_servers import McpServer
from goat_ray.places import Place, Where

_KEPT = {"name", "title", "description", "input_schema", "output_schema", "annotations"}  # pictures and such are not


def with_tool_lists(config: DocumentsConfig, folder: Where) -> DocumentsConfig:
    """The configuration with the tool list of each of its MCP servers among the paths, as ``folder/<name>.json``.

    The text is canonical, whatever the order in which a server lists: the same tools give the same ids.
    Raises ``McpError`` for a server that cannot be listed.
    """
    if not config.mcp:
        return config
    paths = []
    for server, text in zip(config.mcp, asyncio.run(_texts(config.mcp)), strict=True):
        file = Place.of(folder) / f"{server.name}.json"
        file.write_bytes(text.encode())
        paths.append(str(file))
    return config.model_copy(update={"paths": [*config.paths, *paths]})


async def _texts(servers: list[McpServer]) -> list[str]:
    return await asyncio.gather(*(_text(server) for server in servers))


async def _text(server: McpServer) -> str:
    """The document of one server: its tools by name, under the name that the configuration gives it."""
    from goat_ray import mcp_client  # the SDK takes a second to import, and most runs have no server

    async with mcp_client.connected(server, within_s=server.timeout_s) as client:
        found = await mcp_client.list_tools(client, server)
    tools: list[dict[str, Any]] = [
        tool.model_dump(mode="json", by_alias=True, exclude_unset=True, include=_KEPT) for tool in found
    ]
    tools.sort(key=lambda tool: (tool["name"], canonical_json(tool)))
    listed = {"serverInfo": {"name": server.name}, "tools": tools}
    return canonical_json(server.secrets().hide_in(listed)) + "\n"
