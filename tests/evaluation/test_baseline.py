"""The plan of graph and retriever: lightest derivations, and the plan with the most evidence."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goat_ray.evaluation.baseline import GraphPlanner
from goat_ray.records import ApiFunction, Edge, Parameter


class Nearness:
    """Similarities as told, in place of a retriever's: what is tested is what is made of them."""

    def __init__(self, row: Sequence[float]) -> None:
        self.row = row

    def similarities(self, queries: Sequence[str]) -> np.ndarray:
        return np.array([self.row] * len(queries), dtype=np.float32)


def function(name: str, *needs: str) -> ApiFunction:
    parameters = [Parameter(name=need, location="path", type="integer", required=True) for need in needs]
    return ApiFunction.create(service="s", name=name, path=f"/{name}", parameters=parameters)


def edge(source: ApiFunction, target: ApiFunction, parameter: str) -> Edge:
    return Edge(
        id=f"{source.name}-{target.name}-{parameter}",
        source=source.id,
        field="$.id",
        target=target.id,
        parameter=parameter,
        carries="id",
        wants="id",
        similarity=1.0,
        reason="",
        teacher="",
    )


SEARCH, POPULAR = function("search"), function("popular")
CREDITS, PERSON = function("credits", "film_id"), function("person", "person_id", "film_id")
ALL = [SEARCH, POPULAR, CREDITS, PERSON]
EDGES = [
    edge(SEARCH, CREDITS, "film_id"),
    edge(POPULAR, CREDITS, "film_id"),
    edge(CREDITS, PERSON, "person_id"),
    edge(SEARCH, PERSON, "film_id"),
    edge(PERSON, CREDITS, "film_id"),  # a circle, which no derivation goes round
]


def planned(*similarities: float) -> list[str]:
    (plan,) = GraphPlanner(ALL, EDGES, Nearness(similarities), retrieved=2).plan(["q"])  # type: ignore[arg-type]
    return [one.name for one in plan]


@pytest.mark.parametrize(
    ("similarities", "plan"),
    [
        ((0.9, 0.1, 0.0, 0.0), ["search"]),
        ((0.5, 0.1, 0.6, 0.0), ["search", "credits"]),
        ((0.1, 0.5, 0.6, 0.0), ["popular", "credits"]),
        ((0.5, 0.0, 0.4, 0.7), ["search", "credits", "person"]),  # search feeds both, and is called once
        ((0.3, 0.5, 0.4, 0.7), ["search", "popular", "credits", "person"]),
    ],
)
def test_by_hand(similarities: tuple[float, ...], plan: list[str]) -> None:
    assert planned(*similarities) == plan


def test_what_nothing_can_feed_is_no_part_of_a_plan() -> None:
    circle = [edge(PERSON, CREDITS, "film_id"), edge(CREDITS, PERSON, "film_id"), edge(CREDITS, PERSON, "person_id")]
    planner = GraphPlanner([CREDITS, PERSON], circle, Nearness([0.9, 0.8]))  # type: ignore[arg-type]
    assert planner.plan(["q"]) == [[]]


@given(st.lists(st.floats(0.0, 1.0, width=32), min_size=4, max_size=4))
def test_plans_are_in_an_order_that_can_be_carried_out(similarities: list[float]) -> None:
    names = planned(*similarities)
    assert len(names) == len(set(names)) > 0
    feeders = {"credits": [{"search", "popular"}], "person": [{"credits"}, {"search"}]}
    for place, name in enumerate(names):
        for sources in feeders.get(name, []):
            assert sources & set(names[:place])
