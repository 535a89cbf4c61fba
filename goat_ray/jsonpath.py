"""The part of JSONPath (RFC 9535) that names places in API bodies: members, ``[*]`` and ``[index]``.

A *pattern* such as ``$.results[*].id`` names a field of a response schema; a *location* such as
``$.results[1].id`` names one value in one body. Names outside the shorthand alphabet are written
``$['odd name']`` as the RFC prescribes.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from goat_ray.errors import GoatError

Token = str | int  # a member name, an array index, or ANY


class _Any(int):
    """``[*]``: any item of an array. An int subclass keeps ``Token`` small and hashable."""

    def __repr__(self) -> str:
        return "[*]"


ANY: Final = _Any(-1)

_SHORTHAND = re.compile(r"[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*")
_STEP = re.compile(
    r"\.(?P<name>[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*)"
    r"|\[(?P<any>\*)\]"
    r"|\[(?P<index>0|[1-9][0-9]*)\]"
    r"|\['(?P<quoted>(?:[^'\\]|\\.)*)'\]",
    re.DOTALL,
)


class PathError(GoatError):
    """Text that is not a path of the supported subset."""


@lru_cache(maxsize=65536)
def parse(path: str) -> tuple[Token, ...]:
    """Split a path into tokens; raises ``PathError`` on anything outside the subset."""
    position = 1
    tokens: list[Token] = []
    while position < len(path) or not path.startswith("$"):
        match = _STEP.match(path, position) if path.startswith("$") else None
        if match is None:
            raise PathError(
                f"{path!r} is not a JSON path (stuck at character {position})",
                remedy="Write it like $.results[*].id",
            )
        if match["name"] is not None:
            tokens.append(match["name"])
        elif match["any"] is not None:
            tokens.append(ANY)
        elif match["index"] is not None:
            tokens.append(int(match["index"]))
        else:
            tokens.append(re.sub(r"\\(.)", r"\1", match["quoted"], flags=re.DOTALL))
        position = match.end()
    return tuple(tokens)


def render(tokens: tuple[Token, ...]) -> str:
    """Inverse of ``parse``: ``parse(render(tokens)) == tokens``."""
    parts = ["$"]
    for token in tokens:
        if token is ANY:
            parts.append("[*]")
        elif isinstance(token, int):
            parts.append(f"[{token}]")
        elif _SHORTHAND.fullmatch(token):
            parts.append(f".{token}")
        else:
            parts.append("['" + token.replace("\\", "\\\\").replace("'", "\\'") + "']")
    return "".join(parts)


def find(body: Any, pattern: str) -> list[tuple[str, Any]]:
    """All ``(location, value)`` pairs of a body that the pattern names, in document order."""
    return [(render(location), value) for location, value in _walk(body, parse(pattern), ())]


def get(body: Any, location: str) -> Any:
    """The one value at a location; raises ``KeyError`` where the body has none."""
    for _, value in _walk(body, parse(location), ()):
        return value
    raise KeyError(location)


def _walk(value: Any, tokens: tuple[Token, ...], at: tuple[Token, ...]) -> Iterator[tuple[tuple[Token, ...], Any]]:
    if not tokens:
        yield at, value
        return
    token, rest = tokens[0], tokens[1:]
    if token is ANY:
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _walk(item, rest, (*at, index))
    elif isinstance(token, int):
        if isinstance(value, list) and token < len(value):
            yield from _walk(value[token], rest, (*at, token))
    elif isinstance(value, dict) and token in value:
        yield from _walk(value[token], rest, (*at, token))


def names(path: str) -> list[str]:
    """The member names on a path, outermost first: ``$.results[*].id`` gives ``["results", "id"]``."""
    return [token for token in parse(path) if isinstance(token, str)]
