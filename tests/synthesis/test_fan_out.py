"""Fan-outs: one call for each of some items, which differ in nothing else that they take."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from goat_ray.executors.executor import CallResult, Session
from goat_ray.records import ApiFunction, Binding, CallPlan, ExecutedCall, Parameter, PlannedCall
from goat_ray.synthesis.calling_config import CallingConfig
from goat_ray.synthesis.tracing import Free, Tracing, call_to_spread

PEOPLE = ApiFunction.create(service="films", name="people", path="/person/popular")
FILMS = ApiFunction.create(service="films", name="films", path="/movie/popular")
FOUND = ApiFunction.create(
    service="films",
    name="found",
    path="/discover/movie",
    parameters=[Parameter(name=f"with_{name}", location="query", type="integer") for name in ("people", "genres")],
)
BODIES = {
    PEOPLE.id: {"results": [{"id": 10 + n, "known_for": [{"id": 100 * n + m} for m in range(3)]} for n in range(4)]},
    FILMS.id: {"results": [{"id": 30 + n, "genre_ids": [1000 + 10 * n + m for m in range(3)]} for n in range(4)]},
    FOUND.id: {"results": []},
}
PERSON, KNOWN = (0, "$.results[*].id"), (0, "$.results[*].known_for[*].id")
FILM, GENRE = (1, "$.results[*].id"), (1, "$.results[*].genre_ids[*]")


class Films(Session):
    """Answers with ``BODIES``."""

    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        return CallResult(status=200, body=BODIES[function.id], origin="simulated")


def plan_of(name: str, people: tuple[int, str], genres: tuple[int, str]) -> CallPlan:
    """People and films, and what is found by values of theirs, each given as (call, field)."""
    taken = (("with_people", *people), ("with_genres", *genres))
    bindings = [Binding(parameter=parameter, step=step, field=field) for parameter, step, field in taken]
    calls = [PlannedCall(function=one.id, bindings=[]) for one in (PEOPLE, FILMS)]
    return CallPlan(id=name, calls=[*calls, PlannedCall(function=FOUND.id, bindings=bindings)], seed=0)


def fan_out(plan: CallPlan) -> Sequence[ExecutedCall]:
    config = CallingConfig(fan_out_share=1, fan_out=3)
    trace = asyncio.run(Tracing(plan, [PEOPLE, FILMS, FOUND], Free(), Films(), config).trace())
    return trace.calls[2:]


def places(calls: Sequence[ExecutedCall], parameter: str) -> list[tuple[str, str]]:
    return [(a.location, a.chosen) for call in calls for a in call.arguments if a.parameter == parameter]


@pytest.mark.parametrize("genres", [FILM, GENRE])
def test_all_calls_of_a_fan_out_take_the_same_item_from_the_other_list(genres: tuple[int, str]) -> None:
    others = set()
    for seed in range(40):
        calls = fan_out(plan_of(str(seed), PERSON, genres))
        assert places(calls, "with_people") == [(f"$.results[{n}].id", "each") for n in range(3)]
        (other,) = set(places(calls, "with_genres"))
        others.add(other)
    assert len(others) > 2, "and it need not be the first"


def test_a_list_is_not_spread_where_the_same_call_takes_from_lists_in_its_items() -> None:
    functions = [PEOPLE, FILMS, FOUND]
    assert call_to_spread(plan_of("a", PERSON, KNOWN), functions, 1) is None
    assert call_to_spread(plan_of("a", PERSON, GENRE), functions, 1) == 2
    assert len(fan_out(plan_of("a", PERSON, KNOWN))) == 1
