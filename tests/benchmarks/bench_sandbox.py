"""How many calls a second one core of the sandbox answers, for the calls that synthesis really makes.

.venv/bin/python -m tests.benchmarks.bench_sandbox ../shared/data/restbench/tmdb_oas.json
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from goat_ray.executors.config import ExecutorConfig
from goat_ray.executors.executor import CallResult, Executor, Session
from goat_ray.executors.sandbox import SandboxExecutor
from goat_ray.executors.sandbox.config import SandboxConfig
from goat_ray.records import ApiFunction, CallPlan
from goat_ray.synthesis.calling import Call
from goat_ray.synthesis.config import SamplingConfig
from goat_ray.teacher.rules import RulesTeacher
from tests.benchmarks.bench_road import timed
from tests.world import World, make_world, sample_plans

PLANS = 4000
Asked = list[tuple[ApiFunction, dict[str, Any]]]  # the calls of one session


class Recorder(Executor):
    """The sandbox, with a note of what each session asked."""

    name = "recorder"

    def __init__(self, sandbox: SandboxExecutor) -> None:
        self.sandbox = sandbox
        self.asked: list[Asked] = []

    def session(self) -> "RecordingSession":
        self.asked.append([])
        return RecordingSession(self.sandbox.session(), self.asked[-1])


class RecordingSession(Session):
    """One session of the recorder."""

    def __init__(self, session: Session, asked: Asked) -> None:
        self.session, self.asked = session, asked

    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        self.asked.append((function, arguments))
        return await self.session.call(function, arguments)


class Lookup(Executor):
    """The limit: no more than finding a ready answer."""

    name = "lookup"

    def __init__(self, answers: dict[str, CallResult]) -> None:
        self.answers = answers

    def session(self) -> "LookupSession":
        return LookupSession(self.answers)


class LookupSession(Session):
    """One session of the limit."""

    def __init__(self, answers: dict[str, CallResult]) -> None:
        self.answers = answers

    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        return self.answers[function.id]


def calls_of_synthesis(world: World) -> list[Asked]:
    """What the call step asks of the executor for plans of the document's verified graph."""
    plans = [
        p for p in sample_plans(world.functions, world.edges, SamplingConfig(plans=PLANS)) if isinstance(p, CallPlan)
    ]
    step = Call(RulesTeacher(), ExecutorConfig(), world.data)
    step.start()
    recorder = Recorder(SandboxExecutor(list(world.functions), SandboxConfig()))
    step.executor = recorder
    for _ in step.process(plans):
        pass
    return recorder.asked


async def replay(executor: Executor, sessions: Iterable[Asked]) -> tuple[int, int]:
    """(calls, successful ones) when the same calls are made again, each session anew."""
    made = succeeded = 0
    for asked in sessions:
        session = executor.session()
        for function, arguments in asked:
            succeeded += (await session.call(function, arguments)).ok
        made += len(asked)
    return made, succeeded


def main(document: str) -> None:
    """Print one line for each figure."""
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(document), Path(folder))
        sessions = calls_of_synthesis(world)
    calls = [call for asked in sessions for call in asked]
    distinct = {json.dumps([function.id, arguments], sort_keys=True) for function, arguments in calls}
    sandbox, seconds = timed(lambda: SandboxExecutor(list(world.functions), SandboxConfig()))
    print(f"start       {seconds * 1000:>9,.0f} ms for {len(world.functions)} functions")
    print(f"calls       {len(calls):>9,} in {len(sessions):,} sessions, {len(distinct):,} distinct")

    half = len(sessions) // 2
    rate(sandbox, sessions[:half], "first half")
    steady = rate(sandbox, sessions[half:], "second half")
    rate(sandbox, sessions, "all again")
    limit = rate(
        Lookup({function.id: CallResult(status=200, body={}, origin="simulated") for function, _ in calls}),
        sessions,
        "limit",
    )
    print(f"ratio       {steady / limit:>9.3f} of a dictionary lookup behind an await")


def rate(executor: Executor, sessions: list[Asked], name: str) -> float:
    """Calls a second, printed."""
    (made, succeeded), seconds = timed(lambda: asyncio.run(replay(executor, sessions)))
    print(f"{name:<12}{made / seconds:>9,.0f} calls/s, {succeeded / made:.1%} of them successful")
    return float(made / seconds)


if __name__ == "__main__":
    main(sys.argv[1])
