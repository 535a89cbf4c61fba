"""The call graph: functions that only feed each other stay in it, as a user can give what starts them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from goat_ray.graph.adjacency import NEEDED, OUT_OF_REACH, CallGraph, build_graph
from goat_ray.records import ApiFunction, Edge, Parameter
from goat_ray.synthesis.config import SamplingConfig
from tests.synthesis.made_up import needs, worlds
from tests.world import edge_columns, sample_plans


def function(name: str, *parameters: str) -> ApiFunction:
    needed = [Parameter(name=one, location="path", type="string", required=True) for one in parameters]
    return ApiFunction.create(service="s", name=name, parameters=needed)


def edge(source: ApiFunction, target: ApiFunction, parameter: str = "username") -> Edge:
    told = {"carries": "", "wants": "", "similarity": 1, "reason": "", "teacher": ""}
    id_ = f"{source.id}{target.id}{parameter}"
    return Edge(id=id_, source=source.id, field="$.login", target=target.id, parameter=parameter, **told)


def needed(graph: CallGraph) -> set[tuple[str, str]]:
    return {
        (graph.ids[graph.owner[slot]].as_py(), graph.names[graph.name[slot]].as_py())
        for slot in np.flatnonzero(graph.kind & NEEDED).tolist()
    }


def costs(graph: CallGraph) -> dict[str, int]:
    return dict(zip(graph.ids.to_pylist(), graph.cost.tolist(), strict=True))


USER, REPOS, SEARCH = function("getUser", "username"), function("listRepos", "username"), function("search")


def test_one_more_edge_takes_no_function_away() -> None:
    """A user's repositories name their owner, so that each of the two functions gives what the other needs."""
    line, ring = [edge(USER, REPOS)], [edge(USER, REPOS), edge(REPOS, USER)]
    for edges in (line, ring):
        plans = sample_plans([USER, REPOS, SEARCH], edges, SamplingConfig(plans=200, lengths={1: 1, 2: 1}))
        used = {tuple(call.function for call in plan.calls) for plan in plans if hasattr(plan, "calls")}
        assert {(one.source, one.target) for one in edges} <= used
        assert {id_ for calls in used for id_ in calls} == {USER.id, REPOS.id, SEARCH.id}


def test_only_what_starts_a_circle_is_asked_of_the_user() -> None:
    """Whatever else the functions of the circle need, or what comes after them, other calls still give."""
    circle = [function("a", "x_id", "key_id"), function("b", "x_id"), function("c", "x_id")]
    after, again = function("after", "x_id"), function("again", "x_id", "y_id")
    keys, other = function("keys"), function("other", "y_id")
    edges = [edge(one, two, "x_id") for one, two in zip(circle, circle[1:] + circle[:1], strict=True)]
    edges += [edge(keys, circle[0], "key_id"), edge(circle[1], after, "x_id"), edge(after, again, "x_id")]
    edges += [edge(again, other, "y_id"), edge(other, again, "y_id")]  # a circle that needs the first one
    graph = build_graph([*circle, after, again, keys, other], [edge_columns(edges)])
    assert needed(graph) == {(circle[0].id, "key_id"), (after.id, "x_id"), (again.id, "x_id")}
    found = [costs(graph)[one.id] for one in (*circle, after, again, other)]
    assert found == [2, 1, 1, 2, 3, 1]


@settings(max_examples=150, deadline=None)
@given(worlds(), st.randoms())
def test_no_graph_has_functions_that_wait_for_each_other(
    world: tuple[list[ApiFunction], list[Edge]], any_order
) -> None:
    functions, edges = world
    graph = build_graph(functions, [edge_columns(edges)])
    assert needed(graph) == needs(functions, edges) or OUT_OF_REACH in graph.cost  # for more calls than are counted
    any_order.shuffle(functions)
    any_order.shuffle(edges)
    again = build_graph(functions, [edge_columns(edges)])
    assert costs(again) == costs(graph) and needed(again) == needed(graph)


def test_many_circles_are_opened_at_once() -> None:
    pairs = [(function(f"a{n}", "x_id"), function(f"b{n}", "x_id")) for n in range(2000)]
    edges = [edge(*ends, "x_id") for one, two in pairs for ends in ((one, two), (two, one))]
    graph = build_graph([one for pair in pairs for one in pair], [edge_columns(edges)])
    assert set(graph.cost.tolist()) == {1} and len(graph.source) == len(edges)
