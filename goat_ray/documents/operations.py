"""From the operations of an OpenAPI document of any version to functions.

Versions differ in where they say things, not in what they say. A ``Dialect`` finds the places and puts
what stands there the way OpenAPI 3 does; everything else is shared.
"""

import ipaddress
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, ClassVar
from urllib.parse import urlsplit

from goat_ray.documents.composition import Schemas
from goat_ray.documents.files import Files
from goat_ray.documents.flaws import BadOperation, Flaw, NoOperations, NotOpenApi
from goat_ray.documents.loading import Source
from goat_ray.documents.media import body_type, json_media, shown_bodies
from goat_ray.documents.omissions import left_out
from goat_ray.documents.outputs import output_fields
from goat_ray.documents.parameters import stated_parameters, uniquely_named
from goat_ray.documents.references import References, pointer
from goat_ray.documents.request_body import body_parameters
from goat_ray.documents.schemas import fitted, text
from goat_ray.documents.security import Security
from goat_ray.records import ApiFunction, OutputField, Parameter, Reject

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
MAX_NAME = 100  # characters of a service name
# What generators and editors write when nobody gave the document a title.
_GENERIC_TITLE = re.compile(
    r"((my|new|rest|the|untitled|web) )?apis?( docs| documentation| reference)?"
    r"|openapi( definition| specification)?|default|docs|documentation|fastapi|swagger|title|untitled",
    re.IGNORECASE,
)


class Dialect(ABC):
    """Where one version of OpenAPI says what. Nodes are as written; methods raise ``Flaw`` on bad references."""

    key: ClassVar[str]  # the member that holds the version
    version: ClassVar[str]  # a pattern of the versions that are read
    name: ClassVar[str]
    versions: ClassVar[str]  # as a remedy names them

    def __init__(self, tree: dict[str, Any], references: References) -> None:
        self.tree = tree
        self.references = references

    @abstractmethod
    def security_schemes(self) -> Any:
        """The "Security Scheme Objects" by name."""

    @abstractmethod
    def server(self, *holders: dict[str, Any]) -> str:
        """The base URL that the first of operation and path to state one has, else the document's, else ``""``."""

    @abstractmethod
    def parameters(self, item: dict[str, Any], operation: dict[str, Any]) -> list[Any]:
        """The "Parameter Objects" outside the body: the path's, then the operation's, which win."""

    @abstractmethod
    def request_body(self, item: dict[str, Any], operation: dict[str, Any]) -> Any:
        """The "Request Body Object" of OpenAPI 3, or None."""

    @abstractmethod
    def content(self, response: dict[str, Any], operation: dict[str, Any]) -> Any:
        """The "Media Type Objects" of OpenAPI 3 of a response, by media type."""

    @classmethod
    def sniff(cls, source: Source) -> bool:
        """Whether the document calls itself so; raises ``Flaw`` if it seems to but cannot be parsed."""
        return cls.key.encode() in source.content and isinstance(source.tree, dict) and cls.key in source.tree

    @classmethod
    def read(cls, source: Source) -> Iterator[ApiFunction | Reject]:
        """The functions of a document in its order, and a reject for each operation that cannot be used.

        A function from which something had to be left out is followed by a reject that says what. Raises
        ``Flaw`` if the document as a whole cannot be used.
        """
        tree = source.tree
        version = tree.get(cls.key) if isinstance(tree, dict) else None
        paths = tree.get("paths") if isinstance(tree, dict) else None
        if not re.match(cls.version, str(version)) or not isinstance(paths, dict | None):
            raise NotOpenApi(
                f"is not {cls.name} document ({cls.key}: {version!r}, paths: {type(paths).__name__})",
                place=source.document.path,
                remedy=f"Give {cls.versions} document with a paths object",
            )
        return _read_operations(source, cls)


def _read_operations(source: Source, dialect: type[Dialect]) -> Iterator[ApiFunction | Reject]:
    found = None
    for found in _Reader(source, dialect).read():
        yield found
    if found is None:
        raise NoOperations(
            "has no operation under paths", place=source.document.path, remedy="Add operations or leave it out"
        )


