"""Reader of OpenAPI 3 documents (spec.openapis.org, 3.0.4 and 3.1.1)."""

import ipaddress
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from goat_ray.documents.composition import Schemas
from goat_ray.documents.flaws import BadOperation, Flaw, NoOperations, NotOpenApi
from goat_ray.documents.loading import Source
from goat_ray.documents.media import json_media, shown_bodies
from goat_ray.documents.outputs import output_fields
from goat_ray.documents.parameters import stated_parameters, uniquely_named
from goat_ray.documents.references import References, pointer
from goat_ray.documents.request_body import body_parameters
from goat_ray.documents.schemas import fitted, text
from goat_ray.identity import content_id
from goat_ray.records import ApiFunction, OutputField, Reject

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
MAX_NAME = 100  # characters of a service name
# What generators and editors write when nobody gave the document a title.
_GENERIC_TITLE = re.compile(
    r"((my|new|rest|the|untitled|web) )?apis?( docs| documentation| reference)?"
    r"|openapi( definition| specification)?|default|docs|documentation|fastapi|swagger|title|untitled",
    re.IGNORECASE,
)


def sniff(source: Source) -> bool:
    """Whether the document calls itself OpenAPI; raises ``Flaw`` if it seems to but cannot be parsed."""
    return b"openapi" in source.content and isinstance(source.tree, dict) and "openapi" in source.tree


def read(source: Source) -> Iterator[ApiFunction | Reject]:
    """The functions of a document in its order, and a reject for each operation that cannot be used.

    Raises ``Flaw`` if the document as a whole cannot be used.
    """
    tree = source.tree
    version = tree.get("openapi") if isinstance(tree, dict) else None
    paths = tree.get("paths") if isinstance(tree, dict) else None
    if not str(version).startswith("3.") or not isinstance(paths, dict | None):
        raise NotOpenApi(
            f"is not an OpenAPI 3 document (openapi: {version!r}, paths: {type(paths).__name__})",
            place=source.document.path,
            remedy="Give an OpenAPI 3.0 or 3.1 document with a paths object",
        )
    found = None
    for found in _Reader(source).read(paths or {}):
        yield found
    if found is None:
        raise NoOperations(
            "has no operation under paths", place=source.document.path, remedy="Add operations or leave it out"
        )


class _Reader:
    def __init__(self, source: Source) -> None:
        self._document = source.document
        self._limits = source.limits
        self._tree = source.tree
        self._references = References(source.tree)
        self._schemas = Schemas(self._references)
        self._service = _service(source.tree, source.document.path)
        self._names: set[str] = set()

    def read(self, paths: dict[str, Any]) -> Iterator[ApiFunction | Reject]:
        for path, node in paths.items():
            if path.startswith("x-"):  # an extension, not a path
                continue
            place = pointer("paths", path)
            try:
                item = self._references.follow(node)
                if not isinstance(item, dict):
                    raise BadOperation("the path has no object", remedy="Write its operations under it")
            except Flaw as flaw:
                yield self._reject(flaw, place)
                continue
            for method in (key for key in item if key in METHODS):
                try:
                    yield self._function(path, method, item)
                except Flaw as flaw:
                    yield self._reject(flaw, f"{place}/{method}")
                except Exception as error:  # untrusted input: one odd operation must not end a run over thousands
                    problem = f"cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
                    yield self._reject(BadOperation(problem, remedy="Correct the operation"), f"{place}/{method}")

    def _reject(self, flaw: Flaw, place: str) -> Reject:
        return flaw.reject(content_id(self._document.id, place), f"{self._document.path}#{place}")

    def _function(self, path: str, method: str, item: dict[str, Any]) -> ApiFunction:
        operation = item[method]
        if not isinstance(operation, dict):
            raise BadOperation("the operation is no object", remedy="Write its parameters and responses under it")
        self._schemas.start_operation()
        parameters = uniquely_named(
            stated_parameters(
                path, item.get("parameters"), operation.get("parameters"), self._references, self._schemas
            )
            + body_parameters(operation.get("requestBody"), self._references, self._schemas, self._limits)
        )
        outputs, example = self._response(operation.get("responses"))
        tags = operation.get("tags")
        return ApiFunction.create(
            service=self._service,
            name=self._name(operation.get("operationId"), method, path),
            method=method.upper(),
            path=path,
            summary=text(operation.get("summary")) or text(item.get("summary")),
            description=text(operation.get("description")) or text(item.get("description")),
            category=text(tags[0]) if isinstance(tags, list) and tags else "",
            server=_server(operation) or _server(item) or _server(self._tree),
            parameters=parameters,
            outputs=outputs,
            response_example=example,
            deprecated=operation.get("deprecated") is True,
        )

    def _name(self, operation_id: Any, method: str, path: str) -> str:
        """The operation's id, or a name made of method and path; numbered where it is already taken."""
        slug = re.sub(r"[^A-Za-z0-9]+", "_", f"{method} {path}").strip("_")
        name = unique = " ".join(text(operation_id).split()) or slug
        number = 1
        while unique in self._names:
            number += 1
            unique = f"{name}_{number}"
        self._names.add(unique)
        return unique

    def _response(self, responses: Any) -> tuple[list[OutputField], Any]:
        """The fields of a successful JSON response, and one whole body if the document shows one."""
        media = self._successful_media(responses if isinstance(responses, dict) else {})
        if media is None:
            return [], None
        root = media.get("schema")
        schema = self._schemas.schema(root)
        bodies = [fitted(body, schema.kinds) for body in shown_bodies(media, self._references)]
        whole = bodies or schema.examples
        return output_fields(self._schemas, root, bodies, self._limits), whole[0] if whole else None

    def _successful_media(self, responses: dict[str, Any]) -> dict[str, Any] | None:
        successes = [key for key in responses if re.fullmatch(r"2(\d\d|XX)", key, re.IGNORECASE)]
        for key in successes or (["default"] if "default" in responses else []):
            response = self._references.follow(responses[key])
            media = json_media(response.get("content")) if isinstance(response, dict) else None
            if media is not None:
                return media
        return None


def _server(holder: dict[str, Any]) -> str:
    """The first server's URL with its variables at their defaults; empty if the holder names none."""
    servers = holder.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else None
    if not isinstance(first, dict):
        return ""
    url = text(first.get("url")).rstrip("/")
    variables = first.get("variables")
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        if isinstance(variable, dict) and variable.get("default") is not None:
            url = url.replace(f"{{{name}}}", str(variable["default"]))
    return url


def _service(tree: dict[str, Any], path: str) -> str:
    """What to call the service: its title, else its host, else the file's name."""
    info = tree.get("info")
    title = " ".join(text(info.get("title")).split()) if isinstance(info, dict) else ""
    if title and not _GENERIC_TITLE.fullmatch(title):
        return title[:MAX_NAME].strip()
    return _host(_server(tree)) or PurePosixPath(path).stem


def _host(url: str) -> str:
    """The host of a URL if its name says something about the service."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host if "." in host and "{" not in host else ""
    return ""
