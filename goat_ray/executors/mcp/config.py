"""Configuration of the executor that calls tools of MCP servers."""

from pydantic import Field

from goat_ray.executors.http.config import LimitsConfig
from goat_ray.mcp_servers import McpServers


class McpConfig(LimitsConfig):
    """The servers that calls go to.

    The limits are each server's: of one with a URL for the whole cluster, of a command, which each process starts for
    itself, for that process.
    """

    concurrency: int = Field(64, ge=1, description="Calls at a time.")
    failures: int = Field(
        3,
        ge=1,
        description="So many failures in a row open the circuit breaker. Connecting to a dead server takes its whole "
        "timeout_s each time.",
    )

    servers: McpServers = []
    """As in ``documents.mcp``; a function is called on the server that has its service as its name."""
