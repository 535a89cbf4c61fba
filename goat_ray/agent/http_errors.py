"""Errors of the agent's server, in OpenAI's form: ``{"error": {"message", "type", "param", "code"}}``."""

import logging
from collections.abc import Mapping

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as AnyHttpException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from goat_ray.errors import GoatError

logger = logging.getLogger(__name__)

MAX_BODY = 1 << 20  # bytes
_TYPES: Mapping[int, str] = {401: "authentication_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """What a client is told instead of an answer."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        super().__init__(message)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.status, self.message, self.param, self.code))


def _rebuild(status: int, message: str, param: str | None, code: str | None) -> ApiError:
    return ApiError(status, message, param=param, code=code)


def error_body(error: Exception) -> dict[str, object]:
    """The body of an error's response. What happened inside stays in the server's log."""
    told = _told(error)
    kind = _TYPES.get(told.status, "invalid_request_error" if told.status < 500 else "server_error")
    return {"error": {"message": told.message, "type": kind, "param": told.param, "code": told.code}}


def _told(error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    logger.error("A request failed.", exc_info=error)
    if isinstance(error, GoatError):
        return ApiError(503, "The agent's model or its APIs cannot be reached; the server's log says more.")
    return ApiError(500, "The server made a mistake; its log says more.")


def handle_errors(app: FastAPI) -> None:
    """Make the application answer all errors in OpenAI's form."""

    def respond(error: ApiError) -> JSONResponse:
        headers = {401: {"www-authenticate": "Bearer"}, 429: {"retry-after": "1"}}.get(error.status)
        return JSONResponse(error_body(error), error.status, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return respond(ApiError(400, "The body is no JSON."))
        where = ".".join(str(part) for part in first["loc"][1:])
        return respond(ApiError(400, f"{where or 'The body'}: {first['msg']}", param=where or None))

    @app.exception_handler(AnyHttpException)
    async def refused(request: Request, error: AnyHttpException) -> JSONResponse:
        return respond(ApiError(error.status_code, f"{request.method} {request.url.path}: {error.detail}"))

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> JSONResponse:
        return respond(_told(error))

    @app.exception_handler(GoatError)
    async def unreachable(_: Request, error: GoatError) -> JSONResponse:
        return respond(_told(error))

    @app.exception_handler(ApiError)
    async def told(_: Request, error: ApiError) -> JSONResponse:
        return respond(error)


class BodyLimit:
    """Refuses bodies of more than ``MAX_BODY`` bytes before they are read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = MAX_BODY

        async def bounded() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, f"The body is longer than {MAX_BODY:,} bytes")
            return message

        await self._app(scope, bounded, send)
