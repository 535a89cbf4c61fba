"""Kills of drivers, workers and nodes at random moments: the corpus must be that of an undisturbed run.

python -m tests.benchmarks.kill_loop --kills 20
python -m tests.benchmarks.kill_loop --minutes 30     # a soak: one run after the other, a kill every minute
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

from tests.killing import ROOT, Killer, Repeated
from tests.nodes import Nodes, started
from tests.world import make_world

ACCEPTED = 300
KILLS_A_RUN = 7
WORKER_NODES = 2


def main(kills: int, minutes: float, seed: int) -> None:
    """Either so many kills, or kills every minute for so long."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="kills-") as name, started(WORKER_NODES) as nodes:
        killer = Killer(nodes.address, ACCEPTED, chance, {"node": lambda: nodes.replace_any(chance)})
        folder = Path(name)
        runs = Repeated(killer, folder, make_world(ROOT / "configs" / "demo" / "documents", folder / "world"))
        print(f"undisturbed: {len(runs.expected):,} samples, {killer.seconds:.0f} s; {memory(nodes)}", flush=True)
        if minutes:
            killer.every = 60.0
        end = time.monotonic() + 60 * minutes
        while time.monotonic() <= end if minutes else killer.kills.total() < kills:
            began = time.monotonic()
            hits = runs.run(1_000_000 if minutes else KILLS_A_RUN)
            print(f"{hits} kills, {time.monotonic() - began:.0f} s, same samples; {memory(nodes)}", flush=True)
        counts = ", ".join(f"{count} of a {kind}" for kind, count in sorted(killer.kills.items()))
        print(f"{killer.kills.total()} kills: {counts}")
        print(f"drivers that ended by themselves: {len(killer.failures)}", *killer.failures, sep="\n  ")


def memory(nodes: Nodes) -> str:
    """What the cluster takes."""
    return f"{nodes.rss() / (1 << 20):,.0f} MiB in all processes"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=0.0, help="Instead of --kills.")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    main(options.kills, options.minutes, options.seed)
