"""Plans are connected, ordered, fully bound, of the ordered length and shape, and independent of each other."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goat_ray.graph.adjacency import NEEDED, OUT_OF_REACH, SCOPED, CallGraph, build_graph, links
from goat_ray.records import ApiFunction, Binding, CallPlan, Edge, OutputField, Parameter, PlannedCall, PlanOrder
from goat_ray.storage import FunctionStore
from goat_ray.synthesis.config import SamplingConfig
from goat_ray.synthesis.orders import Cell, configured_mix, plan_orders
from goat_ray.synthesis.sampling import DrawPlans, PlanSampler
from goat_ray.synthesis.shapes import LONGEST, SHAPES, SHORTEST, shape_of
from tests.synthesis.made_up import needs, worlds
from tests.world import World, edge_columns, sample_plans

CONFIG = SamplingConfig(plans=400, lengths=dict.fromkeys(range(1, LONGEST + 1), 1))


@pytest.fixture(scope="module")
def graph(world: World) -> CallGraph:
    return build_graph(world.functions, [edge_columns(world.edges)])


@pytest.fixture(scope="module")
def plans(world: World) -> list[CallPlan]:
    return kept(world.functions, world.edges, CONFIG)


def kept(functions, edges, config: SamplingConfig) -> list[CallPlan]:
    return [plan for plan in sample_plans(functions, edges, config) if isinstance(plan, CallPlan)]


def orders(graph: CallGraph, config: SamplingConfig, first: int, count: int, mix=None) -> list[PlanOrder]:
    mix = PlanSampler(graph, config).possible(configured_mix(config)) if mix is None else mix
    tables = plan_orders(graph, mix, config, first, count)
    return [PlanOrder.from_row(row) for table in tables for row in table.to_pylist()]


def test_lengths_and_shapes_are_as_ordered(graph: CallGraph, plans: list[CallPlan]) -> None:
    assert len(plans) > 0.9 * CONFIG.plans
    wanted = {order.number: order for order in orders(graph, CONFIG, 0, CONFIG.plans)}
    assert {len(plan.calls) for plan in plans} == set(range(1, LONGEST + 1))
    assert {plan.shape for plan in plans} == set(SHAPES)
    for plan in plans:
        assert (len(plan.calls), plan.shape) == (wanted[plan.seed].length, wanted[plan.seed].shape)
        assert shape_of(plan) == plan.shape


def dependencies(plan: CallPlan) -> "nx.DiGraph[int]":
    found: nx.DiGraph[int] = nx.DiGraph()
    found.add_nodes_from(range(len(plan.calls)))
    found.add_edges_from((b.step, n) for n, call in enumerate(plan.calls) for b in call.bindings if b.step is not None)
    return found


def test_plans_are_connected_and_in_topological_order(plans: list[CallPlan]) -> None:
    for plan in plans:
        found = dependencies(plan)
        assert all(source < target for source, target in found.edges)
        assert nx.is_weakly_connected(found)


def paths_meet(found: "nx.DiGraph[int]") -> bool:
    """Whether two different paths lead from one call to another."""
    return any(
        sum(1 for _ in nx.all_simple_paths(found, one, other)) > 1 for one in found for other in found if one != other
    )


NETWORKX: dict[str, Callable[["nx.DiGraph[int]"], bool]] = {
    "single": lambda found: len(found) == 1,
    "chain": lambda found: sorted(nx.degree(nx.Graph(found), n) for n in found)[-1] <= 2 and in_degree(found) <= 1,
    "parallel": lambda found: in_degree(found) <= 1 and [n for n in found if found.out_degree(n) > 1] == roots(found),
    "tree": lambda found: (
        in_degree(found) <= 1 and any(found.out_degree(n) > 1 for n in found if n not in roots(found))
    ),
    "join": lambda found: in_degree(found) > 1 and not paths_meet(found),
    "diamond": paths_meet,
}


def in_degree(found: "nx.DiGraph[int]") -> int:
    return max(found.in_degree(n) for n in found)


def roots(found: "nx.DiGraph[int]") -> list[int]:
    return [n for n in found if not found.in_degree(n)]


def test_shapes_mean_what_a_graph_library_says(plans: list[CallPlan]) -> None:
    for plan in plans:
        assert NETWORKX[plan.shape](dependencies(plan)), plan


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


def test_functions_that_change_something_feed_no_other(world: World, plans: list[CallPlan]) -> None:
    for plan in plans:
        feeding = {binding.step for call in plan.calls for binding in call.bindings if binding.step is not None}
        assert not {world.functions[plan.calls[step].function].method for step in feeding} & {"PUT", "PATCH", "DELETE"}


def test_the_order_of_functions_and_edges_makes_no_difference(world: World, plans: list[CallPlan]) -> None:
    assert kept(list(world.functions)[::-1], world.edges[::-1], CONFIG) == plans


def test_a_plan_depends_on_its_order_alone(graph: CallGraph, plans: list[CallPlan]) -> None:
    step = DrawPlans(Path(), "", CONFIG)
    step.sampler = PlanSampler(graph, CONFIG)
    by_number = {plan.seed: plan for plan in plans}
    some = orders(graph, CONFIG, 120, 40)
    drawn = [plan for order in some[::-1] for plan in step.process([order]) if isinstance(plan, CallPlan)]
    assert {plan.seed: plan for plan in drawn} == {n: by_number[n] for n in range(120, 160) if n in by_number}


def test_a_saved_graph_gives_the_same_plans(world: World, graph: CallGraph, tmp_path: Path) -> None:
    graph.save(tmp_path)
    mapped = PlanSampler(CallGraph.open(tmp_path), CONFIG)
    some = orders(graph, CONFIG, 0, 50)
    assert [mapped.draw(order) for order in some] == [PlanSampler(graph, CONFIG).draw(order) for order in some]


def test_orders_of_any_stretch_have_the_mix(graph: CallGraph) -> None:
    mix = configured_mix(CONFIG)
    for first in (0, 777):
        found = Counter((order.length, order.shape) for order in orders(graph, CONFIG, first, 1000, mix))
        for cell, weight in mix.items():
            assert abs(found[cell.length, cell.shape] - 1000 * weight / sum(mix.values())) < 6


def test_ranges_add_up(graph: CallGraph) -> None:
    assert orders(graph, CONFIG, 0, 90) + orders(graph, CONFIG, 90, 110) == orders(graph, CONFIG, 0, 200)


def test_each_function_and_edge_is_started_from(graph: CallGraph) -> None:
    config = SamplingConfig(coverage=2, lengths={LONGEST: 1})  # long enough for all
    reachable = int((graph.cost <= LONGEST).sum())
    edges = np.flatnonzero(graph.kind[graph.slot] & SCOPED == 0).tolist()
    found = orders(graph, config, 0, 2 * (reachable + len(edges)))
    assert Counter(order.function for order in found[: 2 * reachable]) == dict.fromkeys(range(reachable), 2)
    started = [order.edge for order in found[2 * reachable :]]
    assert Counter(started) == dict.fromkeys(edges, 2)
    first = set(links(graph).tolist())
    of_links = sum(edge in first for edge in edges)
    assert set(started[: 2 * of_links]) <= first, "all links come before their further fields"


def test_coverage_is_shared_out_among_the_lengths(graph: CallGraph) -> None:
    """Once for all lengths together: what has many edges would otherwise be most of a small corpus."""
    config = SamplingConfig(coverage=2)
    found = orders(graph, config, 0, 6000)
    started = Counter(order.edge for order in found if order.edge >= 0)
    assert set(started.values()) == {2}
    assert len(started) > 0.9 * (graph.kind[graph.slot] & SCOPED == 0).sum(), "few need more than five calls"
    assert len({order.length for order in found if order.edge >= 0}) == 4


def test_what_all_leads_to_does_not_end_most_plans() -> None:
    """Each of ten lists leads to three functions of its own, and to a search that takes any of their ids."""

    def function(name: str, *parameters: str) -> ApiFunction:
        needs = [Parameter(name=one, location="path", type="string", required=True) for one in parameters[:1]]
        needs += [Parameter(name=one, location="query", type="string") for one in parameters[1:]]
        return ApiFunction.create(
            service="s", name=name, parameters=needs, outputs=[OutputField(path="$.id", type="string")]
        )

    told = {"field": "$.id", "carries": "", "wants": "", "similarity": 1, "reason": "", "teacher": ""}
    lists = [function(f"list{number}") for number in range(10)]
    own = [[function(f"own{number}.{one}", "own_id") for one in range(3)] for number in range(10)]
    search = function("search", "any_id", *(f"filter{number}" for number in range(9)))
    names = [parameter.name for parameter in search.parameters]
    edges = [
        Edge(id=f"{a.name}-{b.name}-{name}", source=a.id, target=b.id, parameter=name, **told)
        for number, a in enumerate(lists)
        for b, taken in [*((b, ["own_id"]) for b in own[number]), (search, names)]
        for name in taken
    ]
    functions = FunctionStore.of([*lists, *(one for some in own for one in some), search])
    config = SamplingConfig(coverage=0, lengths={2: 1})
    sampler = PlanSampler(build_graph(functions, [edge_columns(edges)]), config)
    starts = [sampler.graph.ids.to_pylist().index(a.id) for a in lists]
    drawn = [
        sampler.draw(PlanOrder(id="", number=n, length=2, shape="chain", service="", function=starts[n % 10], edge=-1))
        for n in range(1000)
    ]
    ends = Counter(plan.calls[-1].function for plan in drawn if plan is not None)
    assert ends.total() == 1000
    assert 50 < ends[search.id] < 150, "one of four that each list leads to, but ten times as many lead to it"


def test_a_further_field_of_a_link_is_used() -> None:
    """A source's fields feed one parameter; chance alone would not take each of so many in so few plans."""
    fields = [f"$.f{number:02d}" for number in range(60)]
    source = ApiFunction.create(
        service="s", name="source", outputs=[OutputField(path=path, type="string") for path in fields]
    )
    wants = Parameter(name="thing_id", location="query", type="string", required=True)
    target = ApiFunction.create(service="s", name="target", parameters=[wants])
    told = {"carries": "", "wants": "", "similarity": 1, "reason": "", "teacher": ""}
    edges = [
        Edge(id=path, source=source.id, field=path, target=target.id, parameter="thing_id", **told) for path in fields
    ]
    config = SamplingConfig(plans=130, lengths={2: 1}, shapes={"chain": 1}, coverage=2)
    found = kept(FunctionStore.of([source, target]), edges, config)
    used = Counter(b.field for plan in found for b in plan.calls[1].bindings)
    assert set(used) == set(fields) and min(used.values()) >= 2


