"""Reader of OpenAPI 3 documents (spec.openapis.org, 3.0.4 and 3.1.1)."""

from collections.abc import Iterator
from typing import Any

from goat_ray.documents.flaws import NotOpenApi
from goat_ray.documents.loading import Source
from goat_ray.documents.operations import Dialect, read_operations
from goat_ray.documents.schemas import listed, text
from goat_ray.records import ApiFunction, Reject


def sniff(source: Source) -> bool:
    """Whether the document calls itself OpenAPI; raises ``Flaw`` if it seems to but cannot be parsed."""
    return b"openapi" in source.content and isinstance(source.tree, dict) and "openapi" in source.tree


def read(source: Source) -> Iterator[ApiFunction | Reject]:
    """The functions of a document and the rejects of its operations, see ``read_operations``.

    Raises ``Flaw`` if the document as a whole cannot be used.
    """
    tree = source.tree
    version = tree.get("openapi") if isinstance(tree, dict) else None
    paths = tree.get("paths") if isinstance(tree, dict) else None
    if not str(version).startswith("3.") or not isinstance(paths, dict | None):
        raise NotOpenApi(
            f"is not an OpenAPI 3 document (openapi: {version!r}, paths: {type(paths).__name__})",
            place=source.document.path,
            remedy="Give an OpenAPI 3.0 or 3.1 document with a paths object",
        )
    yield from read_operations(source, OpenApi3)


class OpenApi3(Dialect):
    """OpenAPI 3.0 and 3.1."""

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


def _server(holder: dict[str, Any]) -> str:
    """The first server's URL with its variables at their defaults; empty if the holder names none."""
    servers = holder.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else None
    if not isinstance(first, dict):
        return ""
    url = text(first.get("url")).rstrip("/")
    variables = first.get("variables")
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        if isinstance(variable, dict) and variable.get("default") is not None:
            url = url.replace(f"{{{name}}}", str(variable["default"]))
    return url
