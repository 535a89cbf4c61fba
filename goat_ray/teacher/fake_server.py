"""A small OpenAI-compatible server with scripted faults, so that real HTTP plumbing is tested without a model.

with FakeServer(errors={500: 0.3}) as server:
    teacher = build_teacher(TeacherConfig(backend="openai", model="fake", base_url=server.base_url))
"""

import asyncio
import json
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from goat_ray.errors import ConfigError
from goat_ray.identity import rng
from goat_ray.teacher.fake_http import Body, Connection, Reply
from goat_ray.teacher.instances import instance

Answers = Callable[[Body], Any] | Mapping[str, Any] | None


@dataclass
class FakeServer:
    """Serves ``/v1/chat/completions`` on a local port while its ``with`` block runs, or for ever by ``serve``.

    ``answers`` gives the JSON value to answer with: a function of the request body, or a book by schema
    name. A string is sent as it is. What has no answer gets an instance of the requested schema, random
    but the same for the same request. Shares are of all requests, drawn by ``seed`` and arrival number.
    """

    answers: Answers = None
    port: int = 0  # 0 takes a free one
    latency_s: float = 0.0
    jitter_s: float = 0.0  # at most so much more latency, evenly spread
    errors: Mapping[int, float] = field(default_factory=dict)  # share of the requests that get each status
    error_message: str = "scripted"
    error_code: str = ""  # the ``code`` of each scripted error
    dropped: float = 0.0  # share of the requests whose connection is closed without a reply
    busy_from_s: float = 0.0  # only 429 from so many seconds after the first request …
    busy_until_s: float = 0.0  # … until so many
    busy_every: int = 0  # each so manieth request gets 429
    malformed: int = 0  # the first so many answers are cut off in the middle of their JSON
    malformed_share: float = 0.0  # share of the answers that are cut off
    context: int | None = None  # words of a prompt beyond which it is refused as too long
    choice: Mapping[str, Any] = field(default_factory=dict)  # laid over each reply's choice, e.g. its finish_reason
    seed: int = 0
    keep: bool = True  # remember the requests; a server that runs for long should not

    requests: list[Body] = field(default_factory=list, init=False)  # bodies, in the order of arrival
    keys: set[str] = field(default_factory=set, init=False)  # Authorization headers seen
    count: int = field(default=0, init=False)
    most_in_flight: int = field(default=0, init=False)
    base_url: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._in_flight = 0
        self._to_malform = self.malformed
        self._began: float | None = None

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.Transport] = set()
        server = self._loop.run_until_complete(self._listen())
        self._thread = threading.Thread(target=self._run, args=(server,), name="fake-server", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def serve(self, started: Callable[[str], None]) -> None:
        """Serve until cancelled; ``started`` is told the base URL."""
        self._loop = asyncio.get_running_loop()
        self._connections = set()
        server = await self._listen()
        started(self.base_url)
        await server.serve_forever()

    def respond(self, body: Body) -> Reply | None:
        """Status and body of the reply to one more request; None for a dropped connection."""
        self.count += 1
        self._began = time.monotonic() if self._began is None else self._began
        draw = rng(self.seed, self.count)
        if self._is_busy():
            return self._error(429)
        if draw.random() < self.dropped:
            return None
        share = draw.random()
        for status, part in self.errors.items():
            share -= part
            if share < 0:
                return self._error(status)
        text = self._text(body, draw)
        reply = _completion(body, text, self.choice)
        if self.context is not None and reply["usage"]["prompt_tokens"] > self.context:
            message = f"This model's maximum context length is {self.context} tokens."
            return 400, {"error": {"message": message, "code": "context_length_exceeded"}}
        return 200, reply

    # --- replies ---------------------------------------------------------------------------------

    def _is_busy(self) -> bool:
        assert self._began is not None
        age = time.monotonic() - self._began
        return self.busy_from_s <= age < self.busy_until_s or bool(self.busy_every and not self.count % self.busy_every)

    def _error(self, status: int) -> Reply:
        return status, {"error": {"message": f"{self.error_message} {status}", "code": self.error_code or None}}

    def _text(self, body: Body, draw: random.Random) -> str:
        answer = self._answer(body)
        text = answer if isinstance(answer, str) else json.dumps(answer)
        self._to_malform -= 1
        if self._to_malform >= 0 or draw.random() < self.malformed_share:
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

    # --- HTTP ------------------------------------------------------------------------------------

    async def _listen(self) -> asyncio.Server:
        server = await self._loop.create_server(
            lambda: Connection(self.arrived, self._connections), "127.0.0.1", self.port, backlog=1024
        )
        self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        return server

    def _run(self, server: asyncio.Server) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        server.close()
        for transport in self._connections:
            transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0))  # lets the transports close
        self._loop.close()

    def arrived(self, connection: Connection, body: Body, key: str) -> None:
        """A whole request is there: its reply leaves after the latency, which includes the time to make it."""
        arrived = self._loop.time()
        if self.keep:
            self.requests.append(body)
            self.keys.add(key)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        reply = self.respond(body)
        latency = self.latency_s + (
            self.jitter_s * rng(self.seed, "jitter", self.count).random() if self.jitter_s else 0
        )
        self._loop.call_at(arrived + latency, self._leave, connection, reply)

    def _leave(self, connection: Connection, reply: Reply | None) -> None:
        self._in_flight -= 1
        connection.send(reply)


def scripted(errors: Sequence[str], busy: str, answers: Path | None, **settings: Any) -> FakeServer:
    """A server from what a command line can say; raises ``ConfigError`` for what cannot be read."""
    try:
        shares = {int(status): float(share) for status, share in (error.split("=") for error in errors)}
        start, until = (float(part) for part in busy.split("-")) if busy else (0.0, 0.0)
        book = json.loads(answers.read_text(encoding="utf-8")) if answers is not None else None
    except (ValueError, OSError) as error:
        raise ConfigError(
            f"an option cannot be read: {error}",
            place="goat fake-server",
            remedy="Write --error 500=0.3, --busy 5-15, and --answers with a JSON object of answers by schema name",
        ) from error
    return FakeServer(answers=book, errors=shares, busy_from_s=start, busy_until_s=until, **settings)


def _completion(body: Body, text: str, changes: Mapping[str, Any]) -> Body:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    prompt_tokens = sum(len(str(message.get("content")).split()) for message in body["messages"])
    is_cut = choice | dict(changes) == choice | {"finish_reason": "length"}
    answer_tokens = body.get("max_tokens", 0) if is_cut else len(text.split())
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
