"""From a document record to its content: bytes, and the JSON tree they say, within the limits."""

import json
import re
import stat
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from goat_ray.documents.config import Limits
from goat_ray.documents.decoding import as_utf8
from goat_ray.documents.flaws import Flaw, OutsideRoot, TooDeep, TooLarge, Unreadable
from goat_ray.documents.yaml_loader import JsonBuilder, finite
from goat_ray.errors import RunError
from goat_ray.identity import content_id
from goat_ray.places import Place
from goat_ray.records import Document, Reject

MAX_NESTING = 200  # levels of a JSON tree; beyond it even writing a value as JSON could exhaust the stack
# Whole surrogate pairs as JSON escapes them, but for those whose first backslash may itself be escaped, and halves.
_PAIR = re.compile(r"(?<!\\)\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class Source:
    """A document with its content, as the readers of all formats take it."""

    document: Document
    content: bytes  # text in UTF-8
    limits: Limits

    @classmethod
    def open(cls, document: Document, limits: Limits) -> "Source":
        """Read the file; raises ``Flaw`` when it is missing, no text, too large or outside the document's root."""
        content = _read(document, limits.max_bytes)
        if len(content) > limits.max_bytes:
            raise _too_large(document, limits.max_bytes)
        return cls(document, as_utf8(content, document.path), limits)

    def reject(self, flaw: Flaw, place: str, *more: str) -> Reject:
        """The reject of the part at ``place``; ``more`` tells it from other rejects of the same part."""
        return flaw.reject(content_id(self.document.id, place, *more), f"{self.document.path}#{place}")

    @cached_property
    def tree(self) -> Any:
        """The content as JSON values; raises ``Flaw`` if it is neither JSON nor YAML, or beyond a limit."""
        try:
            tree = self._parse()
            _measure(tree, self.limits.max_nodes, self.document.path)
        except RecursionError as error:
            raise _too_deep(self.document.path) from error
        # ValueError: integers of thousands of digits, bad UTF-8, bad JSON.
        except (ValueError, yaml.YAMLError) as error:
            problem = f"is not well-formed JSON or YAML: {' '.join(str(error).split())}"
            raise Unreadable(problem, place=self.document.path, remedy="Mend the file") from error
        return tree

    def _parse(self) -> Any:
        text = self.content.decode("utf-8-sig")
        if text.lstrip()[:1] in ("{", "["):
            tree = json.loads(text, parse_constant=_reject_constant, parse_float=finite)
            return _encodable(tree) if _HALF.search(text) and _HALF.search(_PAIR.sub("", text)) else tree
        return JsonBuilder(max_merged=self.limits.max_nodes, max_levels=MAX_NESTING).build(text)


def _read(document: Document, max_bytes: int) -> bytes:
    """The bytes of a document, at most one more than ``max_bytes``; raises ``Flaw``."""
    try:
        folder = Place(document.root)
        if folder.local is None:
            if document.path.startswith("/") or ".." in document.path.split("/"):
                raise _outside(document)
            with (folder / document.path).open() as stored:
                return bytes(stored.read(max_bytes + 1))
        root = folder.local.resolve()
        file = (root / document.path).resolve()
        if not file.is_relative_to(root):
            raise _outside(document)
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            raise Unreadable("is no file", place=document.path, remedy="Leave it out")
        if status.st_size > max_bytes:
            raise _too_large(document, max_bytes)
        with file.open("rb") as stream:
            return stream.read(max_bytes + 1)
    except RunError as error:  # of a store
        raise Unreadable(error.problem, place=document.path, remedy=error.remedy) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        problem = getattr(error, "strerror", None) or str(error)
        raise Unreadable(
            f"cannot be read: {problem}", place=document.path, remedy="Make it readable on every worker"
        ) from error


def _outside(document: Document) -> OutsideRoot:
    return OutsideRoot(
        "is a link that leads out of its folder",
        place=document.path,
        remedy="Put the file itself into the folder, or name it in documents.paths",
    )


def _too_large(document: Document, max_bytes: int) -> TooLarge:
    remedy = "Split it or raise documents.max_bytes"
    return TooLarge(f"has more than {max_bytes} bytes", place=document.path, remedy=remedy)


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _encodable(tree: Any) -> Any:
    r"""The tree with U+FFFD for halves of surrogate pairs, which JSON can escape (``\ud83d``) but no file can hold."""
    text = json.dumps(tree, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return tree


def _measure(tree: Any, max_nodes: int, place: str) -> None:
    """Raise ``Flaw`` if a tree has too many values or levels, counting shared parts as often as they appear.

    Goes level by level and stops at the bounds, so a YAML bomb costs no more than ``max_nodes``.
    """
    level = [tree]
    count = 1
    for _ in range(MAX_NESTING + 1):
        containers = [
            list(value.values()) if isinstance(value, dict) else value
            for value in level
            if isinstance(value, dict | list)
        ]
        if not containers:
            return
        count += sum(len(container) for container in containers)
        if count > max_nodes:
            raise TooLarge(
                f"has more than {max_nodes} values, its YAML aliases expanded",
                place=place,
                remedy="Use $ref instead of aliases, or raise documents.max_nodes",
            )
        level = [value for container in containers for value in container]
    raise _too_deep(place)


def _too_deep(place: str) -> TooDeep:
    problem = f"is nested more than {MAX_NESTING} levels deep"
    return TooDeep(problem, place=place, remedy="Flatten it, or move nested schemas to components")
