"""Plans are connected, ordered, fully bound, seeded, and no longer than asked."""

import networkx as nx
import pytest

from goat_ray.records import CallPlan
from goat_ray.synthesis.config import SamplingConfig
from goat_ray.synthesis.sampling import PlanSampler, sample_plans
from tests.world import World

CONFIG = SamplingConfig(plans=300, lengths={1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1})


@pytest.fixture(scope="module")
def plans(world: World) -> list[CallPlan]:
    return [plan for plan in sample_plans(world.functions, world.edges, CONFIG) if isinstance(plan, CallPlan)]


def test_all_lengths_are_there(plans: list[CallPlan]) -> None:
    assert {len(plan.calls) for plan in plans} == {1, 2, 3, 4, 5, 6, 7}


def test_plans_are_connected_and_in_topological_order(plans: list[CallPlan]) -> None:
    for plan in plans:
        graph = nx.Graph()
        graph.add_nodes_from(range(len(plan.calls)))
        for number, call in enumerate(plan.calls):
            for binding in call.bindings:
                if binding.step is not None:
                    assert 0 <= binding.step < number
                    graph.add_edge(binding.step, number)
        assert nx.is_connected(graph)


def test_every_binding_is_an_edge_of_the_graph(world: World, plans: list[CallPlan]) -> None:
    edges = {(edge.source, edge.field, edge.target, edge.parameter) for edge in world.edges}
    for plan in plans:
        for call in plan.calls:
            for binding in call.bindings:
                if binding.step is not None:
                    source = plan.calls[binding.step].function
                    assert (source, binding.field, call.function, binding.parameter) in edges


def test_required_arguments_are_all_there_once(world: World, plans: list[CallPlan]) -> None:
    for plan in plans:
        for call in plan.calls:
            names = [binding.parameter for binding in call.bindings]
            assert len(names) == len(set(names))
            required = {p.name for p in world.functions[call.function].parameters if p.required}
            assert required <= set(names)


def test_the_same_seed_gives_the_same_plans(world: World, plans: list[CallPlan]) -> None:
    shuffled = list(reversed(world.edges))
    again = [plan for plan in sample_plans(world.functions, shuffled, CONFIG) if isinstance(plan, CallPlan)]
    assert again == plans


def test_plans_spread_over_the_functions(world: World, plans: list[CallPlan]) -> None:
    used = {call.function for plan in plans for call in plan.calls}
    reachable = set(PlanSampler(world.functions, world.edges, CONFIG).goals)
    assert len(used & reachable) >= 0.9 * len(reachable)
