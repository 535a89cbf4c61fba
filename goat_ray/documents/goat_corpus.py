"""Reader of the corpus of GOAT's published code (arXiv 2510.12218): RapidAPI tools, one to a document.

A JSON list of ``{"docid": int, "document_content": text}``; the text is the JSON of one API as in a query file.
"""

from collections.abc import Iterator
from typing import Any

from goat_ray.documents.embedded import begins_json, parsed
from goat_ray.documents.flaws import BadOperation, Flaw
from goat_ray.documents.loading import Source
from goat_ray.documents.rapidapi import Found, read_apis
from goat_ray.records import ApiFunction, Reject


def sniff(source: Source) -> bool:
    """Whether the document is such a list; raises ``Flaw`` if it seems to be but cannot be parsed."""
    if not begins_json(source.content) or b'"document_content"' not in source.content:
        return False
    return any(isinstance(item, dict) and "document_content" in item for item in _items(source.tree))


def read(source: Source) -> Iterator[ApiFunction | Reject]:
    """The functions of a corpus, each once, and a reject for each document that cannot be used."""
    return read_apis(source, _apis(source))


def _items(tree: Any) -> list[Any]:
    return tree if isinstance(tree, list) else [tree]


def _apis(source: Source) -> Iterator[Found | Reject]:
    for index, item in enumerate(_items(source.tree)):
        place = f"/{index}"
        try:
            if not isinstance(item, dict) or "document_content" not in item:
                raise BadOperation("has no document_content", remedy="Put the API there, as JSON")
            # A name for people; the index keeps places apart where docids are missing or repeated.
            place = f"/{index} (docid {item.get('docid')!r:.100})"
            content = item["document_content"]
            if isinstance(content, str):
                content = parsed(source, content.encode(), f"{source.document.path}#{place}")
            yield Found(place, content, {})
        except Flaw as flaw:
            yield source.reject(flaw, place)
