"""Traces a second on one core, beside the bare sandbox answering the same calls.

.venv/bin/python -m tests.benchmarks.bench_synthesis ../shared/data/restbench/tmdb_oas.json
"""

import asyncio
import gc
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from goat_ray.executors.config import ExecutorConfig
from goat_ray.executors.sandbox import SandboxExecutor
from goat_ray.executors.sandbox.config import SandboxConfig
from goat_ray.records import CallPlan, CallTrace
from goat_ray.storage import FunctionStore
from goat_ray.synthesis.calling import Call
from goat_ray.synthesis.config import SamplingConfig
from goat_ray.teacher.rules import RulesTeacher
from tests.benchmarks.bench_road import timed
from tests.benchmarks.bench_sandbox import Recorder, replay
from tests.world import make_world, sample_plans

PLANS = 4000
BATCH = 256


def traces(step: Call, plans: Sequence[CallPlan]) -> int:
    """How many plans became traces, in batches as the runner makes them."""
    batches = (plans[start : start + BATCH] for start in range(0, len(plans), BATCH))
    return sum(isinstance(outcome, CallTrace) for batch in batches for outcome in step.process(batch))


def measure(data: str, plans: Sequence[CallPlan]) -> None:
    """Print one line for a sandbox that knows nothing yet, and one for when it has made all answers before."""
    functions = list(FunctionStore.open(data))
    step = Call(RulesTeacher(), ExecutorConfig(), data)
    step.start()
    recorder = Recorder(SandboxExecutor(functions, SandboxConfig()))
    own, step.executor = step.executor, recorder
    traces(step, plans)
    step.executor = own
    bare = SandboxExecutor(functions, SandboxConfig())
    gc.freeze()  # as the runner's workers do
    gc.set_threshold(50_000, *gc.get_threshold()[1:])
    for name in ("first time", "again"):
        (calls, _), limit = timed(lambda: asyncio.run(replay(bare, recorder.asked)))
        made, seconds = timed(lambda: traces(step, plans))
        print(
            f"{name:<12}{made / seconds:>7,.0f} traces/s of {len(plans) / seconds:,.0f} plans/s, {calls:,} calls; "
            f"bare sandbox {len(plans) / limit:,.0f} plans/s; ratio {limit / seconds:.2f}"
        )


def main(document: str) -> None:
    """Measure on the plans of a document's verified graph."""
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(document), Path(folder))
        drawn = sample_plans(world.functions, world.edges, SamplingConfig(plans=PLANS))
        measure(world.data, [plan for plan in drawn if isinstance(plan, CallPlan)])


if __name__ == "__main__":
    main(sys.argv[1])
