"""YAML as JSON values, safely: the core schema of YAML 1.2, string keys, bounded merges.

PyYAML reads YAML 1.1, where ``2024-01-01`` is a date, ``no`` is false and ``12:30:45`` is 45045. API
documents mean YAML 1.2 (OpenAPI 3.0, section "Format"): there these are strings. Numbers are what JSON
calls numbers, so that account code ``090`` and phone number ``+4420`` keep all they say.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, ClassVar

import yaml

_TAG = "tag:yaml.org,2002:"


class JsonLoader(yaml.CSafeLoader):
    """Builds only what JSON can say. An object with several aliases is built once and shared."""

    max_merged = 0  # how many entries all merge keys together may copy
    yaml_implicit_resolvers: dict[str, Any] = {}
    yaml_constructors: ClassVar[dict[str | None, Any]] = {}

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._entries: dict[yaml.Node, dict[str, yaml.Node] | None] = {}

    def entries(self, node: yaml.Node) -> dict[str, yaml.Node]:
        """The value nodes of a mapping by key, those of its merge keys (``<<``) included.

        PyYAML splices merged nodes in, duplicates and all, so that nested merges grow exponentially.
        """
        if not isinstance(node, yaml.MappingNode):
            raise _error("expected a mapping", node)
        if node not in self._entries:
            self._entries[node] = None  # in progress
            self._entries[node] = self._collect(node)
        known = self._entries[node]
        if known is None:
            raise _error("a mapping is merged into itself", node)
        return known

    def _collect(self, node: yaml.MappingNode) -> dict[str, yaml.Node]:
        own: dict[str, yaml.Node] = {}
        merged: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _error("a key must be a scalar", key)
            if key.tag != _TAG + "merge":
                own[key.value] = value  # as written: status code 200 is the key "200"
                continue
            for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                entries = self.entries(source)
                self.max_merged -= len(entries) + 1
                if self.max_merged < 0:
                    raise _error("merge keys copy too many entries", node)
                merged = {**entries, **merged}
        return {**merged, **own}


def _error(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _map(loader: JsonLoader, node: yaml.MappingNode) -> Iterator[dict[str, Any]]:
    data: dict[str, Any] = {}
    yield data  # the empty object first: PyYAML fills it later, so that depth costs no recursion
    data.update((key, loader.construct_object(value)) for key, value in loader.entries(node).items())


def _text(loader: JsonLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


def _int(loader: JsonLoader, node: yaml.ScalarNode) -> int:
    text = _text(loader, node)
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _float(loader: JsonLoader, node: yaml.ScalarNode) -> float | str:
    text = _text(loader, node)
    return float(text) if math.isfinite(float(text)) else text


def _undefined(loader: JsonLoader, node: yaml.Node) -> None:
    raise _error(f"tag {node.tag} is not JSON", node)


_DIGITS = list("-0123456789")
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"-?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", _DIGITS),
    ("float", r"-?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", [*_DIGITS, "."]),
    ("merge", r"<<", ["<"]),
):
    JsonLoader.add_implicit_resolver(_TAG + _tag, re.compile(f"^(?:{_pattern})$"), _first)

_CONSTRUCTORS: dict[str, Any] = {
    "null": yaml.CSafeLoader.construct_yaml_null,
    "bool": yaml.CSafeLoader.construct_yaml_bool,
    "int": _int,
    "float": _float,
    "str": _text,
    "timestamp": _text,  # only by explicit tag, as binary
    "binary": _text,
    "seq": yaml.CSafeLoader.construct_yaml_seq,
    "map": _map,
    "set": _map,
}
for _tag, _construct in _CONSTRUCTORS.items():
    JsonLoader.add_constructor(_TAG + _tag, _construct)
JsonLoader.add_constructor(None, _undefined)
