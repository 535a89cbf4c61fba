"""Whether twice the workers do twice the work where waiting for a model is what takes the time.

So many logical workers narrate, each with one request in flight to a fake server that takes as long as a large model
does. All of them share the cores of this machine, so only what waits can scale here. A worker's efficiency is the
share of the time in which its request was in flight, from the moment when all of them had asked.

.venv/bin/python -m tests.benchmarks.bench_scaling ../shared/data/restbench/tmdb_oas.json
"""

import argparse
import pickle
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from rich.console import Console as RichConsole

from goat_ray.cluster import ClusterConfig, connect
from goat_ray.console import Console
from goat_ray.records import CallTrace
from goat_ray.runner import Runner
from goat_ray.step import Resources
from goat_ray.synthesis.config import SynthesisConfig
from goat_ray.synthesis.narration import Narrate
from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.config import TeacherConfig
from tests.benchmarks.bench_orchestration import served, traces_of, write_book
from tests.world import make_world

BATCH = 1  # trace, of about five requests: with more, a worker that starts late finds too little left


def in_flight(times: Sequence[float], latency: float, workers: int) -> tuple[float, float]:
    """Seconds from when all workers had a request in flight to the last such moment, and the mean number meanwhile."""
    changes = sorted([(begin, 1) for begin in times] + [(begin + latency, -1) for begin in times])
    now, full, level = 0, [], []
    for moment, change in changes:
        now += change
        level.append((moment, now))
        if now == workers:
            full.append(moment)
    if not full:
        return 0.0, max(number for _, number in level)
    inside = [(moment, number) for moment, number in level if full[0] <= moment <= full[-1]]
    seconds = full[-1] - full[0]
    area = sum(number * (later - moment) for (moment, number), (later, _) in pairwise(inside))
    return seconds, area / seconds if seconds else float(workers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("document", type=Path)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--latency", type=float, default=3.0)
    parser.add_argument(
        "--traces", type=int, default=8, help="for each worker: about two minutes for each number of workers"
    )
    options = parser.parse_args()
    most = max(options.workers)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = make_world(options.document, folder / "functions")
        drawn = traces_of(world, options.traces * most)
        quiet = Console(RichConsole(quiet=True))
        # Read back, as the workers do: the texts of prompts depend on it.
        traces = list(Runner(folder / "all", quiet).gather("traces", CallTrace, lambda: drawn, settings={}).records())
        config = SynthesisConfig()
        book = folder / "book"
        book.write_bytes(pickle.dumps(write_book(world, traces, config)))
        connect(ClusterConfig(local_cpus=most + 2))
        print("workers  requests  all in flight for  efficiency  of one worker's rate  with start")
        one = 0.0
        for workers in options.workers:
            part: list[CallTrace] = traces[: options.traces * workers]
            runner = Runner(folder / f"run-{workers}", quiet)
            dataset = runner.gather("traces", CallTrace, lambda part=part: part, settings={"workers": workers})
            with served(book, options.latency) as (url, pipe):
                teacher = build_teacher(TeacherConfig(backend="openai", model="fake", base_url=url, concurrency=1))
                resources = Resources(workers=workers, batch_size=BATCH)
                began = time.perf_counter()
                runner.bulk(Narrate(teacher, world.data, config, dataset.fingerprint, resources), dataset, into="out")
                whole = time.perf_counter() - began
                pipe.send("when?")
                times = pipe.recv()
            seconds, mean = in_flight(times, options.latency, workers)
            rate = mean / options.latency
            one = one or rate / workers
            start = len(times) * options.latency / workers / whole
            print(
                f"{workers:>7}  {len(times):>8,}  {seconds:>15.1f} s  {mean / workers:>10.2f}  "
                f"{rate / workers / one:>20.2f}  {start:>10.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
