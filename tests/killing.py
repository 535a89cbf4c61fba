"""Kills at random moments of a driver, of its workers, or of nodes, while it makes a corpus on a cluster of its own."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from goat_ray.cluster import ClusterConfig, connect
from goat_ray.console import Console
from goat_ray.corpus import CorpusMaker
from goat_ray.executors.build import ALONE
from goat_ray.executors.config import ExecutorConfig
from goat_ray.plans import PlanSource
from goat_ray.records import ApiFunction, Edge, Sample
from goat_ray.runner import Runner
from goat_ray.storage import MANIFEST, open_dataset, write_json, write_records
from goat_ray.synthesis.config import SamplingConfig, SynthesisConfig
from goat_ray.teacher.rules import RulesTeacher
from tests.world import World

ROOT = Path(__file__).resolve().parents[1]
LOG = "driver.log"
LIMIT_S = 900.0  # for a run that nothing disturbs any more
MAX_FAILURES = 20
RETRY_S = 0.2  # where no worker is there to be killed
WORKERS = ("ray::MapWorker", "ray::_MapWorker", "ray::ReadParquet", "ray::Write")


def prepare(directory: Path, world: World) -> None:
    """A run directory whose graph is finished."""
    for name, kind, records in (("functions", ApiFunction, list(world.functions)), ("edges", Edge, world.edges)):
        (directory / name).mkdir(parents=True)
        write_records(directory / name, kind, records)
        finished = {"fingerprint": name, "rows": len(records), "rejects": {}, "facts": {}, "seconds": 0.0}
        write_json(directory / name / MANIFEST, finished)


def make_corpus(directory: Path, accepted: int) -> None:
    """What the driver does: as ``goat synthesize`` does it, from the graph on."""
    connect(ClusterConfig())
    runner = Runner(directory, Console())
    functions, edges = runner.finished("functions", ApiFunction), runner.finished("edges", Edge)
    CorpusMaker(
        runner,
        RulesTeacher(),
        ALONE,
        PlanSource(runner, functions, edges, SamplingConfig()),
        executor=ExecutorConfig(),
        synthesis=SynthesisConfig(accepted=accepted, paraphrases=0, shortfall="go-on"),
        embedder="",
    ).samples()


def sample_lines(directory: Path) -> list[str]:
    """All samples as text, in order of their ids; each once or more, as they lie there."""
    samples = open_dataset(directory / "samples", Sample).records()
    return sorted(json.dumps(sample.model_dump(mode="json"), sort_keys=True) for sample in samples)


@dataclass
class Killer:
    """Runs the driver again and again and kills it, or what else there is, at seeded moments."""

    address: str  # of a cluster whose processes are children of this one
    accepted: int
    random_: random.Random
    more: dict[str, Callable[[], None]] = field(default_factory=dict)  # other things that may be killed, and how
    every: float | None = None  # seconds between two kills; None: at random moments of a run
    seconds: float = 0.0  # what an undisturbed run takes
    kills: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)  # the last words of drivers that ended by themselves
    _next: float = 0.0  # when, by the monotonic clock
    _kind: str = ""  # and what

    def undisturbed(self, directory: Path) -> None:
        """One run to the end."""
        started = time.monotonic()
        self.run(directory, 0)
        self.seconds = time.monotonic() - started
        assert not self.failures, self.failures

    def run(self, directory: Path, at_most: int) -> int:
        """Drivers until one comes to the end, the first disturbed by so many kills; the kills that hit something."""
        hits = 0
        driver = self._driver(directory)
        self._plan_next()
        try:
            while True:
                try:
                    status = driver.wait(max(0.0, self._next - time.monotonic()) if hits < at_most else LIMIT_S)
                except subprocess.TimeoutExpired:
                    assert hits < at_most, f"the driver did not end within {LIMIT_S} s"
                    if self._kill(driver):
                        hits += 1
                        self._plan_next()
                    else:
                        time.sleep(RETRY_S)
                    continue
                if status == 0:
                    return hits
                if status != -signal.SIGKILL:
                    self.failures.append((directory.parent / LOG).read_text().splitlines()[-1])
                    assert len(self.failures) < MAX_FAILURES, self.failures
                driver = self._driver(directory)
        finally:
            if driver.poll() is None:
                os.killpg(driver.pid, signal.SIGKILL)
                driver.wait()

    def _plan_next(self) -> None:
        self._kind = self.random_.choice(["driver", "worker", *self.more])
        if self.every is None:
            self._next = time.monotonic() + self.random_.uniform(0.05, 0.35) * self.seconds
        elif self._next <= time.monotonic():
            self._next = max(self._next + self.every, time.monotonic())

    def _kill(self, driver: "subprocess.Popen[bytes]") -> bool:
        """Kill what is next; whether it was there to be killed."""
        if self._kind == "driver":
            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait()
        elif self._kind in self.more:
            self.more[self._kind]()
        elif not self._kill_worker():
            return False
        self.kills[self._kind] += 1
        return True

    def _kill_worker(self) -> bool:
        workers = []
        for process in psutil.Process().children(recursive=True):
            try:
                if " ".join(process.cmdline()).startswith(WORKERS):
                    workers.append(process)
            except psutil.Error:  # it has ended meanwhile
                continue
        if workers:
            self.random_.choice(sorted(workers, key=lambda process: process.pid)).kill()
        return bool(workers)

    def _driver(self, directory: Path) -> "subprocess.Popen[bytes]":
        call = f"make_corpus(Path({str(directory)!r}), {self.accepted})"
        code = f"from pathlib import Path; from tests.killing import make_corpus; {call}"
        with (directory.parent / LOG).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-c", code],
                cwd=ROOT,
                env={**os.environ, "RAY_ADDRESS": self.address, "RAY_AUTH_MODE": "disabled", "PYTHONPATH": str(ROOT)},
                start_new_session=True,
                stdout=log,
                stderr=log,
            )


class Repeated:
    """Disturbed runs of the same corpus in one folder, each compared with an undisturbed one."""

    def __init__(self, killer: Killer, folder: Path, world: World) -> None:
        self.killer = killer
        self._folder = folder
        self._world = world
        self._runs = 0
        killer.undisturbed(self._directory("whole"))
        self.expected = sample_lines(folder / "whole")

    def run(self, at_most: int) -> int:
        """One run, killed so often at most; the kills that hit. Its samples must be those of the undisturbed one."""
        self._runs += 1
        directory = self._directory(f"killed-{self._runs}")
        hits = self.killer.run(directory, at_most)
        assert sample_lines(directory) == self.expected, f"after {hits} kills: {directory}"
        return hits

    def _directory(self, name: str) -> Path:
        prepare(self._folder / name, self._world)
        return self._folder / name
