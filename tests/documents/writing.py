"""Reading documents that a test writes itself."""

import json
from typing import Any

from goat_ray.documents import openapi
from goat_ray.documents.config import Limits
from goat_ray.documents.loading import Source
from goat_ray.records import ApiFunction, Document, Reject


def source(content: str | bytes | dict[str, Any], path: str = "api.json", **limits: int) -> Source:
    """A document with this content, without a file."""
    if isinstance(content, dict):
        content = json.dumps(content)
    data = content.encode() if isinstance(content, str) else content
    return Source(Document(id="0" * 16, path=path, root="/nowhere"), data, Limits(**limits))


def api(paths: dict[str, Any], schemas: dict[str, Any] | None = None, **top: Any) -> dict[str, Any]:
    """An OpenAPI document with these paths and named schemas."""
    components = {"schemas": schemas or {}, **top.pop("components", {})}
    return {"openapi": "3.0.3", "info": {"title": "Zoo"}, "paths": paths, "components": components, **top}


def answering(schema: Any = None, **media: Any) -> dict[str, Any]:
    """An operation whose 200 response has this JSON schema, and what else the media type says."""
    content = media if schema is None else {"schema": schema, **media}
    return {"responses": {"200": {"description": "ok", "content": {"application/json": content}}}}


def taking(schema: Any, media_type: str = "application/json", **media: Any) -> dict[str, Any]:
    """An operation whose request body has this schema."""
    return {"requestBody": {"content": {media_type: {"schema": schema, **media}}}}


def read(document: str | bytes | dict[str, Any], **limits: int) -> tuple[list[ApiFunction], list[Reject]]:
    """What the OpenAPI reader makes of a document."""
    found = list(openapi.read(source(document, **limits)))
    return [one for one in found if isinstance(one, ApiFunction)], [one for one in found if isinstance(one, Reject)]


def read_one(operation: dict[str, Any], schemas: dict[str, Any] | None = None, **limits: int) -> ApiFunction:
    """The function of a document with this one operation."""
    functions, rejects = read(api({"/animals": {"get": operation}}, schemas), **limits)
    assert all(reject.reason == "fields-cut" for reject in rejects), rejects
    return functions[0]
