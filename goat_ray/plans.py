"""Call plans as bulk work: orders are written down, drawn in parallel, and rid of surplus variants."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property

import pyarrow as pa

from goat_ray.graph.adjacency import EDGE_COLUMNS, SEAL, VERSION, CallGraph, build_graph
from goat_ray.identity import content_id
from goat_ray.places import Place
from goat_ray.records import ApiFunction, CallPlan, Edge, PlanOrder
from goat_ray.runner import Runner
from goat_ray.storage import Dataset
from goat_ray.synthesis.config import SamplingConfig
from goat_ray.synthesis.coverage import Coverage
from goat_ray.synthesis.mixing import check_services
from goat_ray.synthesis.orders import Cell, Mix, Starts, configured_mix, plan_orders
from goat_ray.synthesis.sampling import DrawPlans, PlanSampler
from goat_ray.synthesis.variants import distinct_plans

ORDERS_VERSION = 5  # raise it when equal settings would give other orders
ORDERS = "_orders"  # behind the name of the plans that are made of them
GRAPH = "call_graph"  # folder of the graph's arrays in the run directory
FUNCTION_COLUMNS = ("id", "service", "name", "method", "path", "parameters")  # what the graph is made from


class PlanSource:
    """Plans for any range of order numbers.

    Order number n gives the same plan or reject in every run of the same graph, settings, mix and range,
    whatever the parallelism; no two numbers give a plan of the same id.
    Whoever wants more plans asks for the next range, and may lean towards the kinds that are still missing:

        source = PlanSource(runner, functions, edges, config.sampling)
        one = source.plans(0, 10_000, into="plans-000")
        two = source.plans(10_000, 5_000, into="plans-001", mix={Cell(4, "join"): 3, Cell(1, "single"): 1},
                           earlier=[one])
    """

    def __init__(
        self, runner: Runner, functions: Dataset[ApiFunction], edges: Dataset[Edge], config: SamplingConfig
    ) -> None:
        self.runner = runner
        self.functions = functions
        self.edges = edges
        self.config = config

    def plans(
        self,
        first: int = 0,
        count: int | None = None,
        *,
        into: str = "plans",
        mix: Mix | None = None,
        earlier: Sequence[Dataset[CallPlan]] = (),
        lacking: Starts | None = None,
    ) -> Dataset[CallPlan]:
        """Plans for the orders ``[first, first + count)``; all that the configuration asks for where no count is given.

        ``mix`` replaces the configured shares of length, shape and service for this range. Each plan says its own
        shape, service and structure. A structure may recur ``config.variants`` times in this range and the
        ``earlier`` ones together; what is beyond is a reject ``duplicate-plan`` here. Some of the orders start from
        what is ``lacking`` so far. Orders that the graph has no
        plan for are rejects ``no-such-subgraph`` of the dataset ``<into>_drawn``; kinds that trials did not find are
        not ordered, and counted in the manifest of ``<into>_orders``. A range whose kinds are exhausted
        gives no plans.
        """
        check_services(self.config.services, self.services)
        graph = self.graph  # made first, as the workers only read it
        count = self.config.plans if count is None else count
        mix = configured_mix(self.config) if mix is None else mix
        orders = self._orders(first, count, mix, into, earlier, lacking)
        draw = DrawPlans(self._folder, self._graph_id, self.config)
        drawn = self.runner.bulk(draw, orders, into=f"{into}_drawn")
        facts: dict[str, int] = {}
        return self.runner.gather_tables(
            into,
            CallPlan,
            lambda: Coverage(graph, facts, self.config.coverage).count(
                distinct_plans(drawn, earlier, self.config.variants)
            ),
            settings={"variants": self.config.variants},
            inputs=[drawn, *earlier],
            facts=facts,
        )

    def possible(self, mix: Mix, first: int) -> dict[Cell, float]:
        """The mix without the kinds of plans that trials for orders from ``first`` on do not find in the graph."""
        return self._sampler.possible(mix, first)

    def _orders(
        self,
        first: int,
        count: int,
        mix: Mix,
        into: str,
        earlier: Sequence[Dataset[CallPlan]],
        lacking: Starts | None,
    ) -> Dataset[PlanOrder]:
        shares = sorted([*cell, weight] for cell, weight in mix.items())
        config = self.config
        settings = [ORDERS_VERSION, self._graph_id, shares, first, count, config.coverage, config.seed]
        settings += [sorted(config.lengths.items())]  # by which homes are dealt out, whatever the mix
        settings += [] if lacking is None else [lacking.id]
        before = [self.runner.finished(f"{one.name}{ORDERS}", PlanOrder) for one in earlier]
        facts: dict[str, int] = {}

        def orders() -> Iterator[pa.Table]:
            possible = self.possible(mix, first)
            facts["kinds of plans wanted"] = len(mix)
            facts["kinds of plans not found"] = len(mix) - len(possible)
            done = _by_kind(before) if before else None
            yield from plan_orders(self.graph, possible, self.config, first, count, done, lacking)

        return self.runner.gather_tables(
            f"{into}{ORDERS}", PlanOrder, orders, settings=settings, inputs=before, facts=facts
        )

    @cached_property
    def _sampler(self) -> PlanSampler:
        return PlanSampler(self.graph, self.config)

    @property
    def _graph_id(self) -> str:
        return content_id(GRAPH, VERSION, self.functions.fingerprint, self.edges.fingerprint)

    @property
    def _folder(self) -> Place:
        return self.runner.directory / GRAPH / self._graph_id

    @cached_property
    def services(self) -> set[str]:
        """Of all functions."""
        return {name for batch in self.functions.batches(["service"]) for name in batch["service"].unique().to_pylist()}

    @cached_property
    def graph(self) -> CallGraph:
        """The graph to sample from, in files that the workers share; made where it is not there yet."""
        if not (self._folder / SEAL).exists():
            with self._folder.made(SEAL) as folder:
                build_graph(_functions(self.functions), self.edges.batches(EDGE_COLUMNS)).save(folder)
        return CallGraph.open(self._folder.fetch())


def _by_kind(orders: Sequence[Dataset[PlanOrder]]) -> Counter[tuple[int, str]]:
    """How many orders there are of each length and service."""
    found: Counter[tuple[int, str]] = Counter()
    for batch in (batch for one in orders for batch in one.batches(["length", "service"])):
        grouped = pa.table(batch).group_by(["length", "service"]).aggregate([([], "count_all")])
        for row in grouped.to_pylist():
            found[row["length"], row["service"]] += row["count_all"]
    return found


def _functions(functions: Dataset[ApiFunction]) -> Iterator[ApiFunction]:
    """The functions without their outputs, one at a time."""
    for batch in functions.batches(FUNCTION_COLUMNS, rows=1024):
        for row in batch.to_pylist():
            yield ApiFunction.from_row(row)
