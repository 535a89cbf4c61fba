"""What can go wrong between a teacher and its endpoint, over real HTTP: all finishes and nothing is lost."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest

from goat_ray.errors import ModelError
from goat_ray.identity import canonical_json
from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.config import TeacherConfig
from goat_ray.teacher.fake_server import FakeServer
from goat_ray.teacher.task import Failure

from .tasks import JudgeFilm, Verdict

FILMS = [f"film {number}" for number in range(200)]


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    monkeypatch.setattr("goat_ray.teacher.asking._FIRST_DELAY_S", 0.01)


def settings(server, **changes):
    return TeacherConfig(backend="openai", model="fake", base_url=server.base_url, **changes)


def ask(config, films=FILMS, cache=None):
    teacher = build_teacher(config, cache)
    teacher.start()
    try:
        return teacher.answer(JudgeFilm(), films)
    finally:
        teacher.close()


def are_verdicts(answers):
    return all(isinstance(answer, Verdict) for answer in answers)


def test_a_third_of_the_requests_fails():
    # Cut answers by number, not by share: a question whose two answers are both cut is rightly a failure, and which
    # question meets which fault depends on the order of arrival.
    with FakeServer(errors={500: 0.1, 502: 0.05, 503: 0.05}, dropped=0.1, malformed=4) as server:
        assert are_verdicts(ask(settings(server)))
    assert server.count > 1.3 * len(FILMS)


def test_ten_seconds_of_nothing_but_429():
    with FakeServer(busy_until_s=10.0) as server:
        assert are_verdicts(ask(settings(server, max_retries=0)))
    # Waiting together instead of hammering: 64 that wait, each on its own, would ask hundreds of times a second.
    assert server.count - len(FILMS) < 40 * 10


def test_every_fifth_request_refused_costs_no_record():
    with FakeServer(busy_every=5) as server:
        assert are_verdicts(ask(settings(server, max_retries=0), FILMS[:60]))


def test_a_proxys_pages_instead_of_answers_cost_no_record():
    class Proxy(FakeServer):
        def arrived(self, connection, body, key):
            self.count += 1
            if self.count % 3:
                return super().arrived(connection, body, key)
            page = b"<html>Please wait</html>"
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n" % len(page)
            return connection._transport.write(head + page)

    with Proxy() as server:
        assert are_verdicts(ask(settings(server), FILMS[:60]))


def test_answers_that_are_no_json_are_failures_not_exceptions():
    with FakeServer(malformed_share=1.0) as server:
        answers = ask(settings(server), FILMS[:20])
    assert {answer.reason for answer in answers} <= {"not-json", "invalid-answer"}
    assert server.count == 40  # each was shown its mistake once


@pytest.mark.parametrize("films", [FILMS[:30], FILMS[7:8]], ids=["among others", "alone"])
def test_a_request_that_kills_the_endpoint_each_time_is_a_failure(films):
    def answers(body):
        return {"accept": True, "genre": "drama"}

    class Picky(FakeServer):
        def respond(self, body):
            return (500, {"error": {"message": "boom"}}) if body["messages"][-1]["content"] == FILMS[7] else (
                super().respond(body)
            )  # fmt: skip

    with Picky(answers=answers) as server:
        found = ask(settings(server, max_retries=2, patience_s=30), films)
    assert [isinstance(answer, Failure) for answer in found] == [film == FILMS[7] for film in films]
    assert next(answer for answer in found if isinstance(answer, Failure)).reason == "endpoint-error"


def test_a_slow_answer_is_a_timeout_while_others_are_answered():
    class Stuck(FakeServer):
        def arrived(self, connection, body, key):
            if body["messages"][-1]["content"] != "stuck":
                super().arrived(connection, body, key)

    with Stuck() as server:
        stuck, fine = ask(settings(server, timeout_s=0.2, max_retries=1), ["stuck", "fine"])
    assert stuck.reason == "timeout"
    assert isinstance(fine, Verdict)


@pytest.mark.parametrize("fault", [{"errors": {500: 1.0}}, {"errors": {429: 1.0}}, {"dropped": 1.0}])
def test_an_endpoint_that_answers_nothing_stops_the_run(fault):
    with FakeServer(**fault) as server, pytest.raises(ModelError, match=r"answered nothing for 0\.5 s") as caught:
        ask(settings(server, patience_s=0.5, max_retries=1))
    assert "run the same command again" in str(caught.value)


@pytest.mark.parametrize("retry_s", [0.0, 0.04])
def test_an_endpoint_that_hangs_longer_than_patience_stops_the_run(monkeypatch, retry_s):
    monkeypatch.setattr("goat_ray.teacher.asking._FIRST_DELAY_S", retry_s)
    monkeypatch.setattr("goat_ray.teacher.asking._LONGEST_DELAY_S", retry_s)

    class Hanging(FakeServer):
        def arrived(self, connection, body, key):
            self.count += 1
            if self.count > 12:
                super().arrived(connection, body, key)

    with Hanging() as server, pytest.raises(ModelError, match=r"answered nothing for 0\.1 s"):
        ask(settings(server, timeout_s=0.2, patience_s=0.1, max_retries=1), FILMS[:2])


def test_an_endpoint_that_refuses_every_request_stops_the_run():
    with FakeServer(errors={400: 1.0}) as server, pytest.raises(ModelError, match="refused 50 requests in a row"):
        ask(settings(server))
    with FakeServer(errors={400: 0.5}) as server:
        answers = ask(settings(server))
    assert 50 < sum(isinstance(answer, Failure) for answer in answers) < 150


def test_nobody_listening_stops_the_run_and_a_rerun_asks_for_the_rest_only(tmp_path):
    with FakeServer() as server:
        first = ask(settings(server), FILMS[:50], tmp_path)
        config = settings(server, patience_s=0.5)
    with pytest.raises(ModelError, match="unreachable"):
        ask(config, FILMS, tmp_path)
    with FakeServer(port=int(config.base_url.split(":")[2].split("/")[0])) as again:
        answers = ask(config, FILMS, tmp_path)
    assert answers[:50] == first
    assert again.count == len(FILMS) - 50


def test_a_run_that_stops_keeps_what_was_answered_before(tmp_path):
    class Dying(FakeServer):
        def respond(self, body):
            return super().respond(body) if self.count < 60 else None

    with Dying() as server, pytest.raises(ModelError):
        ask(settings(server, patience_s=0.5, concurrency=20), FILMS, tmp_path)
    with FakeServer() as again:
        assert are_verdicts(ask(settings(again), FILMS, tmp_path))
    assert again.count == len(FILMS) - 60


def test_busy_endpoint_is_asked_for_less_at_once():
    class Small(FakeServer):
        def respond(self, body):
            return super().respond(body) if self._in_flight <= 4 else self._error(429)

    with Small(latency_s=0.01) as server:
        assert are_verdicts(ask(settings(server, concurrency=100)))
    # Blind retries at full concurrency would be refused nearly always.
    assert server.count < 8 * len(FILMS)


DRIVER = """
    import sys
    from pathlib import Path
    from goat_ray.teacher.build import build_teacher
    from goat_ray.teacher.config import TeacherConfig
    from tests.teacher.tasks import JudgeFilm
    url, cache = sys.argv[1:]
    teacher = build_teacher(TeacherConfig(backend="openai", model="fake", base_url=url, concurrency=8), Path(cache))
    films = [f"film {number}" for number in range(200)]
    teacher.answer(JudgeFilm(), films)
