"""Local references: ``{"$ref": "#/components/schemas/Movie"}`` (OpenAPI 3.0, "Reference Object"; RFC 6901)."""

from typing import Any
from urllib.parse import unquote

from goat_ray.documents.flaws import BadReference, RemoteReference

MAX_HOPS = 32  # references that only lead to further references
_SCHEMA_FOLDERS = ("schemas", "definitions", "$defs")


class References:
    """Follows the references inside one document. References that leave the document are refused."""

    def __init__(self, tree: Any) -> None:
        self._tree = tree
        self._targets: dict[str, Any] = {}

    def follow(self, node: Any) -> Any:
        """The node itself or, if it is a reference, what it refers to; raises ``Flaw``."""
        return self.follow_named(node)[0]

    def follow_named(self, node: Any) -> tuple[Any, str]:
        """As ``follow``, with the name of the schema that the last reference names, or ``""``."""
        name = ""
        for _ in range(MAX_HOPS):
            reference = node.get("$ref") if isinstance(node, dict) else None
            if not isinstance(reference, str):  # a property may be called $ref
                return node, name
            node = self._target(reference)
            parents = reference.split("/")[:-1]
            name = _token(reference.rsplit("/", 1)[-1]) if parents and parents[-1] in _SCHEMA_FOLDERS else ""
        raise BadReference(f"$ref {reference!r} leads round in a circle", remedy="Let it end at a definition")

    def _target(self, reference: str) -> Any:
        if reference not in self._targets:
            self._targets[reference] = self._find(reference)
        return self._targets[reference]

    def _find(self, reference: str) -> Any:
        if not reference.startswith("#"):
            raise RemoteReference(
                f"$ref {reference!r} leaves the document",
                remedy="Bundle the document into one file first, e.g. with redocly bundle",
            )
        node = self._tree
        if reference == "#":
            return node
        for part in reference[1:].split("/")[1:] if reference.startswith("#/") else [reference[1:]]:
            token = _token(part)
            if isinstance(node, dict) and token in node:
                node = node[token]
            elif isinstance(node, list) and token.isdecimal() and int(token) < len(node):
                node = node[int(token)]
            else:
                raise BadReference(f"$ref {reference!r} leads nowhere", remedy="Define it or correct the reference")
        return node


def _token(part: str) -> str:
    return unquote(part).replace("~1", "/").replace("~0", "~")


def pointer(*tokens: str) -> str:
    """The JSON pointer of tokens: ``/paths/~1movie/get``."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)
