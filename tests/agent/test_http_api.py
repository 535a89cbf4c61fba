"""The agent's HTTP interface without a server: OpenAI's forms, streams, errors, traces and the token."""

import asyncio
import json

import httpx2
import pytest

from goat_ray.agent.config import ServerConfig
from goat_ray.agent.events import Answered
from goat_ray.agent.http_api import application, digest_of
from goat_ray.agent.http_errors import ApiError
from goat_ray.errors import ModelError
from goat_ray.teacher.fake_server import FakeServer
from tests.agent.scripts import QUERY, book

ASKED = {"model": "goat-agent", "messages": [{"role": "user", "content": QUERY}]}
JSON_HEADERS = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def agent_events(open_agent) -> list:
    """The events of a real episode."""
    with FakeServer(answers=book()) as server, open_agent(server) as agent:
        return agent.run([QUERY])[0].events


def send(stream, *requests, token="", **settings) -> list[httpx2.Response]:
    """Responses of one application to requests, each (method, path, options)."""
    app = application(stream, ServerConfig(**settings), digest_of(token) if token else "")

    async def responses() -> list[httpx2.Response]:
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://agent") as client:
            return [await client.request(method, path, **options) for method, path, options in requests]

    return asyncio.run(responses())


def replay(events):
    async def stream(query, answer_tokens):
        for event in events:
            yield event

    return stream


def fail(error, after=()):
    async def stream(query, answer_tokens):
        for event in after:
            yield event
        raise error
        yield

    return stream


def chat(**changes):
    return ("POST", "/v1/chat/completions", {"json": {**ASKED, **changes}})


def test_a_completion_has_answer_usage_and_trace(agent_events):
    completion, models, health = send(
        replay(agent_events), chat(temperature=0.3), ("GET", "/v1/models", {}), ("GET", "/health", {})
    )
    body = completion.json()
    assert body["object"] == "chat.completion"
    assert body["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "Two books."}, "finish_reason": "stop"}
    ]
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    assert models.json()["data"][0]["id"] == "goat-agent"
    assert health.json() == {"status": "ok"}


def test_a_trace_holds_the_events_and_old_ones_are_forgotten(agent_events):
    app = application(replay(agent_events), ServerConfig(traces=1))

    async def traces() -> list[httpx2.Response]:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://agent") as client:
            ids = [(await client.post("/v1/chat/completions", json=ASKED)).json()["goat_trace"]["id"] for _ in range(2)]
            return [await client.get(f"/trace/{one}") for one in ids]

    forgotten, kept = asyncio.run(traces())
    assert forgotten.status_code == 404 and forgotten.json()["error"]["code"] == "trace_not_found"
    assert kept.json()["query"] == QUERY
    assert kept.json()["events"] == [event.model_dump(mode="json") for event in agent_events]


