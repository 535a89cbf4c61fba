"""Reader of OpenAPI 3 documents (spec.openapis.org, 3.0.4 and 3.1.1)."""

import re
from typing import Any

from goat_ray.documents.operations import Dialect
from goat_ray.documents.schemas import listed, text

_VARIABLE = re.compile(r"\{([^{}]+)\}")


class OpenApi3(Dialect):
    """OpenAPI 3.0 and 3.1."""

    key, version, name, versions = "openapi", r"3\.", "an OpenAPI 3", "an OpenAPI 3.0 or 3.1"

    def security_schemes(self) -> Any:
        components = self.references.follow(self.tree.get("components"))
        return self.references.follow(components.get("securitySchemes")) if isinstance(components, dict) else None

    def server(self, *holders: dict[str, Any]) -> str:
        return next((url for url in map(_server, (*holders, self.tree)) if url), "")

    def parameters(self, item: dict[str, Any], operation: dict[str, Any]) -> list[Any]:
        return [*listed(item.get("parameters")), *listed(operation.get("parameters"))]

    def request_body(self, item: dict[str, Any], operation: dict[str, Any]) -> Any:
        return operation.get("requestBody")

    def content(self, response: dict[str, Any], operation: dict[str, Any]) -> Any:
        return response.get("content")


sniff, read = OpenApi3.sniff, OpenApi3.read


def _server(holder: dict[str, Any]) -> str:
    """The first server's URL with its variables at their defaults; empty if the holder names none."""
    servers = holder.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else None
    if not isinstance(first, dict):
        return ""
    url = text(first.get("url")).rstrip("/")
    variables = first.get("variables")
    defaults = {
        name: text(str(variable["default"]))
        for name, variable in (variables.items() if isinstance(variables, dict) else ())
        if isinstance(variable, dict) and variable.get("default") is not None
    }
    # In one go: a default that names other variables is no template, or a few lines would grow into gigabytes.
    return text(_VARIABLE.sub(lambda match: defaults.get(match[1], match[0]), url))
