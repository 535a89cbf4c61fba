"""Services that share names of functions: prompts tell them apart, plans and turns mean the right one."""

from pathlib import Path

import pytest

from goat_ray.agent import prompts
from goat_ray.agent.config import AgentConfig, PromptConfig
from goat_ray.agent.episode import Catalogue
from goat_ray.agent.events import Trouble
from goat_ray.records import ApiFunction, Example, Lineage, Parameter, Sample
from goat_ray.storage import write_records
from goat_ray.teacher.fake_server import FakeServer
from goat_ray.training.examples import ExamplesConfig, FormatExamples
from tests.agent.scripts import turns

QUERY = "Find a flight to Oslo, and a hotel there."


def function(service: str, name: str) -> ApiFunction:
    city = Parameter(name="city", location="query", type="string", required=True)
    return ApiFunction.create(service=service, name=name, summary=f"{name} of {service}", parameters=[city])


FLIGHTS, HOTELS, BOOK = function("flights", "Search"), function("hotels", "Search"), function("hotels", "Book a room")
FUNCTIONS = [FLIGHTS, HOTELS, BOOK]


def test_names_have_the_service_in_front_only_where_they_are_shared() -> None:
    assert list(prompts.shown_names(FUNCTIONS).values()) == ["flights_Search", "hotels_Search", "Book a room"]
    assert list(prompts.shown_names([BOOK, HOTELS, HOTELS]).values()) == ["Book a room", "Search"]
    listing = prompts.plan_prompt(QUERY, [BOOK, HOTELS], PromptConfig()).splitlines()[2:4]
    assert listing == ["- Book a room: Book a room of hotels", "- Search: Search of hotels"]


@pytest.mark.parametrize("name", ["hotels_Search", "HOTELS_search"])
def test_a_function_is_found_by_the_name_that_is_shown(name: str) -> None:
    catalogue = Catalogue(FUNCTIONS)
    assert catalogue.find(name, FUNCTIONS) == HOTELS
    assert catalogue.find("search", [BOOK, HOTELS]) == HOTELS
    assert catalogue.find("Search", FUNCTIONS) == FLIGHTS, "the nearest where the name alone does not tell"


def test_names_that_differ_in_case_alone_are_told_apart_by_it() -> None:
    lower = function("trains", "search")
    assert list(prompts.shown_names([FLIGHTS, lower]).values()) == ["Search", "search"]
    assert Catalogue([FLIGHTS, lower]).find("search", [FLIGHTS, lower]) == lower


def planner(body: dict) -> str:
    question = body["messages"][0]["content"]
    if question.endswith("one a line:"):
        return "flights_Search\nhotels_Search"
    return '{"city":"Oslo"}' if question.endswith("JSON:") else "Fly, and sleep."


def test_a_plan_is_followed_and_trained_with_the_same_names(open_agent, tmp_path: Path) -> None:
    with FakeServer(answers=planner) as server, open_agent(server, FUNCTIONS) as agent:
        (made,) = agent.run([QUERY])
    calls = made.executed()
    assert [call.function for call in calls] == [FLIGHTS.id, HOTELS.id] and made.problems == []

    sample = Sample(
        id="s",
        query=QUERY,
        subqueries=["a flight", "a hotel"],
        calls=calls,
        response=made.response,
        lineage=Lineage(teacher="rules", prompts="1", fingerprint="f", seed=0),
    )
    write_records(tmp_path, ApiFunction, FUNCTIONS)
    step = FormatExamples(str(tmp_path / "outcome=kept"), ExamplesConfig(), AgentConfig())
    step.start()
    plan, *others = [one for one in step.process([sample]) if isinstance(one, Example)]
    assert plan.target == "flights_Search\nhotels_Search"
    asked, *later = [body["messages"][0]["content"] for body in server.requests]
    assert sorted(plan.prompt.splitlines()) == sorted(asked.splitlines())  # candidates may be in another order
    assert [example.prompt for example in others] == later
    assert "1. flights_Search(" in later[1] and "API: hotels_Search:" in later[1]


def test_turns_name_them_as_they_are_shown(open_agent) -> None:
    names = "trains_Search", "hotels_Search", "flights_Search"
    said = [f'Thought: t\nAction: {name}\nAction Input: {{"city": "Oslo"}}' for name in names]
    with (
        FakeServer(answers=turns(*said, "Thought: t\nAnswer: Done.")) as server,
        open_agent(server, FUNCTIONS, mode="react") as agent,
    ):
        (made,) = agent.run([QUERY])
    assert [call.function for call in made.executed()] == [HOTELS.id, FLIGHTS.id]
    assert [event.detail for event in made.events if isinstance(event, Trouble)] == ["trains_Search"]
    told = server.requests[1]["messages"][-1]["content"]
    assert all(name in told for name in ("flights_Search", "hotels_Search", "Book a room"))
