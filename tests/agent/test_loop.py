"""The agent's limits, its stream of events, and many queries at once, with a scripted endpoint."""

import asyncio

import pytest

from goat_ray.agent.events import Answered, Called, Retrieved
from goat_ray.errors import ModelError
from goat_ray.teacher.fake_server import FakeServer
from tests.agent.scripts import CALL, FORCED, QUERY, SEARCH, book, turns


@pytest.mark.parametrize("mode", ["plan", "react"])
def test_a_slow_query_is_stopped_at_its_time_limit(open_agent, mode):
    with FakeServer(latency_s=30) as server, open_agent(server, mode=mode, timeout_s=0.3) as agent:
        (made,) = agent.run([QUERY])
    assert made.problems == ["time-limit: 0.3 s are over"]
    assert made.answer.told == "There is no answer. time-limit: 0.3 s are over"
    assert 0.3 <= made.answer.seconds < 30


def test_a_query_is_stopped_when_its_tokens_are_spent(open_agent):
    with FakeServer(answers=book()) as server, open_agent(server, max_tokens=60) as agent:
        (made,) = agent.run([QUERY])
    assert made.problems[0].startswith("token-limit: ") and made.response == ""
    assert made.executed() and made.answer.usage.requests < 4


def test_a_prompt_beyond_the_context_ends_one_query_only(open_agent):
    with FakeServer(answers=book(), context=80) as server, open_agent(server) as agent:
        long, short = agent.run([QUERY + " please" * 80, QUERY])
    assert [problem.split(":")[0] for problem in long.problems] == ["model-too-long"] and long.executed() == []
    assert short.response == "Two books."


@pytest.mark.parametrize(("mode", "turn"), [("react", SEARCH), ("chat", CALL)])
def test_a_chat_that_outgrows_the_context_is_answered_with_what_there_is(open_agent, mode, turn):
    rambling = turn.replace("author.", "author. " + "Or not? " * 100)
    with FakeServer(answers=turns(rambling), context=600) as server, open_agent(server, mode=mode) as agent:
        (made,) = agent.run([QUERY])
    assert made.executed()
    assert [problem.split(":")[0] for problem in made.problems] == ["model-too-long"]
    assert made.response == FORCED


def test_a_correction_beyond_the_context_is_left_out(open_agent):
    rambling = "flyToMoon " + "and back " * 60
    with FakeServer(answers=book(f"searchAuthors\n{rambling}"), context=100) as server, open_agent(server) as agent:
        (made,) = agent.run([QUERY])
    assert len(made.executed()) == 1 and made.response == "Two books."
    assert [problem.split(":")[0] for problem in made.problems] == ["model-too-long"]


def test_a_refused_key_ends_all(open_agent):
    with FakeServer(errors={401: 1.0}) as server, open_agent(server) as agent:
        with pytest.raises(ModelError, match="refuses the key"):
            agent.run([QUERY] * 3)


def test_texts_that_could_not_be_written_are_made_writable(open_agent):
    with FakeServer(answers=book("\ud800")) as server, open_agent(server) as agent:
        (made,) = agent.run([QUERY])
    assert made.problems == ["unknown-function: ?"]


def test_what_an_endpoint_says_is_made_writable(open_agent):
    class Garbled(FakeServer):
        def respond(self, body):
            return 400, {"error": {"message": "\ud800 is too long", "code": "context_length_exceeded"}}

    with Garbled() as server, open_agent(server) as agent:
        (made,) = agent.run([QUERY])
    assert made.problems[0].startswith("model-too-long: ") and made.problems[0].isprintable()


def test_a_query_that_could_not_be_written_is_made_writable(open_agent):
    with FakeServer(answers=book()) as server, open_agent(server) as agent:
        (made,) = agent.run([f"{QUERY} \udcff"])
    assert made.query == f"{QUERY} ?" and made.response == "Two books."


def test_events_come_as_they_happen(open_agent):
    async def first_events(agent) -> list[type]:
        kinds = []
        async for event in agent.stream(QUERY):
            kinds.append(type(event))
            if isinstance(event, Called):
                assert server.count == 2, "the next request is not made yet"
                break
        return kinds

    with FakeServer(answers=book(), latency_s=0.1) as server, open_agent(server) as agent:
        kinds = agent.executor.run(first_events(agent))
    assert kinds[0] is Retrieved and kinds[-1] is Called


def test_whoever_stops_listening_stops_the_query(open_agent):
    async def leave(agent) -> None:
        stream = agent.stream(QUERY)
        await anext(stream)
        await stream.aclose()
        await asyncio.sleep(0.3)

    with FakeServer(answers=book(), latency_s=0.05) as server, open_agent(server) as agent:
        agent.executor.run(leave(agent))
        assert server.count <= 1


def test_many_queries_are_under_way_together(open_agent):
    with FakeServer(answers=book(), latency_s=0.1) as server, open_agent(server) as agent:
        attempts = agent.run([QUERY] * 20)
    assert all(isinstance(attempt.events[-1], Answered) and not attempt.problems for attempt in attempts)
    assert server.most_in_flight == 20


def test_an_answer_may_be_bounded_for_one_query(open_agent):
    with FakeServer(answers=book()) as server, open_agent(server) as agent:
        agent.executor.run(agent.attempt(QUERY, answer_tokens=7))
        agent.executor.run(agent.attempt(QUERY, answer_tokens=10**6))
    bounds = [body["max_tokens"] for body in server.requests if body["messages"][0]["content"].endswith("Answer:")]
    assert bounds == [7, agent.config.answer_tokens]


@pytest.mark.parametrize("mode", ["react", "chat"])
def test_a_bound_holds_for_turns_as_any_of_them_may_be_the_answer(open_agent, mode):
    with FakeServer(answers=turns("Answer: Two.")) as server, open_agent(server, mode=mode) as agent:
        agent.executor.run(agent.attempt(QUERY, answer_tokens=7))
        agent.executor.run(agent.attempt(QUERY, answer_tokens=10**6))
    assert [body["max_tokens"] for body in server.requests] == [7, agent.config.turn_tokens]
