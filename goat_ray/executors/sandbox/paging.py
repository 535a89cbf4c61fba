"""Pages of lists: the parameters that choose one, and the members that tell about it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from typing import Any

from goat_ray.executors.sandbox.call import Call
from goat_ray.naming import words
from goat_ray.records import Parameter

_PAGE = frozenset({"page", "page_number", "page_no", "current_page", "p"})
_SIZE = frozenset(
    "limit per_page page_size size count max_results results_per_page page_limit top first max num rows".split()
)
_OFFSET = frozenset({"offset", "skip", "start", "start_index", "from"})
_TOTAL = frozenset(
    "total total_results total_count total_items item_count count result_count results_count num_results total_hits"
    " hits matches number_of_results".split()
)
_PAGES = frozenset({"total_pages", "pages", "page_count", "last_page", "num_pages"})
_CURSOR = frozenset(
    "cursor next_cursor page_token next_page_token next_token continuation_token page_cursor after_cursor".split()
)
_NEXT = _CURSOR | {"end_cursor", "next"}
MAX_SIZE = 100


class Paging:
    """The page that a function's arguments choose."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        whole = [parameter for parameter in parameters if parameter.type in ("integer", "number", "string")]
        self._page = _first(whole, _PAGE)
        self._size = _first(whole, _SIZE)
        self._offset = _first(whole, _OFFSET)
        self._cursor = _first(whole, _CURSOR)
        self.names = frozenset(name for name in (self._page, self._size, self._offset, self._cursor) if name)

    def apply(self, call: Call) -> None:
        """Set the call's page from its arguments."""
        size = _whole(call.arguments.get(self._size), call.size)
        call.size = max(0, min(MAX_SIZE, size))
        call.number = max(1, _whole(call.arguments.get(self._page), 1))
        call.offset = max(0, _whole(call.arguments.get(self._offset), (call.number - 1) * call.size))
        if self._cursor in call.arguments:
            call.offset = _read_cursor(str(call.arguments[self._cursor]))
        if (self._offset in call.arguments or self._cursor in call.arguments) and call.size:
            call.number = call.offset // call.size + 1


def paging_member(name: str, type_: str) -> Callable[[Call], Any] | None:
    """How to tell about the page in a member of that name; None if the name is not about pages."""
    plain = "_".join(words(name))
    if type_ == "string":
        return _next_cursor if plain in _NEXT else None
    return _paging_value(plain) if type_ in ("integer", "number", "boolean") else None


def _paging_value(name: str) -> Callable[[Call], Any] | None:
    if name in _PAGE:
        return lambda call: call.number
    if name in _TOTAL:
        return lambda call: call.total
    if name in _PAGES:
        return _pages
    if name in _SIZE:
        return lambda call: call.size
    if name in _OFFSET:
        return lambda call: call.offset
    if name in ("has_more", "has_next", "has_next_page"):
        return lambda call: call.offset + len(call.listed) < call.total
    if name == "next_page":
        return lambda call: min(call.number + 1, _pages(call))
    return None


def _pages(call: Call) -> int:
    return -(-call.total // call.size) if call.size else 0


def _next_cursor(call: Call) -> str:
    """The cursor of the next page; empty on the last one, as Slack has it."""
    following = call.offset + len(call.listed)
    return urlsafe_b64encode(f"items:{following}".encode()).decode() if following < call.total else ""


def _read_cursor(cursor: str) -> int:
    """The offset in a cursor that an answer gave; 0 for anything else."""
    try:
        head, _, offset = urlsafe_b64decode(cursor).decode().partition(":")
    except ValueError:
        return 0
    return int(offset) if head == "items" and offset.isdecimal() and len(offset) < 10 else 0


def _first(parameters: list[Parameter], names: frozenset[str]) -> str:
    return next((parameter.name for parameter in parameters if "_".join(words(parameter.name)) in names), "")


def _whole(value: Any, default: int) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return default
