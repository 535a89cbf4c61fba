"""The files that one document is made of: its own, and those below the same root that it refers to.

A reference is relative to the file that holds it (OpenAPI 3.0, "Relative References in URLs"; RFC 3986,
section 5). Documents are untrusted: nothing outside the root, hidden or remote is ever opened.
"""

import posixpath
import re
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from goat_ray.documents.decoding import as_utf8
from goat_ray.documents.flaws import Flaw, OutsideRoot, RemoteReference, TooLarge
from goat_ray.documents.loading import Source
from goat_ray.places import Place
from goat_ray.records import Document

MAX_FILES = 1_000  # that one document may refer to
# "$ref": "x.json#/y" in JSON and $ref: x.yaml#/y in YAML, up to the fragment; quoted ones may hold blanks
_REFERENCE = re.compile(rb"""\$ref["']?\s*:\s*(?:"([^"#\r\n]+)|'([^'#\r\n]+)|([^"'#\s{}\[\],]+))""")
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|\\\\")


def locate(home: str, reference: str) -> str:
    """The path that a reference without its fragment names in the file ``home``; raises ``Flaw``."""
    if not reference:
        return home
    if _REMOTE.match(reference):
        raise RemoteReference(
            "leaves the document for another host",
            remedy="Download what it refers to, or bundle the document into one file, e.g. with redocly bundle",
        )
    path = posixpath.normpath(posixpath.join(posixpath.dirname(home), unquote(reference)))
    # ".." after normpath leads out; other names with a dot in front are hidden, as where documents are looked for
    if path.startswith("/") or any(part.startswith(".") for part in path.split("/")):
        raise OutsideRoot(
            "leads out of the document's folder or to a hidden file",
            remedy="Put the file into the folder, and name a folder that holds all files in documents.paths",
        )
    return path


def referred(root: Place, path: str, max_bytes: int) -> list[str]:
    """The files below ``root`` that the text of the file ``path`` seems to refer to, directly or over others.

    Told from the bytes alone, so it may name one that only an example mentions. Files beyond ``max_bytes`` are not
    looked into; nothing outside the root is.
    """
    found: dict[str, None] = {path: None}
    queue = [path]
    while queue and len(found) <= MAX_FILES:
        home = queue.pop()
        with (root / home).open() as stream:
            content = stream.read(max_bytes + 1)
        if len(content) > max_bytes:
            continue
        with suppress(Flaw):  # no text: its reader says so
            content = as_utf8(content, home)
        for reference in sorted({b"".join(forms) for forms in _REFERENCE.findall(content)}):
            with suppress(Flaw, ValueError, OSError):  # what is no UTF-8, or too long, is no name of ours
                other = locate(home, reference.decode().replace("\\/", "/").strip())  # JSON may escape a slash
                if other not in found and _is_inside(root, root / other) and (root / other).is_file():
                    found[other] = None
                    queue.append(other)
    return sorted(found.keys() - {path})


def _is_inside(root: Place, file: Place) -> bool:
    """Whether no link leads out of the root; stores have none."""
    return root.local is None or file.local is None or file.local.resolve().is_relative_to(root.local.resolve())


class Files:
    """Opens the files that a document refers to, each once; ``limits.max_bytes`` holds for all together."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.main = posixpath.normpath(source.document.path)
        """The path of the document itself, relative to its root like all paths here."""
        self._trees: dict[str, Any] = {self.main: source.tree}
        self._refused: dict[str, Flaw] = {}
        self._homes: dict[int, str] = {}  # of the nodes that hold a reference, but for those of the document itself
        self._left = source.limits.max_bytes - len(source.content)  # bytes

    def home(self, node: Any) -> str:
        """The path of the file that a node with a reference was read from."""
        return self._homes.get(id(node), self.main)

    def tree(self, path: str) -> Any:
        """The JSON tree of a file; raises ``Flaw`` if it cannot be had."""
        if path in self._refused:  # anew: an exception that is raised again and again keeps every stack it ran through
            known = self._refused[path]
            raise type(known)(known.problem, place=known.place, remedy=known.remedy)
        if path not in self._trees:
            try:
                self._trees[path] = self._load(path)
            except Flaw as flaw:
                self._refused[path] = flaw
                raise
        return self._trees[path]

    def _load(self, path: str) -> Any:
        document, limits = Document(id="", path=path, root=self._source.document.root), self._source.limits
        try:
            if self._left <= 0 or len(self._trees) + len(self._refused) > MAX_FILES:
                raise TooLarge("", remedy="")
            source = Source.open(document, limits.model_copy(update={"max_bytes": self._left}))
        except TooLarge:
            self._left = 0  # what comes now is not even looked at
            raise TooLarge(
                f"needs more than {limits.max_bytes} bytes or {MAX_FILES} files, with what was referred to before",
                remedy="Split the document or raise documents.max_bytes",
            ) from None
        self._left -= len(source.content)
        self._mark(source.tree, path)
        return source.tree

    def _mark(self, tree: Any, path: str) -> None:
        seen: set[int] = set()  # YAML aliases share nodes
        stack = [tree]
        while stack:
            node = stack.pop()
            if not isinstance(node, dict | list) or id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, dict) and isinstance(node.get("$ref"), str):
                self._homes[id(node)] = path
            stack.extend(node.values() if isinstance(node, dict) else node)
