"""The openai backend over real HTTP, against the fake server that ships with the package."""

import asyncio
import logging
import pickle

import pytest

from goat_ray.errors import ConfigError, ModelError
from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.client import ENDPOINT_ERROR
from goat_ray.teacher.config import TeacherConfig
from goat_ray.teacher.fake_server import FakeServer
from goat_ray.teacher.openai import OpenAiClient
from goat_ray.teacher.task import Failure

from .tasks import JudgeFilm, Verdict

FILMS = [f"film {number}" for number in range(40)]
KEY = "sk-test-9f8e7d6c"


def settings(server, **changes):
    return TeacherConfig(backend="openai", model="fake", base_url=server.base_url, **changes)


@pytest.fixture
def quick_retries(monkeypatch):
    """Retries that do not wait; their schedule is not what is tested here."""
    monkeypatch.setattr("goat_ray.teacher.asking._FIRST_DELAY_S", 0.001)


def ask(config, films=FILMS):
    teacher = build_teacher(config)
    teacher.start()
    try:
        return teacher.answer(JudgeFilm(), films)
    finally:
        teacher.close()


def genre_of(body):
    number = int(body["messages"][-1]["content"].split()[-1])
    return {"accept": True, "genre": "comedy" if number % 2 else "drama"}


def test_answers_come_in_order():
    with FakeServer(answers=genre_of) as server:
        answers = ask(settings(server))
    assert [answer.genre for answer in answers] == ["drama", "comedy"] * 20
    assert len(server.requests) == len(FILMS)


def test_request_asks_for_structured_output():
    with FakeServer(answers={"Verdict": {"accept": False, "genre": "drama"}}) as server:
        assert ask(settings(server, temperature=0.2, max_tokens=77), ["Heat"]) == [Verdict(accept=False, genre="drama")]
    (body,) = server.requests
    form = body["response_format"]["json_schema"]
    assert body["response_format"]["type"] == "json_schema"
    assert form["name"] == "Verdict" and form["strict"] is True
    assert form["schema"]["required"] == ["accept", "genre"]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("fake", 0.2, 77)
    assert 0 <= body["seed"] < 2**31


def test_default_answers_follow_the_schema_and_repeat():
    with FakeServer() as server:
        first, second = ask(settings(server)), ask(settings(server))
    assert first == second
    assert all(isinstance(answer, Verdict) for answer in first)
    assert len(set(first)) > 1


def test_malformed_json_is_repaired():
    with FakeServer(malformed=5) as server:
        answers = ask(settings(server))
    assert all(isinstance(answer, Verdict) for answer in answers)
    assert len(server.requests) == len(FILMS) + 5


def test_errors_of_the_server_are_retried(quick_retries):
    with FakeServer(errors={500: 0.2, 429: 0.2}) as server:
        answers = ask(settings(server, max_retries=20))
    assert all(isinstance(answer, Verdict) for answer in answers)
    assert len(server.requests) > len(FILMS)


@pytest.mark.parametrize("status", [400, 422])
def test_refused_request_is_a_failure_at_once(status):
    with FakeServer(errors={status: 1.0}) as server:
        answers = ask(settings(server), FILMS[:3])
    assert [answer.reason for answer in answers] == ["endpoint-error"] * 3
    assert f"scripted {status}" in answers[0].detail
    assert len(server.requests) == 3


def test_one_bad_request_stops_nothing():
    with FakeServer(answers=lambda body: "no" if "film 1" in str(body["messages"][1]) else genre_of(body)) as server:
        answers = ask(settings(server), FILMS[:10])
    assert [isinstance(answer, Failure) for answer in answers] == [number == 1 for number in range(10)]
    assert answers[1].reason == "not-json"


@pytest.mark.parametrize(
    ("status", "told"), [(401, "GOAT_TEST_KEY"), (403, "GOAT_TEST_KEY"), (404, "teacher.model"), (307, "base_url")]
)
def test_wrong_key_or_model_ends_the_run(monkeypatch, status, told):
    monkeypatch.setenv("GOAT_TEST_KEY", KEY)
    with FakeServer(errors={status: 1.0}) as server, pytest.raises(ModelError, match=told) as caught:
        ask(settings(server, api_key_env="GOAT_TEST_KEY"))
    assert KEY not in str(caught.value)


def test_requests_overlap():
    with FakeServer(latency_s=0.1) as server:
        ask(settings(server, concurrency=10))
    assert server.most_in_flight == 10


def test_key_is_sent_and_never_shown(monkeypatch, caplog, quick_retries):
    monkeypatch.setenv("GOAT_TEST_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    with FakeServer(errors={500: 0.5}) as server:
        config = settings(server, api_key_env="GOAT_TEST_KEY")
        teacher = build_teacher(config)
        teacher.start()
        teacher.answer(JudgeFilm(), FILMS[:2])
        shown = repr(teacher) + str(teacher.__dict__) + repr(teacher._session._asker._client) + repr(config)
        frozen = pickle.dumps(teacher)
        teacher.close()
    assert server.keys == {f"Bearer {KEY}"}
    assert KEY not in shown
    assert KEY.encode() not in frozen
    assert KEY not in caplog.text


def test_server_that_repeats_the_key_does_not_leak_it(monkeypatch):
    monkeypatch.setenv("GOAT_TEST_KEY", KEY)
    with FakeServer(errors={400: 1.0}, error_message=f"Incorrect key {KEY}") as server:
        (answer,) = ask(settings(server, api_key_env="GOAT_TEST_KEY"), ["Heat"])
    assert answer == Failure("endpoint-error", answer.detail)
    assert "***" in answer.detail and KEY not in answer.detail


def test_key_of_another_service_is_not_sent(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FakeServer() as server:
        ask(settings(server), ["Heat"])
    assert KEY not in str(server.keys)


def test_missing_key_says_where_to_put_it(monkeypatch):
    monkeypatch.delenv("GOAT_TEST_KEY", raising=False)
    with FakeServer() as server, pytest.raises(ConfigError, match="Set GOAT_TEST_KEY"):
        ask(settings(server, api_key_env="GOAT_TEST_KEY"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"finish_reason": "length"}, "truncated"),
        ({"finish_reason": "content_filter"}, "refused"),
        ({"message": {"role": "assistant", "content": None, "refusal": "I cannot help"}}, "refused"),
        ({"message": {"role": "assistant", "content": None}}, "not-json"),
    ],
)
def test_incomplete_replies_are_failures(changes, reason):
    with FakeServer(choice=changes) as server:
        (answer,) = ask(settings(server), ["Heat"])
    assert answer.reason == reason


@pytest.mark.parametrize(
    "reply", [b"[" * 200_000, b'{"choices": [{"message": {}}], "usage": {"prompt_tokens": 1e999}}']
)
@pytest.mark.parametrize("status", [200, 500])
def test_a_reply_that_python_cannot_take_is_the_endpoints_error(reply, status):
    async def read():
        client = OpenAiClient(TeacherConfig(backend="openai", model="fake", base_url="http://127.0.0.1:1/v1"))
        try:
            return client._read(status, {}, reply, 100)
        finally:
            await client.close()

    assert asyncio.run(read()).reason == ENDPOINT_ERROR
