"""ReAct mode with a scripted endpoint: turns, observations, and what becomes of turns that go wrong."""

from goat_ray.agent.events import Answered, Attempt, Called, Retrieved, Thought, Trouble
from goat_ray.teacher.fake_server import FakeServer
from tests.agent.scripts import BOOKS, FORCED, QUERY, REPLY, SEARCH, turns


def attempt(open_agent, *said: str, **settings) -> Attempt:
    with FakeServer(answers=turns(*said)) as server, open_agent(server, mode="react", **settings) as agent:
        return agent.run([QUERY])[0]


def test_turns_act_and_observe_until_the_answer(open_agent):
    with FakeServer(answers=turns(SEARCH, BOOKS, REPLY)) as server, open_agent(server, mode="react") as agent:
        (made,) = agent.run([QUERY])
    kinds = [type(event) for event in made.events]
    assert kinds == [Retrieved, Thought, Called, Thought, Called, Thought, Answered]
    search, books = made.executed()
    assert books.values == {"author_id": search.body["results"][0]["id"]}
    assert (books.arguments[0].step, books.arguments[0].location) == (0, "$.results[0].id")
    assert (made.response, made.problems) == ("She wrote two books.", [])
    last = server.requests[-1]["messages"]
    assert [message["role"] for message in last] == ["user", "assistant", "user", "assistant", "user"]
    assert last[2]["content"].startswith("Observation: call 1, status 200: {")


def test_what_a_model_imagines_to_observe_is_not_believed(open_agent):
    dream = f"{SEARCH}\nObservation: call 1, status 200: nothing\nThought: So be it.\nAnswer: None."
    with FakeServer(answers=turns(dream, REPLY)) as server, open_agent(server, mode="react") as agent:
        (made,) = agent.run([QUERY])
    assert len(made.executed()) == 1 and made.response == "She wrote two books."
    assert server.requests[1]["messages"][1]["content"] == SEARCH


def test_unknown_functions_and_malformed_arguments_are_repaired(open_agent):
    moon = SEARCH.replace("searchAuthors", "flyToMoon")
    bad = SEARCH.replace("{", "(")
    made = attempt(open_agent, moon, SEARCH, bad, BOOKS, REPLY)
    troubles = [event.reason for event in made.events if isinstance(event, Trouble)]
    assert troubles == ["unknown-function", "bad-arguments"]
    assert len(made.executed()) == 2 and made.problems == []


def test_a_failed_call_is_corrected(open_agent):
    wrong = BOOKS.replace('"$1.results[0].id"', "999999")
    made = attempt(open_agent, SEARCH, wrong, BOOKS, REPLY)
    assert [call.status for call in made.executed()] == [200, 404, 200]
    assert [call.corrected_by for call in made.executed()] == [None, 2, None]
    assert made.problems == []


def test_a_model_that_does_not_learn_is_asked_to_answer_with_what_there_is(open_agent):
    made = attempt(open_agent, SEARCH, "I would rather not.")
    assert made.problems == ["bad-turn: I would rather not."]
    assert made.response == FORCED


def test_an_endless_loop_ends_at_the_step_limit(open_agent):
    made = attempt(open_agent, SEARCH, max_calls=4)
    assert len(made.executed()) == 4
    assert made.problems == ["step-limit: no answer after 4 turns"]
    assert made.response == FORCED


def test_the_last_turn_may_answer(open_agent):
    made = attempt(open_agent, SEARCH, BOOKS, REPLY, max_calls=2)
    assert made.problems == [] and made.response == "She wrote two books."
