"""Throughput of the teacher's client, against a bare client on the same server in the same run.

python -m tests.benchmarks.bench_teacher [--requests 20000] [--concurrency 256] [--latency 0.05] [--profile]
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.config import TeacherConfig
from goat_ray.teacher.edges import EdgeQuestion, JudgeEdge
from goat_ray.teacher.structured import json_schema
from goat_ray.teacher.task import Failure
from tests.world import make_world

DOCUMENTS = Path(__file__).parents[2] / "configs" / "demo" / "documents"


def questions(count: int, folder: Path) -> list[EdgeQuestion]:
    """Distinct questions about edges of the demo's documents."""
    functions = list(make_world(DOCUMENTS, folder).functions)
    ends = [
        (source, field, target, parameter)
        for target in functions
        for parameter in target.parameters
        for source in functions
        for field in source.outputs
    ]
    return [
        EdgeQuestion(source, field, f"thing {number}", target, parameter, f"thing {number}")
        for number in range(count)
        for source, field, target, parameter in [ends[number % len(ends)]]
    ]


@contextmanager
def server_process(latency: float) -> Iterator[str]:
    """The fake server in a process of its own; its base URL."""
    with tempfile.TemporaryDirectory() as folder:
        book = Path(folder) / "answers.json"
        book.write_text(json.dumps({"EdgeVerdict": {"accept": True, "reason": "It is the same thing."}}))
        command = [sys.executable, "-u", "-m", "goat_ray.cli", "fake-server", "--port", "0"]
        process = subprocess.Popen(
            [*command, "--latency", str(latency), "--answers", str(book)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            yield re.search(r"http\S+", process.stdout.readline())[0]  # type: ignore[index]
        finally:
            process.terminate()
            process.wait()


@dataclass
class Rate:
    """How fast a round went by the clock, which other work on the machine spoils, and by this process's CPU time."""

    per_second: float
    cpu_us: float  # per request

    def __str__(self) -> str:
        return f"{self.per_second:,.0f}/s, {self.cpu_us:.0f} us of CPU each"


class Stopwatch:
    """Measures a number of requests."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def rate(self, count: int) -> Rate:
        """So many requests since the start."""
        return Rate(
            count / (time.perf_counter() - self._began[0]), 1e6 * (time.process_time() - self._began[1]) / count
        )


async def bare(url: str, bodies: list[dict[str, object]], concurrency: int) -> Rate:
    """A loop that posts JSON and reads JSON, and does nothing else."""
    todo = iter(bodies)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def work() -> None:
            for body in todo:
                data, headers = json.dumps(body).encode(), {"content-type": "application/json"}
                async with session.post(f"{url}/chat/completions", data=data, headers=headers) as response:
                    json.loads(await response.read())

        watch = Stopwatch()
        await asyncio.gather(*(work() for _ in range(concurrency)))
        return watch.rate(len(bodies))


def ours(url: str, asked: list[EdgeQuestion], concurrency: int, cache: Path | None) -> Rate:
    """The teacher on the same prompts, from typed questions to typed answers."""
    config = TeacherConfig(backend="openai", model="fake", base_url=url, concurrency=concurrency)
    teacher = build_teacher(config, cache)
    teacher.start()
    watch = Stopwatch()
    answers = teacher.answer(JudgeEdge(), asked)
    rate = watch.rate(len(asked))
    teacher.close()  # type: ignore[attr-defined]
    assert not any(isinstance(answer, Failure) for answer in answers)
    return rate


def client(count: int, concurrency: int, latency: float, rounds: int, profile: bool) -> None:
    """(b): the client through the fake server."""
    with tempfile.TemporaryDirectory() as folder, server_process(latency) as url:
        asked = questions(count, Path(folder) / "functions")
        form = {"type": "json_schema", "json_schema": {"name": "EdgeVerdict", "schema": json_schema(JudgeEdge.answer)}}
        bodies = [
            {"model": "fake", "temperature": 0.7, "max_tokens": 512, "messages": JudgeEdge().messages(one),
             "response_format": form, "seed": 1}
            for one in asked
        ]  # fmt: skip
        ours(url, asked[:1000], concurrency, None)  # warms up, and sets the garbage collector for the bare client, too
        if profile:
            _profile(url, asked, concurrency)
        for number in range(0 if profile else rounds):
            raw = asyncio.run(bare(url, bodies, concurrency))
            plain = ours(url, asked, concurrency, None)
            kept = ours(url, asked, concurrency, Path(folder) / f"answers-{number}")
            print(f"{count:,} requests, {latency * 1000:g} ms, concurrency {concurrency}, round {number + 1}")
            _table(concurrency / latency, raw, plain, kept)
        if not profile:
            print(f"  all from the cache    {ours(url, asked, concurrency, Path(folder) / 'answers-0')}, no request")


def _table(bound: float, raw: Rate, plain: Rate, kept: Rate) -> None:
    ideal = min(raw.per_second, bound)
    print(f"  concurrency / latency {bound:,.0f}/s")
    print(f"  bare aiohttp client   {raw}")
    for what, rate in (("teacher", plain), ("with answer cache", kept)):
        share, by_cpu = rate.per_second / ideal, raw.cpu_us / rate.cpu_us
        print(f"  {what:<21} {rate}: {share:.2f} of the ideal rate, {by_cpu:.2f} by CPU")


def _profile(url: str, asked: list[EdgeQuestion], concurrency: int) -> None:
    """Where the client's loop spends its time."""
    config = TeacherConfig(backend="openai", model="fake", base_url=url, concurrency=concurrency)
    teacher = build_teacher(config)
    teacher.start()
    session = teacher._session  # type: ignore[attr-defined]
    profiler = cProfile.Profile()

    async def work() -> None:
        profiler.enable()
        await session.answer(JudgeEdge(), asked)
        profiler.disable()

    session.run(work())
    teacher.close()  # type: ignore[attr-defined]
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    client(options.requests, options.concurrency, options.latency, options.rounds, options.profile)


if __name__ == "__main__":
    main()
