"""Configuration of the executor that calls tools of MCP servers."""

from goat_ray.mcp_servers import McpServers
from goat_ray.settings import Settings


class McpConfig(Settings):
    """The servers that calls go to."""

    servers: McpServers = []
    """As in ``documents.mcp``; a function is called on the server that has its service as its name."""
