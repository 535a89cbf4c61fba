"""JSON texts inside a document: a line of JSON Lines, or JSON that is quoted as a text."""

from typing import Any

from goat_ray.documents.flaws import BadOperation
from goat_ray.documents.loading import Source

_BLANKS = b"\xef\xbb\xbf \t\r\n"


def begins_json(text: bytes) -> bool:
    """Whether a text can be a JSON object or array, told by its first character; a byte order mark is no matter."""
    return text[:256].lstrip(_BLANKS)[:1] in (b"{", b"[")


def parsed(source: Source, text: bytes, place: str) -> Any:
    """The JSON object or array that a part of a document says, under the limits of a whole document.

    The memory of all parts together is bounded by the size of the file. Raises ``Flaw`` at ``place``.
    """
    part = source.document.model_copy(update={"path": place})
    if not begins_json(text):  # else it would be read as YAML, which may be any text
        raise BadOperation("is no JSON object or array", place=place, remedy="Mend it or leave it out")
    return Source(part, text, source.limits).tree
