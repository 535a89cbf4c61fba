"""What each stage of a road takes on one core and on two: the same road with the cores that `taskset` leaves it.

.venv/bin/python -m tests.benchmarks.bench_cores configs/demo.yaml --set sampling.plans=300

"At work" is from a stage's first batch to its last, and a training's steps; the wall also sees workers start and models
load. Logical CPUs are the same on any number of cores, and so are the workers.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goat_ray.storage import MANIFEST
from goat_ray.training.publishing import RECORD

GOAT = Path(sys.executable).with_name("goat")
TRAININGS = ("retriever", "agent")


def measured(command: Sequence[str], cores: int, run: Path) -> dict[str, tuple[float, float]]:
    """(seconds at work, of the wall) by stage, in the order in which they ended, from a run on so many cores.

    0 at work: the driver does it, and nothing starts. Raises ``CalledProcessError`` where the run fails.
    """
    command = ["taskset", "-c", f"0-{cores - 1}", str(GOAT), *command, "--set", f"run.directory={run}"]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=sys.stderr)
    whole = time.perf_counter() - began
    manifests = [(file.parent.name, _read(file)) for file in run.glob(f"*/{MANIFEST}")]
    manifests.sort(key=lambda pair: pair[1]["finished"])
    stages = {name: (made["seconds_at_work"], made["seconds"]) for name, made in manifests}
    for training in (run / name / RECORD for name in TRAININGS):
        if training.exists():
            stages[training.parent.name] = (_read(training)["report"]["seconds"], 0.0)
    return {**stages, "all": (0.0, whole)}


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_bytes())
    return found


def _cells(seconds: list[float]) -> str:
    """Each of a stage's figures, and the first in shares of the last; nothing where nothing was measured."""
    if not all(seconds):
        return " " * (9 * len(seconds) + 7)
    return "".join(f"{one:>9.2f}" for one in seconds) + f"{seconds[0] / seconds[-1]:>7.2f}"


def main() -> None:
    """Print one line for each stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--part", default="run", help="the command of goat, such as synthesize")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--set", dest="changes", action="append", default=[])
    options = parser.parse_args()
    command = [options.part, options.config, *(word for change in options.changes for word in ("--set", change))]
    with tempfile.TemporaryDirectory() as folder:
        runs = [measured(command, cores, Path(folder) / f"cores-{cores}") for cores in options.cores]
    heads = "".join(f"{f'{cores} cores':>9}" for cores in options.cores) + "  ratio"
    print(f"{'seconds':<22}{'at work: ':<9}{heads}{'  wall: '}{heads}")
    for stage in runs[-1]:
        at_work, wall = ([run[stage][kind] for run in runs] for kind in (0, 1))
        print(f"{stage:<31}{_cells(at_work)}        {_cells(wall)}".rstrip())


if __name__ == "__main__":
    main()
