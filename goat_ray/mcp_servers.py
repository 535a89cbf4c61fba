"""Which MCP servers there are and how to reach them; documents come from them, and calls go to them."""

import os
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from goat_ray.hiding import Secrets
from goat_ray.settings import Settings, VariableName, environment_variable, is_http_address


class McpServer(Settings):
    """A server of the Model Context Protocol, started by a command or found at a URL.

    Secrets come from environment variables, of which only the names stand here.
    """

    # A token pasted in place of a variable's name must not come back in an error message.
    model_config = ConfigDict(hide_input_in_errors=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    """The service that its tools belong to."""

    command: list[str] = []
    """Program and arguments of a server that speaks over stdio, e.g. ``["python", "server.py"]``."""

    env: list[VariableName] = []
    """Names of environment variables that the command gets besides ``PATH``, ``HOME`` and the like."""

    url: str = ""
    """Address of a server that speaks streamable HTTP, e.g. ``http://127.0.0.1:8000/mcp``."""

    headers_env: dict[str, VariableName] = {}
    """Headers sent to the URL, each with the name of the environment variable that holds its whole value."""

    timeout_s: float = Field(default=30.0, gt=0)
    """For connecting and listing all tools together, and for each call."""

    max_tools: int = Field(default=2_000, ge=1)
    """A server that lists more is refused."""

    @model_validator(mode="after")
    def _one_way_to_reach_it(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("give exactly one of command and url")
        if self.command and self.headers_env:
            raise ValueError("headers_env belongs to a url; a command gets its secrets by env")
        if self.url and self.env:
            raise ValueError("env belongs to a command; a url gets its secrets by headers_env")
        address = urlsplit(self.url)
        if self.url and not is_http_address(self.url):
            raise ValueError("url is no http(s) address, such as http://127.0.0.1:8000/mcp")
        if address.username or address.password:
            raise ValueError("url holds credentials; put them into a variable that headers_env names")
        return self

    @property
    def place(self) -> str:
        """The server as errors name it."""
        return f"MCP server {self.name}"

    def variables(self) -> dict[str, str]:
        """The variables that ``env`` names, with their values; raises ``ConfigError`` where one is not set."""
        return {name: environment_variable(name, place=self.place) for name in self.env}

    def headers(self) -> dict[str, str]:
        """The headers of ``headers_env`` with their values; raises ``ConfigError`` where one is not set."""
        return {header: environment_variable(name, place=self.place) for header, name in self.headers_env.items()}

    def secrets(self) -> Secrets:
        """The values of the variables that the server gets."""
        return Secrets(os.environ.get(name, "") for name in (*self.env, *self.headers_env.values()))


def _distinct(servers: list[McpServer]) -> list[McpServer]:
    names = [server.name for server in servers]
    if len(set(names)) < len(names):
        raise ValueError(f"two servers are called {max(names, key=names.count)!r}")
    return servers


McpServers = Annotated[list[McpServer], AfterValidator(_distinct)]
"""Servers with names of their own."""
