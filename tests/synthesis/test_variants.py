"""Surplus variants go, whoever drew them; what is left is counted against the graph."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from goat_ray.graph.adjacency import SCOPED, build_graph, links
from goat_ray.places import Place
from goat_ray.records import (
    ApiFunction,
    Argument,
    CallPlan,
    ExecutedCall,
    Lineage,
    Parameter,
    PlanOrder,
    Reject,
    Sample,
)
from goat_ray.storage import KEPT, OUTCOME, Dataset, count_outcomes, write_records, write_tables
from goat_ray.synthesis.config import SamplingConfig
from goat_ray.synthesis.coverage import Coverage, evenness
from goat_ray.synthesis.orders import configured_mix, plan_orders
from goat_ray.synthesis.sampling import PlanSampler
from goat_ray.synthesis.variants import DUPLICATE, distinct_plans, surplus
from tests.world import World, edge_columns, make_samples, sample_plans

FILM = Parameter(name="film_id", location="path", type="integer", required=True)


@pytest.fixture(scope="module")
def plans(world: World) -> list[CallPlan]:
    config = SamplingConfig(plans=600, lengths={1: 2, 2: 1, 3: 1})
    return [plan for plan in sample_plans(world.functions, world.edges, config) if isinstance(plan, CallPlan)]


def dataset(folder: Path, plans: list[CallPlan]) -> Dataset[CallPlan]:
    write_records(folder, CallPlan, plans)
    return Dataset(folder, CallPlan, folder.name, len(plans), {})


def kept(tables: list[pa.Table]) -> list[int]:
    return sorted(
        n for table in tables for n in table.filter(pa.compute.equal(table[OUTCOME], KEPT))["seed"].to_pylist()
    )


def test_the_first_of_each_structure_stay_whatever_the_order_of_files(plans: list[CallPlan], tmp_path: Path) -> None:
    expected, seen = [], {}
    for plan in sorted(plans, key=lambda plan: plan.seed):
        seen[plan.structure] = seen.get(plan.structure, 0) + 1
        if seen[plan.structure] <= 3:
            expected.append(plan.seed)
    for name, some in (("a", plans), ("b", plans[::-1])):
        drawn = dataset(tmp_path / name, some)
        assert kept(list(distinct_plans(drawn, [], 3))) == expected
    assert 0 < len(expected) < len(plans)


def test_earlier_plans_count(plans: list[CallPlan], tmp_path: Path) -> None:
    earlier, later = dataset(tmp_path / "a", plans[:300]), dataset(tmp_path / "b", plans[300:])
    together = dataset(tmp_path / "c", plans)
    first = kept(list(distinct_plans(earlier, [], 2)))
    kept_first = dataset(tmp_path / "d", [plan for plan in plans if plan.seed in set(first)])
    assert first + kept(list(distinct_plans(later, [kept_first], 2))) == kept(list(distinct_plans(together, [], 2)))


def test_the_surplus_becomes_rejects(plans: list[CallPlan], tmp_path: Path) -> None:
    write_tables(tmp_path / "out", CallPlan, distinct_plans(dataset(tmp_path / "in", plans), [], 1))
    rows, rejects = count_outcomes(tmp_path / "out")
    assert rows == len({plan.structure for plan in plans})
    assert rejects == {DUPLICATE: len(plans) - rows}


def test_nothing_drawn_is_no_surplus() -> None:
    none = np.empty(0, np.uint64)
    assert not len(surplus(none, np.empty(0, np.int64), none, 1))


def test_coverage_counts_what_the_plans_use(world: World, plans: list[CallPlan], tmp_path: Path) -> None:
    graph = build_graph(world.functions, [edge_columns(world.edges)])
    facts: dict[str, int] = {}
    for _ in Coverage(graph, facts, wanted=3).count(distinct_plans(dataset(tmp_path, plans), [], 1000)):
        pass
    fed = Counter(
        (plan.calls[b.step].function, call.function, b.parameter, b.field)
        for plan in plans
        for call in plan.calls
        for b in call.bindings
        if b.step is not None
    )
    linked: Counter[tuple[str, ...]] = Counter()
    for edge, times in fed.items():
        linked[edge[:3]] += times
    called = Counter(call.function for plan in plans for call in plan.calls)
    assert facts["functions"] == len(world.functions)
    assert facts["functions used"] == len(called)
    rare = len(world.functions) - sum(times >= 3 for times in called.values())
    assert facts["functions used fewer than 3 times"] == rare > 0
    assert facts["links used fewer than 3 times"] == len(links(graph)) - sum(times >= 3 for times in linked.values())
    assert (facts["links used"], facts["links"]) == (len(linked), len(links(graph)))
    assert facts["pairs of functions used"] == len({link[:2] for link in linked})
    assert (facts["edges"], facts["edges used"]) == (len(graph.source), len(fed))
    assert facts["edges used fewer than 3 times"] == len(graph.source) - sum(times >= 3 for times in fed.values())
    assert facts["edges that no plan starts from"] == int((graph.kind[graph.slot] & SCOPED > 0).sum())
    for name in ("functions", "links", "pairs of functions", "edges"):
        assert 50 < facts[f"evenness of the {name}' use in percent"] <= 100


def test_coverage_counts_what_accepted_samples_use(world: World, tmp_path: Path) -> None:
    graph = build_graph(world.functions, [edge_columns(world.edges)])
    samples = make_samples(world, 60, recovery=0.5)
    rejected = [Reject(id="0" * 16, reason="near-duplicate")]
    write_records(tmp_path, Sample, [*samples, *rejected])
    facts: dict[str, int] = {}
    batches = Dataset(Place.of(tmp_path), Sample, "", 0, {}).batches(["id", "calls"])
    tables = (pa.table(batch).append_column(OUTCOME, pa.array([KEPT] * len(batch))) for batch in batches)
    assert sum(table.num_rows for table in Coverage(graph, facts).count(tables)) == len(samples)
    linked = {
        (sample.calls[a.step].function, call.function, a.parameter)
        for sample in samples
        for call in sample.calls
        for a in call.arguments
        if a.step is not None
    }
    assert facts["functions used"] == len({call.function for sample in samples for call in sample.calls})
    assert (facts["links used"], facts["pairs of functions used"]) == (len(linked), len({one[:2] for one in linked}))
    there = {(edge.source, edge.target, edge.parameter, edge.field) for edge in world.edges}
    fed = {
        (sample.calls[a.step].function, call.function, a.parameter, re.sub(r"\[\d+\]", "[*]", a.location))
        for sample in samples
        for call in sample.calls
        for a in call.arguments
        if call.corrected_by is None and a.step is not None
    }
    assert any(call.corrected_by for sample in samples for call in sample.calls)
    assert fed <= there and facts["edges used"] == len(fed)


@pytest.mark.parametrize("form", ["plain", "fan-out", "recovery"])
def test_a_call_of_the_plan_is_one_use_however_many_carry_it_out(form: str) -> None:
    """Fan-outs and corrected mistakes would else count as cover, and what they use as used unevenly."""
    films, film = (
        ApiFunction.create(service="s", name=name, parameters=has) for name, has in (("films", []), ("film", [FILM]))
    )
    columns = {"source": films.id, "field": "$[*].id", "target": film.id, "parameter": "film_id"}
    graph = build_graph([films, film], [pa.RecordBatch.from_pydict({key: [value] for key, value in columns.items()})])

    def call(item: int, member: str = "id", **kwargs: Any) -> ExecutedCall:
        told = Argument(parameter="film_id", value=item, provenance="upstream", step=0, location=f"$[{item}].{member}")
        return ExecutedCall(function=film.id, arguments=[told], body={}, origin="real", planned=1, **kwargs)

    first = ExecutedCall(function=films.id, arguments=[], status=200, body=[], origin="real")
    others = {
        "plain": [call(0, status=200)],
        "fan-out": [call(item, status=200) for item in range(3)],
        "recovery": [call(0, "name", status=404, corrected_by=2), call(0, status=200)],
    }
    lineage = Lineage(teacher="", prompts="", fingerprint="", seed=0)
    told = {"query": "", "subqueries": [], "calls": [first, *others[form]], "response": "", "lineage": lineage}
    rows = [Sample(id=id_ * 16, **told).to_row() for id_ in "ab"]
    coverage = Coverage(graph, {})
    coverage.add(pa.Table.from_pylist(rows, Sample.arrow_schema())["calls"].combine_chunks())
    assert coverage.functions.times.tolist() == [2, 2]
    for uses in (coverage.pairs, coverage.links, coverage.edges):
        assert uses.times.tolist() == [2]


def test_edges_that_are_used_too_little_are_lacking(world: World, tmp_path: Path) -> None:
    graph = build_graph(world.functions, [edge_columns(world.edges)])
    drawn = sample_plans(world.functions, world.edges, SamplingConfig(plans=200))
    some = [plan for plan in drawn if isinstance(plan, CallPlan)]
    coverage = Coverage(graph, {}, wanted=2)
    for batch in dataset(tmp_path, some).batches(["calls"]):
        coverage.add(batch["calls"])
    used = Counter(
        (plan.calls[b.step].function, call.function, b.parameter, b.field)
        for plan in some
        for call in plan.calls
        for b in call.bindings
        if b.step is not None
    )
    lacking = Counter(coverage.lacking().edges.tolist())
    del lacking[-1]
    ids, names, paths = graph.ids.to_pylist(), graph.names.to_pylist(), graph.paths.to_pylist()
    for number, (source, slot, field) in enumerate(zip(graph.source, graph.slot, graph.field, strict=True)):
        edge = (ids[source], ids[graph.owner[slot]], names[graph.name[slot]], paths[field])
        assert lacking[number] == (0 if graph.kind[slot] & SCOPED else max(0, 2 - used[edge]))


def test_what_failed_at_first_is_started_from_again(world: World, tmp_path: Path) -> None:
    """A function's first plans fail, as many as it was to have; those of the next ranges of orders do not."""
    config = SamplingConfig(lengths={1: 1, 2: 1, 3: 1}, coverage=3)
    sampler = PlanSampler(build_graph(world.functions, [edge_columns(world.edges)]), config)
    graph, mix = sampler.graph, configured_mix(config)
    number = int(np.flatnonzero(graph.cost == 2)[0])
    failing = graph.ids[number].as_py()
    coverage = Coverage(graph, {}, wanted=3)
    for first in (0, 400, 800):
        lacking = coverage.lacking() if first else None
        tables = plan_orders(graph, mix, config, first, 400, lacking=lacking)
        drawn = [sampler.draw(PlanOrder.from_row(row)) for table in tables for row in table.to_pylist()]
        plans = [plan for plan in drawn if plan and (first or failing not in {call.function for call in plan.calls})]
        for batch in dataset(tmp_path / str(first), plans).batches(["calls"]):
            coverage.add(batch["calls"])
        lacks = coverage.lacking()
        left = lacks.functions[lacks.edges < 0].tolist()
        assert left.count(number) == (0 if first else 3)


def test_evenness() -> None:
    assert evenness(np.array([3, 3, 3]), 3) == pytest.approx(1.0)
    assert evenness(np.array([9]), 3) == 0.0
    assert evenness(np.array([1]), 1) == 1.0
