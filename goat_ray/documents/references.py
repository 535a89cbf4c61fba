"""References: ``{"$ref": "pets.yaml#/components/schemas/Pet"}`` (OpenAPI 3.0, "Reference Object"; RFC 6901)."""

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from goat_ray.documents.files import Files, locate
from goat_ray.documents.flaws import BadReference, Flaw, RemoteReference

MAX_HOPS = 32  # references that only lead to further references
_SCHEMA_FOLDERS = ("schemas", "definitions", "$defs")


class References:
    """Follows the references inside one document and, given its ``Files``, those to other files."""

    def __init__(self, tree: Any, files: Files | None = None) -> None:
        self._tree = tree
        self._files = files
        self._targets: dict[tuple[str, str], tuple[Any, str]] = {}
        self._open: set[tuple[str, str]] = set()  # being looked up: a way to a target may lead over others

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
            file, _, fragment = reference.partition("#")
            node, place = self._target(node, reference)
            name = _schema_name(fragment, place if file else "", name)
        raise BadReference(f"$ref {reference!r} leads round in a circle", remedy="Let it end at a definition")

    def _target(self, node: Any, reference: str) -> tuple[Any, str]:
        """What a reference in a node refers to, and the path of the file where that is."""
        home = self._files.home(node) if self._files else ""
        key = home, reference
        if key not in self._targets:
            if key in self._open or len(self._open) >= MAX_HOPS:
                raise BadReference(f"$ref {reference!r} leads round in a circle", remedy="Let it end at a definition")
            self._open.add(key)
            try:
                self._targets[key] = self._find(home, reference)
            finally:
                self._open.remove(key)
        return self._targets[key]

    def _find(self, home: str, reference: str) -> tuple[Any, str]:
        file, _, fragment = reference.partition("#")
        path, node = self._root(home, file, reference)
        for token in _tokens(fragment):
            if isinstance(node, dict) and token not in node:
                node = self.follow(node)  # people split whole folders off: components: {schemas: {$ref: all.yaml}}
            if isinstance(node, dict) and token in node:
                node = node[token]
            elif isinstance(node, list) and token.isdecimal() and int(token) < len(node):
                node = node[int(token)]
            else:
                raise BadReference(f"$ref {reference!r} leads nowhere", remedy="Define it or correct the reference")
        return node, path

    def _root(self, home: str, file: str, reference: str) -> tuple[str, Any]:
        if self._files is None:
            if file:
                raise RemoteReference(
                    f"$ref {reference!r} leaves the document", remedy="Write what it refers to into the document"
                )
            return home, self._tree
        try:
            path = locate(home, file)
            return path, self._files.tree(path)
        except Flaw as flaw:
            problem = f"$ref {reference!r} {f'to {flaw.place} ' if flaw.place else ''}{flaw.problem}"
            raise type(flaw)(problem, remedy=flaw.remedy) from None


def _schema_name(fragment: str, path: str, before: str) -> str:
    """The name of a schema: what ``schemas/Pet`` is called or, in another file at ``path``, its only key or the file.

    ``before`` is what an earlier reference on the way called it.
    """
    tokens = _tokens(fragment)
    if len(tokens) > 1 and tokens[-2] in _SCHEMA_FOLDERS:
        return tokens[-1]
    if path and len(tokens) == 1:
        return tokens[0]
    if path and not tokens:
        return before or PurePosixPath(path).name.partition(".")[0]
    return ""


def _tokens(fragment: str) -> list[str]:
    parts = fragment.split("/")[1:] if fragment.startswith("/") else [fragment] if fragment else []
    return [unquote(part).replace("~1", "/").replace("~0", "~") for part in parts]


def pointer(*tokens: str) -> str:
    """The JSON pointer of tokens: ``/paths/~1movie/get``."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)
