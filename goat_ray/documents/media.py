"""Bodies in OpenAPI: which of several media types to read, and the examples they show."""

from typing import Any

from goat_ray.documents.references import References
from goat_ray.storable import unquoted

JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
_FORMS = (FORM, MULTIPART)
_JSON, _ANYTHING, _FORM, _OTHER = 1, 2, 3, 4


def json_media(content: Any) -> dict[str, Any] | None:
    """The "Media Type Object" of the JSON body among a ``content``, or None if there is no JSON body."""
    ranked = _ranked(content)
    return ranked[0][1] if ranked and ranked[0][0] <= _ANYTHING else None


def preferred_media(content: Any) -> dict[str, Any]:
    """The "Media Type Object" of a ``content``: JSON before forms before anything else; empty if there is none."""
    ranked = _ranked(content)
    return ranked[0][1] if ranked else {}


def body_type(content: Any) -> str:
    """The media type of what ``preferred_media`` chooses; empty for JSON, or where anything may be sent."""
    kinds = [kind for kind, value in content.items() if isinstance(value, dict)] if isinstance(content, dict) else []
    chosen = preferred_type(kinds)
    return chosen if _rank(chosen) > _ANYTHING else ""


def preferred_type(media_types: list[str]) -> str:
    """The media type that ``preferred_media`` would choose; empty if there is none."""
    return min(media_types, key=_rank, default="")


def _ranked(content: Any) -> list[tuple[int, dict[str, Any]]]:
    media = content.items() if isinstance(content, dict) else ()
    # sorted() keeps the document's order among equals
    return sorted(((_rank(kind), value) for kind, value in media if isinstance(value, dict)), key=lambda pair: pair[0])


def _rank(media_type: str) -> int:
    kind = media_type.partition(";")[0].strip().lower()
    if kind == JSON:
        return 0
    if kind.endswith(("+json", "/json")):
        return _JSON
    if kind in ("*/*", "application/*"):
        return _ANYTHING
    return _FORM if kind in _FORMS else _OTHER


def shown_values(node: dict[str, Any], references: References) -> list[Any]:
    """The values of ``example`` and ``examples`` beside a schema, without nulls; raises ``Flaw``."""
    listed = node.get("examples")
    values = [node.get("example")]
    for entry in listed.values() if isinstance(listed, dict) else ():
        stated = references.follow(entry)
        values.append(stated.get("value") if isinstance(stated, dict) else None)
    return [value for value in values if value is not None]


def shown_bodies(media: dict[str, Any], references: References) -> list[Any]:
    """As ``shown_values``, but JSON that is quoted as a text, as many tools do it, is read as JSON."""
    return [unquoted(value) if _is_quoted(value) else value for value in shown_values(media, references)]


def _is_quoted(value: Any) -> bool:
    return isinstance(value, str) and value.lstrip()[:1] in ("{", "[")
