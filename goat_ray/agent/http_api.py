"""The agent over HTTP: OpenAI's chat completions, and traces of what was done.

A FastAPI application that knows nothing of where the agent runs: it is given a function that streams its events.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from goat_ray.agent import completions
from goat_ray.agent.completions import ChatRequest, Trace
from goat_ray.agent.config import ServerConfig
from goat_ray.agent.events import Event
from goat_ray.agent.http_errors import ApiError, BodyLimit, handle_errors

Stream = Callable[[str, int | None], AsyncIterator[Event]]
"""Query and most tokens of the answer to events; see ``Agent.stream``. May raise ``ApiError``."""


class Traces:
    """The latest traces by id."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._traces: OrderedDict[str, Trace] = OrderedDict()

    def keep(self, trace: Trace) -> None:
        """Remember it; the oldest beyond the limit is forgotten."""
        self._traces[trace.id] = trace
        while len(self._traces) > self._most:
            self._traces.popitem(last=False)

    def get(self, trace_id: str) -> Trace:
        """The trace; raises ``ApiError`` (404) where it is unknown or forgotten."""
        if trace_id not in self._traces:
            raise ApiError(404, f"There is no trace {trace_id!r}, or no longer.", code="trace_not_found")
        return self._traces[trace_id]


class Health(BaseModel):
    """Whether the server answers."""

    status: str = "ok"


def digest_of(token: str) -> str:
    """What the server knows of the token: enough to recognise it."""
    return hashlib.sha256(token.encode()).hexdigest()


def application(stream: Stream, config: ServerConfig, token_digest: str = "") -> FastAPI:
    """The application; with ``token_digest`` (see ``digest_of``) it asks for that bearer token."""
    app = FastAPI(title="goat-ray agent", docs_url=None, redoc_url=None)
    app.add_middleware(BodyLimit)
    handle_errors(app)
    traces = Traces(config.traces)
    guarded = [Depends(_guard(token_digest))]

    @app.get("/health")
    async def health() -> Health:
        return Health()

    @app.get("/v1/models", dependencies=guarded)
    async def models() -> dict[str, object]:
        return completions.models(config.model_name)

    @app.get("/trace/{trace_id}", dependencies=guarded)
    async def trace(trace_id: str) -> Trace:
        return traces.get(trace_id)

    @app.post("/v1/chat/completions", dependencies=guarded, response_model=None)
    async def chat(request: ChatRequest) -> dict[str, object] | StreamingResponse:
        query = completions.query_of(request, config.model_name)
        trace = Trace.of(query)
        traces.keep(trace)
        events = _recorded(stream(query, request.answer_tokens), trace)
        if request.stream:
            first = await anext(events)  # so that a refusal still gets its own status
            chunks = completions.chunks(first, events, trace, request)
            return StreamingResponse(chunks, media_type="text/event-stream", headers={"cache-control": "no-cache"})
        async for _ in events:
            pass
        return completions.completion(trace, request.model)

    return app


async def _recorded(events: AsyncIterator[Event], trace: Trace) -> AsyncIterator[Event]:
    async for event in events:
        trace.events.append(event)
        yield event


def _guard(token_digest: str) -> Callable[..., None]:
    scheme = HTTPBearer(auto_error=False)

    def check(given: Annotated[HTTPAuthorizationCredentials | None, Depends(scheme)]) -> None:
        known = given is not None and hmac.compare_digest(digest_of(given.credentials), token_digest)
        if token_digest and not known:
            raise ApiError(401, "Send the server's token as 'Authorization: Bearer TOKEN'.", code="invalid_api_key")

    return check
