"""A small OpenAI-compatible server, so that real HTTP plumbing is tested without a model.

with FakeServer(errors={500: 0.3}) as server:
    teacher = build_teacher(TeacherConfig(backend="openai", model="fake", base_url=server.base_url))
"""

import asyncio
import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from goat_ray.identity import rng

Body = dict[str, Any]
Answers = Callable[[Body], Any] | Mapping[str, Any] | None


@dataclass
class FakeServer:
    """Serves ``/v1/chat/completions`` on a free local port while its ``with`` block runs.

    ``answers`` gives the JSON value to answer with: a function of the request body, or a book by schema
    name. A string is sent as it is. What has no answer gets an instance of the requested schema, random
    but the same for the same request.
    """

    answers: Answers = None
    latency_s: float = 0.0
    errors: Mapping[int, float] = field(default_factory=dict)  # share of the requests that get each status
    error_message: str = "scripted"
    choice: Mapping[str, Any] = field(default_factory=dict)  # laid over each reply's choice, e.g. its finish_reason
    malformed: int = 0  # the first so many answers are cut off in the middle of their JSON
    seed: int = 0  # of the errors

    requests: list[Body] = field(default_factory=list, init=False)  # bodies, in the order of arrival
    keys: set[str] = field(default_factory=set, init=False)  # Authorization headers seen
    most_in_flight: int = field(default=0, init=False)
    base_url: str = field(default="", init=False)

    def __enter__(self) -> Self:
        self._in_flight = 0
        self._to_malform = self.malformed
        app = Starlette(routes=[Route("/v1/chat/completions", self._complete, methods=["POST"])])
        # The server runs in a thread, where uvicorn sets no signal handlers.
        self._server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, name="fake-server", daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the fake server did not start; see its log above")
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}/v1"
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    async def _complete(self, request: Request) -> Response:
        body: Body = await request.json()
        self.requests.append(body)
        self.keys.add(request.headers.get("authorization", ""))
        number = len(self.requests)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            await asyncio.sleep(self.latency_s)
            if (status := self._error(number)) is not None:
                return JSONResponse({"error": {"message": f"{self.error_message} {status}"}}, status)
            return JSONResponse(_completion(body, self._text(body), self.choice))
        finally:
            self._in_flight -= 1

    def _error(self, number: int) -> int | None:
        draw = rng(self.seed, number).random()
        for status, share in self.errors.items():
            draw -= share
            if draw < 0:
                return status
        return None

    def _text(self, body: Body) -> str:
        answer = self._answer(body)
        text = answer if isinstance(answer, str) else json.dumps(answer)
        if self._to_malform > 0:
            self._to_malform -= 1
            return text[: len(text) // 2]
        return text

    def _answer(self, body: Body) -> Any:
        form = body.get("response_format", {}).get("json_schema")
        if callable(self.answers):
            return self.answers(body)
        if form is None:
            return "OK"
        if self.answers is not None and form["name"] in self.answers:
            return self.answers[form["name"]]
        return instance(form["schema"], rng(body["messages"]))


def _completion(body: Body, text: str, changes: Mapping[str, Any]) -> Body:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    prompt_tokens = sum(len(str(message.get("content")).split()) for message in body["messages"])
    answer_tokens = len(text.split())
    return {
        "id": "fake",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [choice | dict(changes)],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": answer_tokens,
            "total_tokens": prompt_tokens + answer_tokens,
        },
    }


_WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")


def instance(schema: Body, random_: random.Random) -> Any:
    """A random value that follows a JSON schema, of the kinds that pydantic writes; not for ``pattern``."""
    return _instance(schema, schema.get("$defs", {}), random_, depth=0)


def _instance(schema: Body, defs: Body, random_: random.Random, depth: int) -> Any:
    def inner(part: Body) -> Any:
        return _instance(part, defs, random_, depth + 1)

    if "$ref" in schema:
        return inner(defs[schema["$ref"].rpartition("/")[2]])
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return random_.choice(schema["enum"])
    for key in ("anyOf", "oneOf"):
        if key in schema:  # in deep recursion, the simplest alternative ends it
            return inner(min(schema[key], key=len) if depth > 8 else random_.choice(schema[key]))
    kind = schema.get("type", "string")
    if kind == "object":
        return {name: inner(part) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        least = schema.get("minItems", 0)
        most = least if depth > 8 else min(schema.get("maxItems", least + 2), least + 2)
        items = schema.get("prefixItems") or [schema.get("items", {})] * random_.randint(least, most)
        return [inner(item) for item in items]
    return _scalar(kind, schema, random_)


def _scalar(kind: str, schema: Body, random_: random.Random) -> Any:
    if kind in ("integer", "number"):
        low: Any = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        high: Any = schema.get("maximum", schema.get("exclusiveMaximum", low + 100))
        if kind == "number":
            return low + (high - low) * random_.uniform(0.01, 0.99)
        low, high = low + ("exclusiveMinimum" in schema), high - ("exclusiveMaximum" in schema)
        return random_.randint(int(low), int(high))
    if kind == "boolean":
        return random_.random() < 0.5
    if kind == "null":
        return None
    text = " ".join(random_.choices(_WORDS, k=3))
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]
