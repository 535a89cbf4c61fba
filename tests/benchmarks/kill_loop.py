"""Kills of drivers, workers and nodes at random moments: the corpus must be that of an undisturbed run.

python -m tests.benchmarks.kill_loop --kills 20
python -m tests.benchmarks.kill_loop --minutes 30     # a soak: one run after the other, a kill every minute
"""

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.killing import ROOT, Killer, prepare, sample_lines
from tests.nodes import Nodes, started
from tests.world import make_world

ACCEPTED = 300
KILLS_A_RUN = 7
WORKER_NODES = 2


class Loop:
    """Runs of the same corpus in one folder, each compared with an undisturbed one."""

    def __init__(self, killer: Killer, nodes: Nodes, folder: Path) -> None:
        self.killer = killer
        self.nodes = nodes
        self.folder = folder
        self.world = make_world(ROOT / "configs" / "demo" / "documents", folder / "world")
        killer.undisturbed(self._directory("whole"))
        self.expected = sample_lines(folder / "whole")
        print(f"undisturbed: {len(self.expected):,} samples, {killer.seconds:.0f} s; {self._memory()}", flush=True)

    def runs(self, at_most: int) -> Iterator[None]:
        """One run after the other, for as long as the caller asks; a line for each."""
        number = 0
        while True:
            number += 1
            directory, began = self._directory(f"killed-{number}"), time.monotonic()
            hits = self.killer.run(directory, at_most)
            same = sample_lines(directory) == self.expected
            seconds = time.monotonic() - began
            print(f"run {number}: {hits} kills, {seconds:.0f} s, same samples: {same}; {self._memory()}", flush=True)
            assert same
            yield

    def summary(self) -> None:
        """What was killed, and what was not as it should be."""
        kills = self.killer.kills
        print(f"{kills.total()} kills:", ", ".join(f"{count} of a {kind}" for kind, count in sorted(kills.items())))
        print(f"drivers that ended by themselves: {len(self.killer.failures)}", *self.killer.failures, sep="\n  ")

    def _directory(self, name: str) -> Path:
        prepare(self.folder / name, self.world)
        return self.folder / name

    def _memory(self) -> str:
        return f"{self.nodes.rss() / (1 << 20):,.0f} MiB in all processes"


def main(kills: int, minutes: float, seed: int) -> None:
    """Either so many kills, or kills every minute for so long."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="kills-") as name, started(WORKER_NODES) as nodes:
        more = {"node": lambda: nodes.replace(chance.choice(nodes.workers))}
        loop = Loop(Killer(nodes.address, ACCEPTED, chance, more), nodes, Path(name))
        if minutes:
            loop.killer.every = 60.0
            end = time.monotonic() + 60 * minutes
            for _ in loop.runs(at_most=1_000_000):
                if time.monotonic() > end:
                    break
        else:
            for _ in loop.runs(KILLS_A_RUN):
                if loop.killer.kills.total() >= kills:
                    break
        loop.summary()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=0.0, help="Instead of --kills.")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    main(options.kills, options.minutes, options.seed)
