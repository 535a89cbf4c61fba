"""Orders are a function of what their dataset says it was made from, and ask for what the graph can give."""

from pathlib import Path
from typing import Any

from goat_ray.console import Console
from goat_ray.plans import PlanSource
from goat_ray.records import ApiFunction, Edge, PlanOrder
from goat_ray.runner import Runner
from goat_ray.synthesis.config import SamplingConfig
from goat_ray.synthesis.orders import Cell
from tests.killing import prepare
from tests.world import World


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
