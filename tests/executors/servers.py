"""Servers on real sockets: one that serves a document's API, and one that behaves in every way servers do."""

import asyncio
import base64
import gzip
import json
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from goat_ray.executors.sandbox import SandboxExecutor
from goat_ray.executors.sandbox.config import SandboxConfig
from goat_ray.records import ApiFunction, Parameter


@contextmanager
def serving(app: Starlette, certificate: Path | None = None) -> Iterator[int]:
    """The port of 127.0.0.1 on which an app is served, over TLS with a certificate and its key in one file."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="critical",
            lifespan="off",
            timeout_graceful_shutdown=1,
            ssl_certfile=certificate,
        )
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def api_app(functions: Sequence[ApiFunction], prefix: str, token: str = "") -> Starlette:
    """The API that a document describes, answered by the sandbox; ``state.calls`` counts what was asked.

    With a bearer token, which it wants and repeats in each answer, it has its bad moments as well: every fifth
    request to read something is too much for it.
    """
    sandbox = SandboxExecutor(functions, SandboxConfig())
    calls: Counter[str] = Counter()

    def endpoint(function: ApiFunction) -> Any:
        async def answer(request: Request) -> Response:
            if token and request.headers.get("authorization") != f"Bearer {token}":
                return JSONResponse({"message": f"{request.headers.get('authorization')} may not"}, 401)
            calls[function.id] += 1
            if token and request.method == "GET" and calls.total() % 5 == 0:
                app.state.failed += 1
                return JSONResponse({"message": f"{token} is too fast"}, (429, 503)[calls.total() % 2])
            body = await request.body()
            given: dict[str, Any] = {**request.query_params, **request.path_params, **_flat(json.loads(body or b"{}"))}
            known = {parameter.name: parameter for parameter in function.parameters}
            arguments = {name: _typed(known[name], value) for name, value in given.items() if name in known}
            result = await sandbox.session().call(function, arguments)
            echo = {"debug": f"sent by Bearer {token}"} if token and isinstance(result.body, dict) else {}
            return JSONResponse({**result.body, **echo} if echo else result.body, result.status)

        return answer

    # A path without placeholders goes first: /genres/popular is no genre.
    ordered = sorted(functions, key=lambda function: function.path.count("{"))
    app = Starlette(routes=[Route(prefix + f.path, endpoint(f), methods=[f.method]) for f in ordered])
    app.state.calls = calls
    app.state.failed = 0
    return app


def _flat(body: Any, above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in body.items():
        found |= _flat(value, f"{above}{name}.") if isinstance(value, dict) else {above + name: value}
    return found


def _typed(parameter: Parameter, value: Any) -> Any:
    if isinstance(value, str) and parameter.type in ("integer", "number", "boolean"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def moody_app(tokens: Sequence[str] = ("first-token-value", "second-token-value")) -> Starlette:
    """Endpoints that echo, refuse, fail, dawdle, flood and lead astray; ``state.seen`` holds what was asked."""
    seen: list[dict[str, Any]] = []
    left = iter(tokens)
    failures: Counter[str] = Counter()

    async def echo(request: Request) -> Response:
        body = await request.body()
        seen.append(
            {
                "method": request.method,
                "path": request.scope["raw_path"].decode(),
                "query": request.scope["query_string"].decode(),
                "headers": dict(request.headers),
                "body": body.decode("utf-8", "replace"),
            }
        )
        shown = {name: value for name, value in request.headers.items() if name not in ("content-length", "host")}
        return JSONResponse(seen[-1], headers={"X-Seen": f"{shown} {request.scope['query_string'].decode()}"})

    async def status(request: Request) -> Response:
        seen.append({"path": request.url.path})
        return JSONResponse({"message": "no"}, int(request.path_params["code"]))

    async def flaky(request: Request) -> Response:
        """Fails ``times`` times with a status, then works."""
        query = request.query_params
        failures[query["key"]] += 1
        seen.append({"method": request.method, "path": request.url.path})
        if failures[query["key"]] <= int(query["times"]):
            headers = {"Retry-After": query["after"]} if "after" in query else {}
            return JSONResponse({"message": "later"}, int(query["status"]), headers)
        return JSONResponse({"ok": True})

    async def slow(request: Request) -> Response:
        async def drip() -> AsyncIterator[bytes]:
            for _ in range(200):
                yield b" "
                await asyncio.sleep(0.05)

        return StreamingResponse(drip(), media_type="application/json")

    async def huge(request: Request) -> Response:
        async def flood() -> AsyncIterator[bytes]:
            for _ in range(1000):
                yield b"x" * 100_000

        return StreamingResponse(flood(), media_type="text/plain")

    async def bomb(request: Request) -> Response:
        packed = gzip.compress(b" " * 5_000_000, compresslevel=1)
        return Response(packed, media_type="application/json", headers={"Content-Encoding": "gzip"})

    async def packed(request: Request) -> Response:
        return Response(gzip.compress(b'{"packed": true}'), headers={"Content-Encoding": "gzip"})

    async def redirect(request: Request) -> Response:
        seen.append({"method": request.method, "path": request.url.path, "headers": dict(request.headers)})
        return Response(
            status_code=int(request.query_params.get("status", 302)), headers={"Location": request.query_params["to"]}
        )

    async def token(request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        basic = "Basic " + base64.b64encode(b"client-name:client-secret-value").decode()
        posted = (form.get("client_id"), form.get("client_secret")) == ("client-name", "client-secret-value")
        seen.append({"path": "/token", "body": str(form)})
        if request.headers.get("authorization") != basic and not posted:
            return JSONResponse({"error": "invalid_client"}, 401)
        return JSONResponse({"access_token": next(left), "token_type": "Bearer", "expires_in": 3600})

    async def guarded(request: Request) -> Response:
        """Takes only the token that is its last; all earlier ones have ended."""
        seen.append({"path": "/guarded"})
        valid = request.headers.get("authorization") == f"Bearer {tokens[-1]}"
        return JSONResponse({"in": True} if valid else {"message": "who?"}, 200 if valid else 401)

    async def odd(request: Request) -> Response:
        content = {"binary": b"\x00\xff\xfe", "broken": b'{"a": ', "deep": b"[" * 5000, "half": b'["\\ud800", NaN]'}
        kind = request.path_params["kind"]
        return Response(
            content[kind], media_type="application/octet-stream" if kind == "binary" else "application/json"
        )

    async def text(request: Request) -> Response:
        return PlainTextResponse("Grüße".encode("latin-1"), media_type="text/plain; charset=latin-1")

    any_method = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    app = Starlette(
        routes=[
            Route("/echo{rest:path}", echo, methods=any_method),
            Route("/status/{code}", status, methods=any_method),
            Route("/flaky", flaky, methods=any_method),
            Route("/redirect", redirect, methods=any_method),
            Route("/token", token, methods=["POST"]),
            *(Route(f"/{e.__name__}", e) for e in (slow, huge, bomb, packed, guarded, text)),
            Route("/odd/{kind}", odd),
        ]
    )
    app.state.seen = seen
    return app
