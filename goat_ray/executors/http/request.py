"""From a function and its arguments to the request that its document describes."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from goat_ray.executors.http import styles
from goat_ray.executors.nesting import nested
from goat_ray.identity import canonical_json, content_id
from goat_ray.records import ApiFunction

WHOLE_BODY = "$"  # the argument that is the whole body
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110: names of headers and cookies
_RESERVED = {"host", "content-length", "transfer-encoding", "connection", "authorization", "cookie"}


class BadArguments(Exception):
    """The request cannot be written with these arguments; the message says why, without values."""


@dataclass
class Draft:
    """A request before credentials are added."""

    method: str
    url: str
    query: styles.Pairs = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    cookies: styles.Pairs = field(default_factory=list)
    content: bytes | None = None

    @property
    def target(self) -> str:
        """The URL with its query."""
        return f"{self.url}?{urlencode(self.query, quote_via=quote)}" if self.query else self.url

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers with the cookies."""
        if not self.cookies:
            return dict(self.headers)
        return {**self.headers, "Cookie": "; ".join(f"{name}={quote(value)}" for name, value in self.cookies)}


def draft(function: ApiFunction, arguments: dict[str, Any], server: str) -> Draft:
    """The request to the base URL ``server``; raises ``BadArguments``. Arguments that are None are left out."""
    given = {name: value for name, value in arguments.items() if value is not None}
    known = {parameter.name: parameter for parameter in function.parameters}
    if unknown := sorted(given.keys() - known.keys()):
        raise BadArguments(f"takes no argument {', '.join(unknown)[:200]}")
    if missing := [name for name, parameter in known.items() if parameter.required and name not in given]:
        raise BadArguments(f"lacks {', '.join(missing)[:200]}")
    made = Draft(function.method, "")
    path, body = function.path, {}
    for name, value in given.items():
        parameter = known[name]
        if parameter.location == "path":
            path = path.replace(f"{{{name}}}", _segment(styles.segment(parameter, value)))
        elif parameter.location == "query":
            made.query += styles.pairs(parameter, value)
        elif parameter.location == "header":
            made.headers[_header_name(name)] = _header_value(styles.header(parameter, value))
        elif parameter.location == "cookie":
            made.cookies += [(_header_name(key), text) for key, text in styles.pairs(parameter, value)]
        else:
            body[name] = value
    made.url = server.rstrip("/") + path
    if body:
        _add_body(made, function, body)
    return made


def _add_body(made: Draft, function: ApiFunction, body: dict[str, Any]) -> None:
    if function.body_type in (FORM, MULTIPART) and WHOLE_BODY not in body:
        fields = [pair for name, value in body.items() for pair in styles.pairs(function.parameter(name), value)]
        if function.body_type == FORM:
            made.content, made.headers["Content-Type"] = urlencode(fields).encode(), FORM
        else:
            made.content, made.headers["Content-Type"] = _multipart(fields)
        return
    whole = body.get(WHOLE_BODY, nested(body))
    made.headers["Content-Type"] = function.body_type or "application/json"
    # JSON is never quoted again: a body of another type is written as the text that it is.
    is_text = function.body_type and isinstance(whole, str)
    made.content = (whole if is_text else canonical_json(whole)).encode("utf-8", "replace")


def _multipart(fields: styles.Pairs) -> tuple[bytes, str]:
    """(content, media type) of RFC 7578; the boundary derives from the content, so that requests repeat exactly."""
    boundary = f"goat-{content_id(fields)}"
    lines = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{quote(name, safe=" []$")}"\r\n\r\n{value}\r\n'
        for name, value in fields
    ]
    content = "".join([*lines, f"--{boundary}--\r\n"]).encode("utf-8", "replace")
    return content, f"{MULTIPART}; boundary={boundary}"


def _segment(text: str) -> str:
    """A path segment that stays one: ``..`` would leave the path that the document describes."""
    if text in ("", ".", ".."):
        raise BadArguments("an argument of the path is empty or leads out of it")
    return text


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name) or name.lower() in _RESERVED:
        raise BadArguments("a header or cookie has a name that cannot be sent")
    return name


def _header_value(text: str) -> str:
    if not text.isprintable():
        raise BadArguments("the value of a header has a line break or another control character")
    return text
