"""The agent's events in the form of OpenAI's chat completions (platform.openai.com/docs/api-reference/chat).

What that form has no place for is in fields of its own, which OpenAI's clients pass on: ``goat_trace`` of a
completion, ``goat_event`` of a chunk.
"""

import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any, Literal

from pydantic import BaseModel, Field

from goat_ray.agent.events import Answered, Event, Usage
from goat_ray.agent.http_errors import ApiError, error_body
from goat_ray.storable import writable

MAX_QUERY = 20_000  # characters
LIMITS = ("token-limit", "time-limit", "step-limit")


class TextPart(BaseModel):
    """A part of a message's content; only text is understood."""

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """One message of a chat."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """The content as one text."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    """Of a streamed completion."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """What the agent understands of a request. How its model samples is the server's business, so
    ``temperature`` and the like are passed over."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    n: int | None = None
    tools: list[Any] | None = None

    @property
    def answer_tokens(self) -> int | None:
        """Most tokens of the answer."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def wants_usage(self) -> bool:
        """Whether the stream is to end with what it cost."""
        return self.stream_options is not None and self.stream_options.include_usage


class Trace(BaseModel):
    """What the server did for one request, so far."""

    id: str
    created: int  # seconds since 1970
    query: str
    events: list[Event] = []

    @classmethod
    def of(cls, query: str) -> "Trace":
        """A trace that nothing has happened in."""
        return cls(id=uuid.uuid4().hex, created=int(time.time()), query=query)


def query_of(request: ChatRequest, model_name: str) -> str:
    """The last thing that the user said, writable; raises ``ApiError`` where the request asks for what there is not."""
    if request.model != model_name:
        message = f"The model {request.model!r} does not exist; this server has {model_name!r}."
        raise ApiError(404, message, param="model", code="model_not_found")
    if request.tools:
        raise ApiError(400, "The agent's tools are the server's own; leave 'tools' out.", param="tools")
    if request.n not in (None, 1):
        raise ApiError(400, "The agent gives one answer; leave 'n' out.", param="n")
    said = [message.text.strip() for message in request.messages if message.role == "user"]
    if not said or not said[-1]:
        raise ApiError(400, "There is no message of the user to answer.", param="messages")
    if len(said[-1]) > MAX_QUERY:
        raise ApiError(400, f"The message is longer than {MAX_QUERY:,} characters.", param="messages")
    return writable(said[-1])


def models(name: str) -> dict[str, object]:
    """The list of models."""
    return {"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "goat-ray"}]}


def completion(trace: Trace, model: str) -> dict[str, object]:
    """A finished trace as a completion."""
    answer = _answer(trace)
    message = {"role": "assistant", "content": answer.told}
    return {
        **_head(trace, model, "chat.completion"),
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(answer)}],
        "usage": _usage(answer.usage),
        "goat_trace": {"id": trace.id, "problems": answer.problems},
    }


async def chunks(first: Event, rest: AsyncIterator[Event], trace: Trace, request: ChatRequest) -> AsyncIterator[str]:
    """A stream of server-sent events: what the agent does as it does it, then the answer."""
    head = _head(trace, request.model, "chat.completion.chunk")

    def chunk(delta: dict[str, str], finish: str | None = None, **more: object) -> str:
        return _sent({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more})

    yield chunk({"role": "assistant", "content": ""}, goat_event=first.model_dump(mode="json"))
    try:
        async for event in rest:
            text = {"content": event.told} if isinstance(event, Answered) else {}
            yield chunk(text, goat_event=event.model_dump(mode="json"))
    except Exception as error:  # the status is sent already
        yield _sent(error_body(error))
        return
    answer = _answer(trace)
    yield chunk({}, _finish(answer))
    if request.wants_usage:
        yield _sent({**head, "choices": [], "usage": _usage(answer.usage)})
    yield "data: [DONE]\n\n"


def _head(trace: Trace, model: str, kind: str) -> dict[str, object]:
    return {"id": f"chatcmpl-{trace.id}", "object": kind, "created": trace.created, "model": model}


def _answer(trace: Trace) -> Answered:
    last = trace.events[-1]
    assert isinstance(last, Answered), "a stream of events ends with the answer"
    return last


def _finish(answer: Answered) -> str:
    return "length" if any(problem.startswith(LIMITS) for problem in answer.problems) else "stop"


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.tokens,
    }


def _sent(body: dict[str, object]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"
