"""From a document record to its content: bytes, and the JSON tree they say, within the limits."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from goat_ray.documents.config import Limits
from goat_ray.documents.flaws import OutsideRoot, TooDeep, TooLarge, Unreadable
from goat_ray.documents.yaml_loader import JsonLoader
from goat_ray.records import Document

MAX_NESTING = 200  # levels of a JSON tree; beyond it even writing a value as JSON could exhaust the stack


@dataclass(frozen=True)
class Source:
    """A document with its content, as the readers of all formats take it."""

    document: Document
    content: bytes
    limits: Limits

    @classmethod
    def open(cls, document: Document, limits: Limits) -> "Source":
        """Read the file; raises ``Flaw`` when it is missing, too large or outside the document's root."""
        root = Path(document.root).resolve()
        file = (root / document.path).resolve()
        if not file.is_relative_to(root):
            raise OutsideRoot(
                "is a link that leads out of its folder",
                place=document.path,
                remedy="Put the file itself into the folder, or name it in documents.paths",
            )
        try:
            with file.open("rb") as stream:
                content = stream.read(limits.max_bytes + 1)
        except OSError as error:
            raise Unreadable(
                f"cannot be read: {error.strerror}", place=document.path, remedy="Make it readable on every worker"
            ) from error
        if len(content) > limits.max_bytes:
            raise TooLarge(
                f"has more than {limits.max_bytes} bytes",
                place=document.path,
                remedy="Split it or raise documents.max_bytes",
            )
        return cls(document, content, limits)

    @cached_property
    def tree(self) -> Any:
        """The content as JSON values; raises ``Flaw`` if it is neither JSON nor YAML, or beyond a limit."""
        try:
            tree = self._parse()
            _measure(tree, self.limits.max_nodes, self.document.path)
        except RecursionError as error:
            raise _too_deep(self.document.path) from error
        # yaml raises KeyError on "!!bool maybe"; ValueError: integers of thousands of digits, bad UTF-8, bad JSON.
        except (ValueError, KeyError, yaml.YAMLError) as error:
            problem = f"is not well-formed JSON or YAML: {' '.join(str(error).split())}"
            raise Unreadable(problem, place=self.document.path, remedy="Mend the file") from error
        return tree

    def _parse(self) -> Any:
        text = self.content.decode("utf-8-sig")
        if text.lstrip()[:1] in ("{", "["):
            tree = json.loads(text, parse_constant=_reject_constant)
            return _encodable(tree) if "\\ud" in text.lower() else tree
        loader = JsonLoader(text)
        loader.max_merged = self.limits.max_nodes
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()


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