def test_nearly_all_functions_and_edges_are_used(world: World, graph: CallGraph) -> None:
    plans = kept(world.functions, world.edges, SamplingConfig(plans=3000, coverage=1))
    used = {call.function for plan in plans for call in plan.calls}
    reachable = {id_ for id_, cost in zip(graph.ids.to_pylist(), graph.cost, strict=True) if cost <= 5}
    assert used == reachable
    fed = {
        (plan.calls[b.step].function, call.function, b.parameter, b.field)
        for plan in plans
        for call in plan.calls
        for b in call.bindings
        if b.step is not None
    }
    assert len(fed) > 0.8 * len(graph.source)  # some need more calls than there are here, or a rarer shape


def test_an_order_names_its_service(world: World, graph: CallGraph) -> None:
    service = graph.services[0].as_py()
    config = CONFIG.model_copy(update={"services": {service: 1.0}, "plans": 60})
    found = kept(world.functions, world.edges, config)
    assert found and {plan.service for plan in found} == {service}


def test_kinds_that_the_graph_lacks_leave_their_share_to_others(world: World, graph: CallGraph) -> None:
    sampler = PlanSampler(graph, CONFIG)
    mix = {Cell(1, "join"): 1.0, Cell(1, "single"): 1.0, Cell(2, "tree"): 1.0}
    assert sampler.possible(mix) == {Cell(1, "single"): 2.0}
    assert sampler.possible({Cell(2, "chain", "no such service"): 1.0}) == {}
    assert orders(graph, CONFIG, 0, 5, {Cell(2, "chain"): 0.0}) == []