def test_a_stream_tells_events_then_the_answer_then_what_it_cost(agent_events):
    (response,) = send(replay(agent_events), chat(stream=True, stream_options={"include_usage": True}))
    assert response.headers["content-type"].startswith("text/event-stream")
    *lines, done = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    *chunks, last, usage = map(json.loads, lines)
    assert done == "[DONE]"
    assert [chunk["goat_event"]["event"] for chunk in chunks] == [event.event for event in agent_events]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "Two books."
    assert last["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == [] and usage["usage"]["total_tokens"] > 0
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_without_an_answer_the_user_is_told_why(agent_events):
    ended = agent_events[-1].model_copy(update={"text": "", "problems": ["time-limit: 3 s are over"]})
    assert isinstance(ended, Answered)
    (response,) = send(replay([agent_events[0], ended]), chat())
    (choice,) = response.json()["choices"]
    assert choice["message"]["content"] == "There is no answer. time-limit: 3 s are over"
    assert choice["finish_reason"] == "length"
    assert response.json()["goat_trace"]["problems"] == ["time-limit: 3 s are over"]


def test_half_a_surrogate_pair_in_a_message_is_read_as_a_question_mark(agent_events):
    asked = []

    async def stream(query, answer_tokens):
        asked.append(query)
        for event in agent_events:
            yield event

    emoji = {"content": json.dumps({**ASKED, "messages": [{"role": "user", "content": "Books \ud83d"}]})}
    (completion,) = send(stream, ("POST", "/v1/chat/completions", {**emoji, "headers": JSON_HEADERS}))
    assert completion.status_code == 200 and asked == ["Books ?"]


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"model": "gpt-9"}, 404, "model"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "system", "content": "Be kind."}]}, 400, "messages"),
        ({"messages": [{"role": "user", "content": " "}]}, 400, "messages"),
        ({"messages": [{"role": "user", "content": "x" * 30_000}]}, 400, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, 400, "messages.0.role"),
        ({"tools": [{"type": "function"}]}, 400, "tools"),
        ({"n": 2}, 400, "n"),
        ({"max_tokens": 0}, 400, "max_tokens"),
    ],
)
def test_what_cannot_be_done_is_refused_in_openais_form(changes, status, param):
    (response,) = send(replay([]), chat(**changes))
    assert response.status_code == status
    error = response.json()["error"]
    assert error["param"] == param and error["type"] == "invalid_request_error" and error["message"]


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"{", 400), (b"[" * 100_000, 400), (b"x" * (2 << 20), 413), (b"null", 400), (b'{"model": "\\ud800"}', 400)],
)
def test_bodies_that_are_no_request_are_refused(content, status):
    (response,) = send(
        replay([]),
        ("POST", "/v1/chat/completions", {"content": content, "headers": JSON_HEADERS}),
    )
    assert response.status_code == status
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_other_paths_and_methods_are_refused_in_openais_form():
    unknown, method = send(replay([]), ("GET", "/v1/embeddings", {}), ("GET", "/v1/chat/completions", {}))
    assert (unknown.status_code, method.status_code) == (404, 405)
    assert unknown.json()["error"]["message"] == "GET /v1/embeddings: Not Found"


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (ApiError(429, "Too many.", code="overloaded"), 429, "rate_limit_error"),
        (ModelError("http://10.0.0.7 is down", remedy="Start it"), 503, "server_error"),
        (KeyError("secret"), 500, "server_error"),
    ],
)
def test_errors_inside_have_a_status_and_keep_their_secrets(agent_events, error, status, kind):
    plain, refused, broken = (
        *send(fail(error), chat(), chat(stream=True)),
        *send(fail(error, agent_events[:1]), chat(stream=True)),
    )
    assert plain.status_code == refused.status_code == status
    *_, last = [line for line in broken.text.split("\n\n") if line]
    told = json.loads(last.removeprefix("data: "))
    assert broken.status_code == 200 and told == plain.json()
    assert told["error"]["type"] == kind
    assert "10.0.0.7" not in plain.text + broken.text and "secret" not in plain.text + broken.text


def test_the_token_is_asked_for_everywhere_but_for_health(agent_events):
    right, wrong = ({"headers": {"authorization": f"Bearer {token}"}} for token in ("s3cret-token", "guess"))
    paths = ("/v1/models", "/trace/x", "/health")
    stream = replay(agent_events)
    without = send(stream, *(("GET", path, {}) for path in paths), token="s3cret-token")
    assert [response.status_code for response in without] == [401, 401, 200]
    assert without[0].json()["error"]["code"] == "invalid_api_key"
    assert [r.status_code for r in send(stream, ("GET", "/v1/models", wrong), token="s3cret-token")] == [401]
    allowed = send(
        stream, ("GET", "/v1/models", right), ("POST", chat()[1], {**chat()[2], **right}), token="s3cret-token"
    )
    assert [response.status_code for response in allowed] == [200, 200]


def test_whoever_can_be_reached_by_others_needs_a_token():
    with pytest.raises(ValueError, match="token_env"):
        ServerConfig(host="0.0.0.0")
    assert ServerConfig(host="0.0.0.0", token_env="MY_TOKEN").token_env == "MY_TOKEN"
    assert ServerConfig(host="::1").token_env is None