class _Reader:
    def __init__(self, source: Source, dialect: type[Dialect]) -> None:
        self._source = source
        self._limits = source.limits
        self._references = References(source.tree, Files(source))
        self._schemas = Schemas(self._references)
        self._dialect = dialect(source.tree, self._references)
        self._service = _service(self._dialect, source.document.path)
        self._names: dict[str, int] = {}  # names given, each with the last number that was tried for it

    def read(self) -> Iterator[ApiFunction | Reject]:
        paths = self._references.follow(self._dialect.tree.get("paths"))
        for path, node in paths.items() if isinstance(paths, dict) else ():
            if path.startswith("x-") or path == "$ref":  # an extension, not a path
                continue
            place = pointer("paths", path)
            try:
                item = self._references.follow(node)
                if not isinstance(item, dict):
                    raise BadOperation("the path has no object", remedy="Write its operations under it")
            except Flaw as flaw:
                yield self._source.reject(flaw, place)
                continue
            for method in (key for key in item if key in METHODS):
                try:
                    yield from self._function(path, method, item, f"{place}/{method}")
                except Flaw as flaw:
                    yield self._source.reject(flaw, f"{place}/{method}")
                except Exception as error:
                    yield self._source.reject(BadOperation.unforeseen(error, "operation"), f"{place}/{method}")

    def _function(self, path: str, method: str, item: dict[str, Any], place: str) -> Iterator[ApiFunction | Reject]:
        operation = self._references.follow(item[method])
        if not isinstance(operation, dict):
            raise BadOperation("the operation is no object", remedy="Write its parameters and responses under it")
        self._schemas.start_operation()
        cut: Counter[str] = Counter()
        security = self._security(operation)
        parameters, twins = uniquely_named(self._parameters(path, item, operation, security, cut))
        outputs, example = self._response(operation, cut)
        tags = operation.get("tags")
        yield ApiFunction.create(
            service=self._service,
            name=self._name(operation.get("operationId"), method, path),
            method=method.upper(),
            path=path,
            summary=text(operation.get("summary")) or text(item.get("summary")),
            description=text(operation.get("description")) or text(item.get("description")),
            category=text(tags[0]) if isinstance(tags, list) and tags else "",
            server=self._dialect.server(operation, item),
            parameters=parameters,
            body_type=self._body_type(item, operation, parameters),
            security=security.alternatives,
            outputs=outputs,
            response_example=example,
            deprecated=operation.get("deprecated") is True,
        )
        for flaw in left_out(twins, cut, self._limits):
            # not the id that a reject of the whole operation would have
            yield self._source.reject(flaw, place, flaw.reason)

    def _security(self, operation: dict[str, Any]) -> Security:
        stated = operation.get("security", self._dialect.tree.get("security"))
        return Security.of(stated, self._dialect.security_schemes(), self._references)

    def _body_type(self, item: dict[str, Any], operation: dict[str, Any], parameters: list[Parameter]) -> str:
        """The media type of the body, if the function has arguments in it."""
        if all(parameter.location != "body" for parameter in parameters):
            return ""
        body = self._references.follow(self._dialect.request_body(item, operation))
        return body_type(body.get("content"))

    def _parameters(
        self, path: str, item: dict[str, Any], operation: dict[str, Any], security: Security, cut: Counter[str]
    ) -> list[Parameter]:
        """All that the operation takes, but for credentials."""
        dialect, references = self._dialect, self._references
        parameters = stated_parameters(path, dialect.parameters(item, operation), references, self._schemas)
        body = dialect.request_body(item, operation)
        parameters += body_parameters(body, references, self._schemas, self._limits, cut)
        return [parameter for parameter in parameters if not security.is_credential(parameter)]

    def _name(self, operation_id: Any, method: str, path: str) -> str:
        """The operation's id, or a name made of method and path; numbered where it is already taken."""
        slug = re.sub(r"[^A-Za-z0-9]+", "_", f"{method} {path}").strip("_")
        name = unique = " ".join(text(operation_id).split()) or slug
        while unique in self._names:
            self._names[name] = number = self._names.get(name, 1) + 1
            unique = f"{name}_{number}"
        self._names[unique] = 1
        return unique

    def _response(self, operation: dict[str, Any], cut: Counter[str]) -> tuple[list[OutputField], Any]:
        """The fields of a successful JSON response, and one whole body if the document shows one."""
        media = self._successful_media(operation)
        if media is None:
            return [], None
        root = media.get("schema")
        schema = self._schemas.schema(root)
        bodies = [fitted(body, schema.kinds) for body in shown_bodies(media, self._references)]
        whole = bodies or schema.examples
        return output_fields(self._schemas, root, bodies, self._limits, cut), whole[0] if whole else None

    def _successful_media(self, operation: dict[str, Any]) -> dict[str, Any] | None:
        responses = self._references.follow(operation.get("responses"))
        if not isinstance(responses, dict):
            return None
        successes = [key for key in responses if re.fullmatch(r"2(\d\d|XX)", key, re.IGNORECASE)]
        for key in successes or (["default"] if "default" in responses else []):
            response = self._references.follow(responses[key])
            media = json_media(self._dialect.content(response, operation)) if isinstance(response, dict) else None
            if media is not None:
                return media
        return None


def _service(dialect: Dialect, path: str) -> str:
    """What to call the service: its title, else its host, else the file's name."""
    info = dialect.tree.get("info")
    title = " ".join(text(info.get("title")).split()) if isinstance(info, dict) else ""
    if title and not _GENERIC_TITLE.fullmatch(title):
        return title[:MAX_NAME].strip()
    return _host(dialect.server()) or PurePosixPath(path).stem


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