def test_a_rare_kind_is_sought_again_for_later_orders(graph: CallGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    sampler, rare = PlanSampler(graph, CONFIG), {Cell(3, "join"): 1.0}
    monkeypatch.setattr(sampler, "_grow", lambda order, _random: order.number == -503)
    assert (sampler.possible(rare), sampler.possible(rare, 500)) == ({}, rare)


def test_plans_of_one_structure_have_their_own_ids_and_seeds(plans: list[CallPlan], world: World) -> None:
    many = kept(world.functions, world.edges, SamplingConfig(plans=500, lengths={1: 1}))
    assert len({plan.structure for plan in many}) < len(many) == len({plan.id for plan in many})
    for plan in plans:
        again = plan.model_copy(update={"seed": -1, "calls": []})
        assert again.structure == plan.structure


def test_a_structure_is_the_same_in_any_order_of_independent_calls(world: World) -> None:
    found: dict[str, set[str]] = {}
    for plan in kept(world.functions, world.edges, SamplingConfig(plans=2000, lengths={3: 1}, shapes={"parallel": 1})):
        key = sorted((c.function, sorted((b.parameter, b.field) for b in c.bindings)) for c in plan.calls)
        found.setdefault(str(key), set()).add(plan.structure)
    assert all(len(structures) == 1 for structures in found.values())


# --- made-up graphs ------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(worlds(), st.integers(0, 5))
def test_any_graph_gives_sound_plans(world: tuple[list[ApiFunction], list[Edge]], seed: int) -> None:
    functions, edges = world
    needed = needs(functions, edges)
    for plan in kept(functions, edges, SamplingConfig(plans=30, seed=seed, lengths={1: 1, 2: 1, 3: 1, 4: 1})):
        found = dependencies(plan)
        assert nx.is_directed_acyclic_graph(found) and nx.is_weakly_connected(found)
        assert NETWORKX[plan.shape](found) and len(plan.calls) >= SHORTEST[plan.shape]
        assert len({call.function for call in plan.calls}) == len(plan.calls)
        for call in plan.calls:
            for binding in call.bindings:
                assert binding.step is not None or (call.function, binding.parameter) not in needed


def test_costs_are_the_least_numbers_of_calls(graph: CallGraph) -> None:
    assert (np.diff(graph.cost.astype(int)) >= 0).all()
    assert set(graph.cost.tolist()) <= {*range(1, LONGEST), OUT_OF_REACH}
    for number in range(len(graph.ids)):
        if graph.cost[number] == 1:
            slots = range(graph.slots[number], graph.slots[number + 1])
            assert not any(graph.kind[slot] & NEEDED for slot in slots)


def test_a_shape_counts_what_carries_out_one_call_once() -> None:
    calls = [
        PlannedCall(function="a", bindings=[]),
        PlannedCall(function="b", bindings=[Binding(parameter="p", step=0, field="$.id")]),
        PlannedCall(function="c", bindings=[Binding(parameter="p", step=0, field="$.id")]),
    ]
    assert shape_of(CallPlan(id="", calls=calls, seed=0)) == "parallel"


def test_coverage_goes_on_where_earlier_orders_of_another_mix_have_ended(graph: CallGraph) -> None:
    """As in a corpus with quotas, whose rounds lean towards what is missing."""

    def starts(found):
        return [(order.function, order.edge) for order in found if order.length == 4]

    even = orders(graph, CONFIG, 0, 300)
    mix = PlanSampler(graph, CONFIG).possible(configured_mix(CONFIG))
    leaning = {cell: weight * (9 if cell.length == 4 else 1) for cell, weight in mix.items()}
    earlier = Counter((order.length, order.service) for order in even)
    tables = plan_orders(graph, leaning, CONFIG, 300, 200, earlier)
    more = [PlanOrder.from_row(row) for table in tables for row in table.to_pylist()]
    found = starts(even) + starts(more)
    assert len(starts(more)) > 3 * len(starts(even))
    assert found == starts(orders(graph, CONFIG, 0, 3000))[: len(found)]


@pytest.mark.parametrize("mix", [{Cell(6, "chain"): 1.0}, {Cell(2, "chain"): 1.0, Cell(6, "chain"): 1.0}])
def test_coverage_is_of_the_lengths_that_are_ordered(graph: CallGraph, mix: dict[Cell, float]) -> None:
    """Quotas may name other lengths than sampling, and the graph may lack some."""
    config = SamplingConfig(coverage=1)
    started = {order.edge for order in orders(graph, config, 0, 4000, mix)}
    assert len(started) > 0.9 * (graph.kind[graph.slot] & SCOPED == 0).sum()


def test_what_nothing_leads_to_or_from_is_covered_by_plans_of_one_call(world: World) -> None:
    alone = [ApiFunction.create(service="alone", name=f"f{number}") for number in range(40)]
    graph = build_graph([*world.functions, *alone], [edge_columns(world.edges)])
    found = Counter((order.function, order.length) for order in orders(graph, SamplingConfig(coverage=2), 0, 1000))
    for function, id_ in enumerate(graph.ids.to_pylist()):
        if id_ in {one.id for one in alone}:
            assert found[function, 1] >= 2
