"""What a function does to the world: it reads, creates, updates or deletes."""

from typing import Literal

from goat_ray.executors.sandbox.keys import is_plural
from goat_ray.executors.sandbox.shape import tail_segments
from goat_ray.naming import words
from goat_ray.records import ApiFunction

Intent = Literal["read", "create", "update", "delete"]
_READING = frozenset(
    "get list search find query fetch read show lookup check validate verify calculate compute compare count estimate"
    " preview export convert translate analyze predict recommend retrieve view describe login authenticate".split()
)
_CREATING = frozenset(
    "create add new post insert register book place open submit send upload make schedule reserve buy order start"
    " import invite publish request".split()
)
_UPDATING = frozenset(
    "update edit modify set change patch rename replace mark archive move assign complete confirm approve reject pay"
    " renew extend return cancel close join leave enable disable".split()
)
_DELETING = frozenset("delete remove destroy unsubscribe drop erase clear revoke".split())


def intent_of(function: ApiFunction) -> Intent:
    """The intent, by HTTP method; where that says little (POST, tools), by the verb in the name."""
    method = function.method.upper()
    if method in ("GET", "HEAD", "OPTIONS"):
        return "read"
    if method in ("PUT", "PATCH"):
        collection = method == "PUT" and "{" not in function.path and is_plural(function.path.rpartition("/")[2])
        return "create" if collection else "update"
    if method == "DELETE":
        return "delete" if function.path.rstrip("/").endswith("}") else "update"
    tail = tail_segments(function.path)
    verb = _verb(tail[-1].rpartition(".")[2]) if tail else None
    if verb is not None and not is_plural(tail[-1]):
        return verb
    if function.path:
        return "create" if tail else "update"
    return _verb(function.name.rpartition(".")[2]) or "read"


def _verb(name: str) -> Intent | None:
    first = (words(name) or ("",))[0]
    known: tuple[tuple[frozenset[str], Intent], ...] = (
        (_READING, "read"),
        (_CREATING, "create"),
        (_UPDATING, "update"),
        (_DELETING, "delete"),
    )
    return next((intent for verbs, intent in known if first in verbs), None)
