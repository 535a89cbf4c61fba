"""Many kills of drivers and workers at random moments: the corpus must be that of an undisturbed run.

python -m tests.benchmarks.kill_loop 20
"""

import os
import random
import sys
import tempfile
import time
from pathlib import Path

import ray

from goat_ray.cluster import ClusterConfig, connect
from tests.killing import ROOT, Killer, prepare, sample_lines
from tests.world import World, make_world

ACCEPTED = 300
KILLS_A_RUN = 7


def main(wanted: int, seed: int = 0) -> None:
    """Run until there were so many kills; a line for each run."""
    os.environ |= {"RAY_AUTH_MODE": "disabled", "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        folder = Path(name)
        world = make_world(ROOT / "configs" / "demo" / "documents", folder / "world")
        connect(ClusterConfig(local_cpus=6))
        try:
            _loop(Killer(ray.get_runtime_context().gcs_address, ACCEPTED, random.Random(seed)), folder, world, wanted)
        finally:
            ray.shutdown()


def _loop(killer: Killer, folder: Path, world: World, wanted: int) -> None:
    prepare(folder / "whole", world)
    killer.undisturbed(folder / "whole")
    expected = sample_lines(folder / "whole")
    print(f"undisturbed: {len(expected):,} samples, {killer.seconds:.0f} s", flush=True)
    run = 0
    while killer.kills.total() < wanted:
        run += 1
        directory = folder / f"killed-{run}"
        prepare(directory, world)
        started = time.monotonic()
        hits = killer.run(directory, KILLS_A_RUN)
        same = sample_lines(directory) == expected
        print(f"run {run}: {hits} kills, {time.monotonic() - started:.0f} s, same samples: {same}", flush=True)
        assert same
    print("kills:", ", ".join(f"{count} of a {kind}" for kind, count in sorted(killer.kills.items())))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
