"""Files that others wrote: read such that every file can hold what is in them, and checked member by member."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from goat_ray.errors import DocumentError
from goat_ray.storable import parsed

T = TypeVar("T", str, list[Any], dict[str, Any])
_CALLED = {str: "a string", list: "an array", dict: "an object"}


def json_list(path: Path) -> list[Any]:
    """A JSON list from a file; raises ``DocumentError``."""
    try:
        items = parsed(path.read_bytes())
    except (OSError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise DocumentError(f"cannot be read as JSON: {problem}", place=str(path), remedy="Mend the file") from error
    if not isinstance(items, list):
        raise DocumentError("is no list", place=str(path), remedy="Expected a JSON list of objects with a query")
    return items


@contextmanager
def entry_at(place: str, problem: str, expected: str) -> Iterator[None]:
    """Around the reading of an entry: one that has not what it should have, or otherwise, is a ``DocumentError``."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise DocumentError(f"{problem} ({error!r})", place=place, remedy=f"Expected {expected}") from error


def member(entry: Any, name: str, kind: type[T]) -> T:
    """A member of an object; raises ``KeyError`` or ``TypeError`` where it lacks it, or one of its kind."""
    value = entry[name]
    if not isinstance(value, kind):
        raise TypeError(f"{name} is not {_CALLED[kind]}")
    return value


def optional_text(entry: dict[str, Any], name: str) -> str:
    """The text of a member, empty where it is null or missing; raises ``TypeError`` for anything else."""
    return "" if entry.get(name) is None else member(entry, name, str)