"""


def test_killed_driver_loses_no_answer_that_had_come(tmp_path):
    with FakeServer(latency_s=0.03) as server:
        driver = [sys.executable, "-c", textwrap.dedent(DRIVER), server.base_url, str(tmp_path)]
        root = str(Path(__file__).parents[2])
        first = subprocess.Popen(driver, cwd=root)
        while server.count < 90:
            assert first.poll() is None
            time.sleep(0.005)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert len(FILMS) - len(missing(tmp_path, server)) >= 75
        subprocess.run(driver, cwd=root, check=True, env=os.environ)
        asked = Counter(canonical_json(body["messages"]) for body in server.requests)
        before = server.count
        assert are_verdicts(ask(settings(server, concurrency=8), FILMS, tmp_path))
        assert server.count == before  # everything is there
    assert len(asked) == len(FILMS)
    assert sum(asked.values()) - len(FILMS) <= 16  # on their way, or being read


def missing(cache, server):
    """Films without a stored answer, found by asking a server that is not the one under test."""
    with FakeServer() as other:
        ask(settings(server).model_copy(update={"base_url": other.base_url}), FILMS, cache_copy(cache))
        return other.requests


def cache_copy(cache):
    import shutil

    copy = cache.with_name(cache.name + "-copy")
    shutil.copytree(cache, copy, ignore=shutil.ignore_patterns("*.tmp"))
    return copy
