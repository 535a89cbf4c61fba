"""As much of HTTP as the fake server needs: JSON in, JSON out, by POST to one path.

It runs httptools on bare asyncio, which carries several thousand requests a second on one core; a web framework
would take half of that, and a benchmark would measure the server.
"""

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httptools

Body = dict[str, Any]
Reply = tuple[int, Body]  # status and body

_PATH = b"/v1/chat/completions"
_RETRY_AFTER_S = 0.2  # what a 429 asks for


class Connection(asyncio.Protocol):
    """One connection with one request at a time, as all HTTP clients in use do it.

    ``arrived`` gets each whole request: the connection to reply on, its body and its Authorization header.
    While it is open, the connection's transport is among ``opened``.
    """

    def __init__(self, arrived: Callable[["Connection", Body, str], None], opened: set[asyncio.Transport]) -> None:
        self._arrived = arrived
        self._opened = opened
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._opened.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._opened.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_url(self, url: bytes) -> None:
        """Called by the parser, as are the others below."""
        self._url, self._body, self._key = url, bytearray(), ""

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"authorization":
            self._key = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        if self._parser.get_method() != b"POST" or self._url.partition(b"?")[0] != _PATH:
            return self.send((404, {"error": {"message": f"only POST {_PATH.decode()} is served"}}))
        try:
            body = json.loads(self._body)
        except ValueError:
            return self.send((400, {"error": {"message": "the body is no JSON"}}))
        return self._arrived(self, body, self._key)

    def send(self, reply: Reply | None) -> None:
        """Write one reply, or break the connection instead."""
        if reply is None:
            self._transport.abort()
            return
        status, body = reply
        content = json.dumps(body).encode()
        again = f"retry-after: {_RETRY_AFTER_S:g}\r\n" if status == HTTPStatus.TOO_MANY_REQUESTS else ""
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{again}"
            f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        self._transport.write(head.encode() + content)
