"""Plans of the demo's graph, and what became of them."""

import pytest

from goat_ray.executors.config import ExecutorConfig
from goat_ray.records import CallPlan, CallTrace, Reject
from goat_ray.synthesis.calling import Call
from goat_ray.synthesis.calling_config import CallingConfig
from goat_ray.synthesis.config import SamplingConfig
from goat_ray.teacher.rules import RulesTeacher
from tests.world import World, sample_plans


def make_traces(world: World, plans: list[CallPlan], calling: CallingConfig | None = None) -> list[CallTrace | Reject]:
    """What the call step makes of plans."""
    call = Call(RulesTeacher(), ExecutorConfig(), world.data, calling=calling)
    call.start()
    return list(call.process(plans))


@pytest.fixture(scope="session")
def plans(world: World) -> list[CallPlan]:
    drawn = sample_plans(world.functions, world.edges, SamplingConfig(plans=200))
    return [plan for plan in drawn if isinstance(plan, CallPlan)]


@pytest.fixture(scope="session")
def traces(world: World, plans: list[CallPlan]) -> list[CallTrace]:
    outcomes = make_traces(world, plans)
    kept = [outcome for outcome in outcomes if isinstance(outcome, CallTrace)]
    assert len(kept) >= 0.8 * len(outcomes), [o.detail for o in outcomes if isinstance(o, Reject)][:5]
    return kept
