"""Orders are a function of what their dataset says it was made from, and ask for what the graph can give."""

import itertools
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from goat_ray.console import Console
from goat_ray.graph.adjacency import EDGE_COLUMNS, build_graph
from goat_ray.plans import PlanSource
from goat_ray.records import ApiFunction, Edge, Parameter, PlanOrder
from goat_ray.runner import Runner
from goat_ray.synthesis.config import SamplingConfig
from goat_ray.synthesis.orders import Cell, configured_mix, plan_orders
from tests.killing import prepare
from tests.world import World

NUMBER = "episode_number"


def test_a_reused_directory_gives_the_orders_that_a_new_one_would(world: World, tmp_path: Path) -> None:
    """Quotas may ask for the same mix whatever the lengths that sampling names, but homes are dealt out by those."""
    mix = {Cell(2, "chain"): 1.0, Cell(3, "chain"): 1.0}

    def orders(directory: Path, lengths: dict[int, float]) -> list[PlanOrder]:
        if not directory.exists():
            prepare(directory, world)
        runner = Runner(directory, Console())
        functions, edges = runner.finished("functions", ApiFunction), runner.finished("edges", Edge)
        source = PlanSource(runner, functions, edges, SamplingConfig(lengths=lengths))
        found: Any = source._orders(0, 300, mix, "plans", (), None)
        return sorted(found.records(), key=lambda order: order.number)

    even, leaning = {2: 1.0, 3: 1.0}, {2: 9.0, 3: 1.0}
    before = orders(tmp_path / "reused", even)
    assert orders(tmp_path / "reused", leaning) == orders(tmp_path / "new", leaning) != before


def named(name: str, *needs: str) -> ApiFunction:
    """A function that needs an id for each of these, or a number within one."""
    parameters = [
        Parameter(name=one, location="path", type="integer" if one == NUMBER else "string", required=True)
        for one in needs
    ]
    path = "/".join(("", name, *(f"{{{one}}}" for one in needs)))
    return ApiFunction.create(service="s", name=name, path=path, parameters=parameters)


def test_what_hangs_together_with_little_is_at_home_where_plans_can_have_it() -> None:
    """Two functions that know only each other make plans of one or two calls, whatever lengths are asked for."""
    pairs = [(named(f"list {n}"), named(f"get {n}", "thing_id")) for n in range(60)]
    steps = [named("step"), *(named(f"step {n}", "thing_id") for n in range(2, 5))]
    alone, episode = named("alone"), named("episode", "show_id", NUMBER)
    links = [(source, "$.id", target, "thing_id") for source, target in [*pairs, *itertools.pairwise(steps)]]
    links.append((alone, "$.number", episode, NUMBER))  # of the same show, which none of the two tells
    functions = [*(one for pair in pairs for one in pair), *steps, alone, episode]
    found = [(source.id, field, target.id, parameter) for source, field, target, parameter in links]
    columns = dict(zip(EDGE_COLUMNS, zip(*found, strict=True), strict=True))
    graph = build_graph(functions, [pa.table({name: list(texts) for name, texts in columns.items()}).to_batches()[0]])
    config = SamplingConfig(lengths=dict.fromkeys(range(1, 6), 1.0), shapes={"chain": 1})
    name = {one.id: one.name.split()[0] for one in functions}
    lengths: dict[str, set[int]] = defaultdict(set)
    for table in plan_orders(graph, configured_mix(config), config, 0, 5000):
        for order in table.to_pylist():
            if order["function"] >= 0:
                lengths[name[graph.ids[order["function"]].as_py()]].add(order["length"])
    assert lengths == {"list": {1, 2}, "get": {2}, "step": {1, 2, 3, 4}, "alone": {1}, "episode": {1}}
