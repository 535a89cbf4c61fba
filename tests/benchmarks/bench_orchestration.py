"""Language with a remote model: how close the whole comes to what waiting alone would take.

Samples are narrated on Ray through a fake server that knows the rules' answers, so that every task is asked
for every trace. The ideal is calls on the critical path x latency / requests in flight. What a bare client takes
for each request, before and after, says how much of the rest is the server's and the machine's.

.venv/bin/python -m tests.benchmarks.bench_orchestration ../shared/data/restbench/tmdb_oas.json
"""

import argparse
import asyncio
import multiprocessing
import pickle
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp

from goat_ray.cluster import ClusterConfig, connect
from goat_ray.console import Console
from goat_ray.executors.config import ExecutorConfig
from goat_ray.identity import digest
from goat_ray.records import CallPlan, CallTrace
from goat_ray.runner import Runner
from goat_ray.step import Resources
from goat_ray.synthesis.calling import Call
from goat_ray.synthesis.config import SamplingConfig, SynthesisConfig
from goat_ray.synthesis.narration import TASKS, Narrate
from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.config import TeacherConfig
from goat_ray.teacher.fake_server import FakeServer
from goat_ray.teacher.rules import RulesTeacher
from goat_ray.teacher.task import Ans, Failure, Request, Task
from tests.world import World, make_world, sample_plans

BATCH = 256
BARE = [{"role": "user", "content": "word " * 300}]
Book = dict[int, Any]


class Scribe(RulesTeacher):
    """The rules, and a book of what they answered to which prompt."""

    def __init__(self) -> None:
        self.book: Book = {}

    def answer(self, task: Task[Request, Ans], requests: Sequence[Request]) -> list[Ans | Failure]:
        answers = super().answer(task, requests)
        for request, answer in zip(requests, answers, strict=True):
            if not isinstance(answer, Failure):
                self.book[digest(list(task.messages(request)))] = answer.model_dump(mode="json")
        return answers


def traces_of(world: World, count: int) -> list[CallTrace]:
    """So many traces that the rules can narrate, at most."""
    call = Call(RulesTeacher(), ExecutorConfig(), world.data)
    call.start()
    drawn = sample_plans(world.functions, world.edges, SamplingConfig(plans=2 * count))
    plans = {plan.id: plan for plan in drawn if isinstance(plan, CallPlan)}
    made = (one for one in call.process(list(plans.values())) if isinstance(one, CallTrace))
    return [trace for trace, _ in zip(made, range(count), strict=False)]


def write_book(world: World, traces: Sequence[CallTrace], config: SynthesisConfig) -> Book:
    """What the rules say about the traces."""
    scribe = Scribe()
    narrate = Narrate(scribe, world.data, config, "traces")
    narrate.start()
    for start in range(0, len(traces), BATCH):
        list(narrate.process(traces[start : start + BATCH]))
    return scribe.book


def serve(book: Path, latency: float, pipe: Connection) -> None:
    """The fake server; tells its address, and when asked at which second each request arrived."""
    answers: Book = pickle.loads(book.read_bytes())
    times: list[float] = []

    def answer(body: dict[str, Any]) -> Any:
        if body["messages"] == BARE:
            return {}
        times.append(time.perf_counter())
        return answers[digest(body["messages"][:2])]  # to a repair, the same again

    with FakeServer(answers=answer, latency_s=latency, keep=False) as server:
        pipe.send(server.base_url)
        pipe.recv()
        pipe.send(times)


@contextmanager
def served(book: Path, latency: float) -> Iterator[tuple[str, Connection]]:
    """The server in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(book, latency, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv(), ours
    finally:
        process.terminate()
        process.join()


async def bare_s(url: str, in_flight: int, count: int = 2000) -> float:
    """Seconds that a bare client takes for each request in flight."""
    body = {"model": "fake", "messages": BARE}
    turns = iter(range(count))
    async with aiohttp.ClientSession() as session:

        async def take_turns() -> None:
            for _ in turns:
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    await response.read()

        began = time.perf_counter()
        await asyncio.gather(*(take_turns() for _ in range(in_flight)))
        return (time.perf_counter() - began) * in_flight / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("document", type=Path)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--concurrency", type=int, default=4, help="requests in flight per worker")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = make_world(options.document, folder / "functions")
        traces = traces_of(world, options.samples)
        config = SynthesisConfig()
        runner = Runner(folder / "run", Console())
        dataset = runner.gather("traces", CallTrace, lambda: traces, settings={})
        book = folder / "book"
        book.write_bytes(pickle.dumps(write_book(world, list(dataset.records()), config)))
        connect(ClusterConfig(local_cpus=2 * options.workers))
        with served(book, options.latency) as (url, pipe):
            teacher = TeacherConfig(backend="openai", model="fake", base_url=url, concurrency=options.concurrency)
            asked = build_teacher(teacher)
            resources = Resources(workers=options.workers, batch_size=asked.batch_size)
            step = Narrate(asked, world.data, config, dataset.fingerprint, resources)
            in_flight = options.concurrency * options.workers
            bare = [asyncio.run(bare_s(url, in_flight))]
            began = time.perf_counter()
            samples = runner.bulk(step, dataset, into="narrated")
            whole = time.perf_counter() - began
            bare.append(asyncio.run(bare_s(url, in_flight)))
            pipe.send("how many?")
            times = pipe.recv()
    requests, seconds = len(times), times[-1] - times[0] + options.latency
    ideal = requests * options.latency / in_flight
    attainable = requests * sum(bare) / len(bare) / in_flight
    print(f"{len(traces):,} traces, {samples.rows:,} samples, {requests:,} requests in {len(TASKS)} tasks")
    print(f"  ideal                  {ideal:.1f} s, {samples.rows / ideal:,.0f} samples/s")
    print(f"  first to last request  {seconds:.1f} s, {ideal / seconds:.2f} of the ideal rate")
    print(f"  with start and files   {whole:.1f} s, {ideal / whole:.2f}")
    print(f"  a bare client          {attainable:.1f} s, {ideal / attainable:.2f}; of which {attainable / seconds:.2f}")


if __name__ == "__main__":
    main()
