"""Answers that need not be made twice: those of reading calls to a world that nobody changed."""

from collections import OrderedDict
from typing import Any

from pydantic_core import from_json, to_json

from goat_ray.rows import Json

MAX_BYTES = 32 << 20  # of all answers kept by one worker
Key = tuple[str, str]  # function id, arguments


class Answers:
    """Remembers answers as JSON text, up to a total size; those unused for longest go first.

    Text rather than objects: each caller gets objects of its own, and the memory is known.
    """

    def __init__(self, limit: int = MAX_BYTES) -> None:
        self._limit = limit
        self._known: OrderedDict[Key, tuple[int, bytes]] = OrderedDict()
        self.size = 0  # in bytes

    def __len__(self) -> int:
        return len(self._known)

    @staticmethod
    def key(function: str, arguments: dict[str, Any]) -> Key:
        """What tells calls apart: ``repr`` keeps 1, 1.0, "1" and True distinct."""
        return function, repr(arguments)

    def get(self, key: Key) -> tuple[int, Json] | None:
        """(status, body) of an answer that is still known."""
        found = self._known.get(key)
        if found is None:
            return None
        self._known.move_to_end(key)
        status, text = found
        return status, from_json(text)

    def keep(self, key: Key, status: int, body: Json) -> None:
        """Remember an answer."""
        try:
            text = to_json(body)
        except ValueError:
            return  # an argument that is repeated in the body is no valid text
        self.size += _weight(key, text)
        self._known[key] = status, text
        while self.size > self._limit:
            old, (_, text) = self._known.popitem(last=False)
            self.size -= _weight(old, text)


def _weight(key: Key, text: bytes) -> int:
    return len(key[1]) + len(text)
