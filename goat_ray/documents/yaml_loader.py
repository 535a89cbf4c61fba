"""YAML as JSON values, safely: the core schema of YAML 1.2, string keys, bounded merges.

PyYAML reads YAML 1.1, where ``2024-01-01`` is a date, ``no`` is false and ``12:30:45`` is 45045. API
documents mean YAML 1.2 (OpenAPI 3.0, section "Format"): there these are strings. Numbers are what JSON
calls numbers, so that account code ``090`` and phone number ``+4420`` keep all they say.

The values are built from libyaml's events without a tree of nodes between, which takes half the time.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
_WORDS: dict[str, bool | None] = dict.fromkeys(["", "~", "null", "Null", "NULL"])
_WORDS |= dict.fromkeys(["true", "True", "TRUE"], True) | dict.fromkeys(["false", "False", "FALSE"], False)
_INT = re.compile(r"-?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"-?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_MERGE = "<<"  # compared by identity: the plain key, not a quoted one


@dataclass(slots=True)
class _Open:
    """An object or array that is being filled."""

    data: Any
    key: str | None = None  # of an object: the key whose value comes next
    merges: list[Any] = field(default_factory=list)  # the values of its merge keys

    def add(self, value: Any) -> None:
        if type(self.data) is list:
            self.data.append(value)
            return
        if self.key is _MERGE:
            self.merges.append(value)
        else:
            self.data[self.key] = value
        self.key = None


class JsonBuilder:
    """Builds only what JSON can say. An object with several aliases is built once and shared.

    Merge keys may copy ``max_merged`` entries in all: PyYAML splices merged nodes in, duplicates and all, so that
    nested merges grow exponentially.
    """

    def __init__(self, *, max_merged: int, max_levels: int) -> None:
        self._max_merged = max_merged
        self._max_levels = max_levels
        self._anchors: dict[str, Any] = {}
        self._texts: dict[str, str] = {}  # of anchored scalars, as written
        self._open: list[_Open] = []

    def build(self, text: str) -> Any:
        """The one value of a document, None for an empty one.

        Raises ``yaml.YAMLError`` or ``ValueError`` if it is none, ``RecursionError`` beyond ``max_levels``.
        """
        whole: list[Any] = []
        self._open = [_Open(whole)]
        loader = yaml.CSafeLoader(text)
        try:
            while type(event := loader.get_event()) is not yaml.StreamEndEvent:
                if isinstance(event, yaml.DocumentStartEvent) and whole:
                    raise _error("expected a single document", event)
                self._take(event)
        finally:
            loader.dispose()
        return whole[0] if whole else None

    def _take(self, event: Any) -> None:
        kind = type(event)
        within = self._open[-1]
        if kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            if within.merges:
                self._merge(within, event)
            self._open.pop()
        elif kind is yaml.ScalarEvent:
            value = _scalar(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = value
                self._texts[event.anchor] = event.value
            if within.key is None and type(within.data) is dict:
                # as written: status code 200 is the key "200"
                within.key = _MERGE if event.value == _MERGE and event.implicit[0] else str(event.value)
            else:
                within.add(value)
        elif kind is yaml.AliasEvent:
            self._alias(event, within)
        elif kind is yaml.MappingStartEvent:
            self._start({}, event, within, ("map", "set"))
        elif kind is yaml.SequenceStartEvent:
            self._start([], event, within, ("seq",))

    def _start(self, data: Any, event: Any, within: _Open, tags: tuple[str, ...]) -> None:
        if within.key is None and type(within.data) is dict:
            raise _error("a key must be a scalar", event)
        if event.tag not in (None, "!", *(_TAG + tag for tag in tags)):
            raise _error(f"tag {event.tag} is not JSON", event)
        if len(self._open) > self._max_levels:
            raise RecursionError
        if event.anchor is not None:
            self._anchors[event.anchor] = data
            self._texts.pop(event.anchor, None)
        within.add(data)
        self._open.append(_Open(data))

    def _alias(self, event: Any, within: _Open) -> None:
        if event.anchor not in self._anchors:
            raise _error(f"alias {event.anchor!r} names nothing before it", event)
        if within.key is not None or type(within.data) is list:
            within.add(self._anchors[event.anchor])
        elif event.anchor in self._texts:
            within.key = self._texts[event.anchor]
        else:
            raise _error("a key must be a scalar", event)

    def _merge(self, into: _Open, event: Any) -> None:
        """Put entries of other objects before an object's own; own entries win, then those of the first source."""
        sources = [one for value in into.merges for one in (value if isinstance(value, list) else [value])]
        own = dict(into.data)
        into.data.clear()
        for source in reversed(sources):
            if not isinstance(source, dict):
                raise _error("expected a mapping to merge", event)
            if any(source is one.data for one in self._open):
                raise _error("a mapping is merged into itself", event)
            self._max_merged -= len(source) + 1
            if self._max_merged < 0:
                raise _error("merge keys copy too many entries", event)
            into.data.update(source)
        into.data.update(own)


def _error(problem: str, event: Any) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, event.start_mark)


def _scalar(event: Any) -> Any:
    text: str = event.value
    if event.tag is None or event.tag == "!":
        return _plain(text) if event.implicit[0] else text
    convert = _TAGGED.get(event.tag)
    if convert is None:
        raise _error(f"tag {event.tag} is not JSON", event)
    return convert(text)


def _plain(text: str) -> Any:
    """What a scalar without quotes and tag says (YAML 1.2.2, section 10.3.2)."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "-.0123456789":
        if _INT.fullmatch(text):
            return _int(text)
        if _FLOAT.fullmatch(text):
            return finite(text)
    return text


def _int(text: str) -> int:
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def finite(text: str) -> float | str:
    """A number, or the text itself where it is too large for one: JSON has no infinity."""
    number = float(text)
    return number if math.isfinite(number) else text


def _bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is no bool")
    return text.lower() == "true"


_CONVERSIONS: dict[str, Callable[[str], Any]] = {
    "null": lambda _: None,
    "bool": _bool,
    "int": _int,
    "float": finite,
    "str": str,
    "timestamp": str,
    "binary": str,
}
_TAGGED = {_TAG + name: convert for name, convert in _CONVERSIONS.items()}
