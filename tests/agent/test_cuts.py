"""What a limit of tokens has cut is never passed off as complete."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from goat_ray.agent.completions import Trace, completion
from goat_ray.agent.events import Attempt, Trouble
from goat_ray.teacher.fake_server import FakeServer
from tests.agent.scripts import BOOKS, BY_NAME, FORCED, PLAN, QUERY, REPLY, SEARCH, book, turns


@dataclass
class Cutting(FakeServer):
    """Says of some of its answers that the limit of tokens has cut them."""

    cuts: Callable[[str], bool] = lambda text: False  # by the answer

    def respond(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        status, reply = super().respond(body)
        (choice,) = reply["choices"]
        if self.cuts(choice["message"]["content"]):
            choice["finish_reason"] = "length"
            reply["usage"]["completion_tokens"] = body["max_tokens"]
        return status, reply


def attempt(open_agent, answers, *cut: str, **settings) -> Attempt:
    with Cutting(answers=answers, cuts=lambda text: text in cut) as server, open_agent(server, **settings) as agent:
        return agent.run([QUERY])[0]


def finish_reason(made: Attempt) -> str:
    return completion(Trace(id="t", created=0, query=QUERY, events=made.events), "m")["choices"][0]["finish_reason"]


def troubles(made: Attempt) -> list[tuple[str, str, bool]]:
    return [(event.reason, event.detail, event.again) for event in made.events if isinstance(event, Trouble)]


def test_an_answer(open_agent):
    made = attempt(open_agent, book(), "Two books.")
    assert made.problems == ["token-limit: the answer was cut at 160 tokens"] and made.response == "Two books."
    assert finish_reason(made) == "length"
    assert finish_reason(attempt(open_agent, book())) == "stop"


def test_a_plan(open_agent):
    made = attempt(open_agent, book("searchAuthors"), "searchAuthors")
    assert made.problems == ["token-limit: the plan was cut at 128 tokens"] and len(made.executed()) == 1


def test_a_plan_that_ends_within_a_name_is_asked_for_again(open_agent):
    answers = book("searchAuthors\nlistAuth", PLAN)
    with Cutting(answers=answers, cuts=lambda text: text.endswith("listAuth")) as server, open_agent(server) as agent:
        (made,) = agent.run([QUERY])
    assert troubles(made) == [
        ("unknown-function", "listAuth", True),
        ("token-limit", "the plan was cut at 128 tokens", True),
    ]
    assert "the plan was cut at 128 tokens" in server.requests[1]["messages"][-1]["content"]
    assert made.problems == [] and len(made.executed()) == 2


def test_arguments(open_agent):
    half = BY_NAME[:12]
    made = attempt(open_agent, book(searchAuthors=[half]), half, repairs=0)
    assert [problem.split(":")[0] for problem in made.problems] == ["bad-arguments", "token-limit", "bad-arguments"]
    assert "token-limit: the JSON was cut at 128 tokens" in made.problems


def test_whole_arguments_before_words_that_were_cut_are_no_trouble(open_agent):
    made = attempt(open_agent, book(searchAuthors=[f"{BY_NAME} and"]), f"{BY_NAME} and")
    assert troubles(made) == []


@pytest.mark.parametrize("mode", ["react", "chat"])
def test_a_turn_that_answers(open_agent, mode):
    made = attempt(open_agent, turns(REPLY), REPLY, mode=mode)
    assert made.problems == ["token-limit: the answer was cut at 256 tokens"]
    assert "She wrote two books." in made.response and finish_reason(made) == "length"


def test_a_turn_that_acts(open_agent):
    half = SEARCH[:-6]
    made = attempt(open_agent, turns(half, SEARCH, BOOKS, REPLY), half, mode="react")
    assert [reason for reason, _, _ in troubles(made)] == ["bad-arguments", "token-limit"]
    assert made.problems == [] and len(made.executed()) == 2
    stubborn = attempt(open_agent, turns(half), half, mode="react")
    assert stubborn.problems[-1] == "token-limit: the turn was cut at 256 tokens"


def test_what_a_turn_goes_on_to_imagine_may_be_cut(open_agent):
    dreams = f"{SEARCH}\nObservation: call", f"{REPLY}\nThought: And"
    assert troubles(attempt(open_agent, turns(*dreams), *dreams, mode="react")) == []


@pytest.mark.parametrize("mode", ["react", "chat"])
def test_an_answer_that_a_model_was_asked_for(open_agent, mode):
    said = iter(["", FORCED])
    made = attempt(open_agent, lambda body: next(said), FORCED, mode=mode, repairs=0)
    assert made.problems[-1] == "token-limit: the answer was cut at 160 tokens"
