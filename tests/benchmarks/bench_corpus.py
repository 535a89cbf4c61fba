"""What a corpus of N accepted samples takes: CPU time by step, memory of all processes, bytes on disk, for growing N.

    python -m tests.benchmarks.bench_corpus CONFIG 10000 100000 1000000

The graph is made once, below the configuration's run directory; each N then has a run directory of its own beside it
and runs the command that a user would. CPU time is that of the driver and all of Ray's processes, so that other work
on the machine matters less. Memory is what they hold together (proportional set sizes, so nothing counts twice)
without Ray's object store. One JSON object a line goes to ``<run directory>-<N>.jsonl`` for the curves.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

import psutil
import yaml

GOAT = [sys.executable, "-m", "goat_ray.cli"]
INTERVAL_S = 2.0
FINISHED = re.compile(r"\s+([a-z_]+)(-\d+)?(_orders|_drawn)?\s+([\d,]+) kept")
HELD = ("Pss_Anon", "Pss_File")  # and not Pss_Shmem, the object store


class Watch(threading.Thread):
    """Looks at a process and all below it until it ends."""

    def __init__(self, pid: int, curve: Path) -> None:
        super().__init__(daemon=True)
        self.root = psutil.Process(pid)
        self.curve = curve
        self.spent: dict[tuple[int, float], float] = {}  # seconds of each process, those that have ended too
        self.held: dict[int, tuple[str, float]] = {}  # name and MiB of each that runs
        self.peak: list[tuple[str, float]] = []
        self.started = time.monotonic()

    def run(self) -> None:
        with self.curve.open("w", encoding="utf-8") as file:
            while self.look():
                line = {"s": round(time.monotonic() - self.started), "cpu_s": round(self.cpu), "mib": round(self.mib)}
                file.write(json.dumps(line) + "\n")
                file.flush()
                time.sleep(INTERVAL_S)

    @property
    def cpu(self) -> float:
        """Seconds, user and system. What a process did after the last look at it is lost."""
        return sum(self.spent.copy().values())

    @property
    def mib(self) -> float:
        """Memory of all processes together."""
        return sum(mib for _, mib in self.held.values())

    def look(self) -> bool:
        """Count once; False where the process has ended."""
        held = {}
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in (self.root, *self.root.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess, OSError):
                    self.spent[process.pid, process.create_time()] = sum(process.cpu_times()[:2])
                    rollup = dict(re.findall(r"(\w+):\s+(\d+)", Path(f"/proc/{process.pid}/smaps_rollup").read_text()))
                    command = " ".join(process.cmdline())
                    held[process.pid] = command[:24], sum(int(rollup[name]) for name in HELD) / 1024
        self.held = held
        if self.mib > sum(mib for _, mib in self.peak):
            self.peak = sorted(held.values(), key=lambda one: -one[1])
        return bool(held)


def measure(config: str, graph: Path, accepted: int) -> None:
    """Print the row of one N."""
    directory = graph.with_name(f"{graph.name}-{accepted}")
    if not directory.exists():
        shutil.copytree(graph, directory)
    settings = [f"run.directory={directory}", f"synthesis.accepted={accepted}", "synthesis.shortfall=go-on"]
    command = [*GOAT, "synthesize", config, *(word for setting in settings for word in ("--set", setting))]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}  # a line is to be seen when it is said
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    watch = Watch(run.pid, directory.with_suffix(".jsonl"))
    watch.start()
    steps: defaultdict[str, float] = defaultdict(float)
    spent = 0.0
    assert run.stdout is not None
    for line in run.stdout:
        print(line, end="", file=sys.stderr, flush=True)
        if found := FINISHED.match(line):
            watch.look()
            steps[found[1]] += watch.cpu - spent
            spent = watch.cpu
    if run.wait():
        sys.exit(f"the run of {accepted:,} failed")
    watch.join()
    steps["end"] += watch.cpu - spent
    got = json.loads((directory / "samples" / "manifest.json").read_text(encoding="utf-8"))["rows"]
    size = sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
    parts = ", ".join(f"{name} {seconds / got * 1000:.2f}" for name, seconds in steps.items() if seconds >= 1)
    print(
        f"{accepted:>9,} asked {got:>9,} accepted  {watch.cpu:,.0f} s of CPU, {watch.cpu / got * 1000:.2f} ms a sample "
        f"({parts})  {time.monotonic() - watch.started:,.0f} s  "
        f"peak {sum(mib for _, mib in watch.peak):,.0f} MiB  {size / 2**20:,.0f} MiB on disk",
        flush=True,
    )
    print("          at the peak:", ", ".join(f"{name.strip()} {mib:,.0f}" for name, mib in watch.peak if mib > 20))


def main(config: str, targets: list[int]) -> None:
    """The graph, then a row for each N."""
    graph = Path(yaml.safe_load(Path(config).read_text(encoding="utf-8"))["run"]["directory"])
    subprocess.run([*GOAT, "graph", "build", config], check=True, stdout=sys.stderr)
    for accepted in targets:
        measure(config, graph, accepted)


if __name__ == "__main__":
    main(sys.argv[1], [int(target) for target in sys.argv[2:]])
