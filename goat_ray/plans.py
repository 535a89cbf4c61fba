"""Call plans as bulk work: orders are written down, drawn in parallel, and rid of duplicates."""

from collections.abc import Sequence
from itertools import islice

from goat_ray.records import ApiFunction, CallPlan, Edge
from goat_ray.runner import Runner
from goat_ray.storage import Dataset, FunctionStore
from goat_ray.synthesis.config import SamplingConfig
from goat_ray.synthesis.orders import Mix
from goat_ray.synthesis.sampling import sample_plans


class PlanSource:
    """Plans for any range of order numbers.

    Order number n gives the same plan or reject in every run of the same graph, settings and mix, whatever
    the range it is asked for in and whatever the parallelism; no two numbers give a plan of the same id.
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
    ) -> Dataset[CallPlan]:
        """Plans for the orders ``[first, first + count)``; all that the configuration asks for where no count is given.

        ``mix`` replaces the configured shares of length, shape and service for this range. Each plan says its own
        shape, service and structure. A structure may recur ``config.variants`` times in this range and the
        ``earlier`` ones together; what is beyond, and orders that the graph has no plan for, are rejects with the
        reasons ``duplicate-plan`` and ``no-such-subgraph``. A range whose kinds are exhausted gives no plans.
        """
        count = self.config.plans if count is None else count
        wanted = self.config.model_copy(update={"plans": first + count})
        return self.runner.gather(
            into,
            CallPlan,
            lambda: islice(
                sample_plans(FunctionStore.open(self.functions.data), self.edges.records(), wanted), first, None
            ),
            settings=[self.config.model_dump(mode="json"), first, count],
            inputs=[self.functions, self.edges, *earlier],
        )
