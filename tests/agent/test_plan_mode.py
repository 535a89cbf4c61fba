"""Plan mode with a scripted endpoint: what becomes of good and of bad model output."""

from goat_ray.agent.events import Answered, Attempt, Called, Planned, Retrieved, Trouble
from goat_ray.executors.sandbox.config import FaultsConfig, SandboxConfig
from goat_ray.teacher.fake_server import FakeServer
from tests.agent.scripts import BY_NAME, BY_REFERENCE, PLAN, QUERY, book


def attempt(open_agent, answers, **settings) -> Attempt:
    with FakeServer(answers=answers) as server, open_agent(server, **settings) as agent:
        return agent.run([QUERY])[0]


def test_a_plan_is_executed_and_references_keep_where_their_value_stood(open_agent):
    made = attempt(open_agent, book())
    assert [type(event) for event in made.events] == [Retrieved, Planned, Called, Called, Answered]
    search, books = made.executed()
    assert (search.status, books.status) == (200, 200)
    assert search.arguments[0].provenance == "user"
    (author,) = books.arguments
    assert (author.provenance, author.step, author.location) == ("upstream", 0, "$.results[0].id")
    assert author.value == search.body["results"][0]["id"]
    assert (made.response, made.problems) == ("Two books.", [])
    assert made.answer.usage.requests == 4 and made.answer.usage.prompt_tokens > 100


def test_later_prompts_hold_earlier_results(open_agent):
    with FakeServer(answers=book()) as server, open_agent(server) as agent:
        agent.run([QUERY])
    plan, first, second, answer = (body["messages"][0]["content"] for body in server.requests)
    assert "listAuthorBooks" in plan and "Results:" not in first
    assert "1. searchAuthors" in second and "2. listAuthorBooks" in answer


def test_an_unknown_function_is_shown_to_the_model_once(open_agent):
    made = attempt(open_agent, book("searchAuthors\nflyToMoon", PLAN))
    trouble = next(event for event in made.events if isinstance(event, Trouble))
    assert (trouble.reason, trouble.detail, trouble.again) == ("unknown-function", "flyToMoon", True)
    assert len(made.executed()) == 2 and made.problems == []


def test_an_unknown_function_that_stays_is_a_problem_and_left_out(open_agent):
    made = attempt(open_agent, book("searchAuthors\nflyToMoon"))
    assert len(made.executed()) == 1
    assert made.problems == ["unknown-function: flyToMoon"]
    assert made.response == "Two books."


def test_functions_may_be_called_by_their_title(open_agent):
    made = attempt(open_agent, book("1. get /authors"))
    assert len(made.executed()) == 1 and made.problems == []


def test_malformed_arguments_are_repaired(open_agent):
    with FakeServer(answers=book(searchAuthors=["the author", BY_NAME])) as server, open_agent(server) as agent:
        (made,) = agent.run([QUERY])
    assert made.problems == [] and [call.status for call in made.executed()] == [200, 200]
    shown = server.requests[2]["messages"]
    assert [message["role"] for message in shown] == ["user", "assistant", "user"]
    assert shown[1]["content"] == "the author" and "no JSON object" in shown[2]["content"]


def test_arguments_that_stay_malformed_make_no_call(open_agent):
    made = attempt(open_agent, book(listAuthorBooks=["author 3"]))
    assert [call.status for call in made.executed()] == [200]
    assert [problem.split(":")[0] for problem in made.problems] == ["bad-arguments"]
    assert made.response == "Two books."


def test_a_failed_call_is_corrected(open_agent):
    made = attempt(open_agent, book(listAuthorBooks=['{"author_id": 999999}', BY_REFERENCE]))
    assert [call.status for call in made.executed()] == [200, 404, 200]
    assert [call.corrected_by for call in made.executed()] == [None, 2, None]
    assert [call.planned for call in made.executed()] == [0, 1, 1]
    assert made.problems == []


def test_what_was_refused_is_not_called_again(open_agent):
    made = attempt(open_agent, book(listAuthorBooks=['{"author_id": 999999}']))
    assert [call.status for call in made.executed()] == [200, 404]
    assert made.problems == ["call-failed: listAuthorBooks: the model insists on what was refused"]


def test_without_repairs_nothing_is_asked_twice(open_agent):
    made = attempt(open_agent, book("searchAuthors\nflyToMoon", searchAuthors=["?"]), repairs=0)
    assert made.problems[0] == "unknown-function: flyToMoon"
    assert made.problems[1].startswith("bad-arguments: searchAuthors")
    assert made.answer.usage.requests == 3


def test_plans_are_bounded(open_agent):
    made = attempt(open_agent, book("searchAuthors\n" * 50), max_calls=3)
    assert len(made.executed()) == 3
    assert made.problems == ["step-limit: more than 3 calls planned"]


def test_failed_calls_count_as_calls(open_agent):
    broken = SandboxConfig(faults=FaultsConfig(server_error=1))
    made = attempt(open_agent, book("searchAuthors\n" * 8), sandbox=broken, max_calls=3)
    assert [call.status for call in made.executed()] == [500] * 3
    limit = "step-limit: more than 3 calls wanted, failed ones included"
    failed = "call-failed: searchAuthors 500"
    assert made.problems == ["step-limit: more than 3 calls planned", failed, failed, limit]
    assert made.response == "Two books."


def test_as_many_calls_as_are_allowed_are_no_trouble(open_agent):
    assert attempt(open_agent, book(), max_calls=2).problems == []


def test_an_empty_plan_makes_no_calls(open_agent):
    made = attempt(open_agent, book("\n"))
    assert made.executed() == [] and made.response == "Two books."
