"""Several nodes: stages stay in their pools, and killed nodes leave no trace in what is made.

`tests/benchmarks/kill_loop.py` kills more.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from goat_ray.records import Sample
from goat_ray.storage import MANIFEST, UNFINISHED, open_dataset
from tests.killing import sample_lines
from tests.nodes import Nodes, started

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1500)]  # five minutes beside other tests

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 240.0  # for a stage to come to its place
STAGES = ("embeddings", "verified", "edges", "traces", "narrated")
BEFORE = (
    *("documents", "functions", "texts", "embeddings", "neighbours", "candidates"),
    *("function_texts", "function_embeddings", "function_neighbours"),
)
"""What need not be made a second time where nobody is killed in it."""

POOL, OTHER = {"pool_cpu": 1.0}, {"pool_other": 1.0}


@pytest.fixture(scope="module")
def nodes(private_home: None) -> Iterator[Nodes]:
    """A head without CPUs, one node of a pool, with two CPUs, and one that no stage may use."""
    with started(1, num_cpus=2, resources=POOL) as cluster:
        cluster.add(resources=OTHER)
        yield cluster


@pytest.fixture
def road(nodes: Nodes, tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Starts a driver of a small road in a folder below this one."""
    training = {
        "epochs": 1,
        "checkpoint_every": 3,
        "log_every": 1,
        "workers": 1,
        "placement": {"pool": "pool_cpu"},
        "tiny": {"hidden": 32, "layers": 2, "heads": 2, "vocabulary": 512, "context": 1024},
    }
    stage = {"pool": "pool_cpu"}
    demo = yaml.safe_load((ROOT / "configs" / "demo.yaml").read_text())
    config = {
        "cluster": {"address": nodes.address, "stages": {"default": stage, "verify": {**stage, "workers": 8}}},
        "documents": {"paths": [str(ROOT / "configs" / "demo" / "documents" / "travel.yaml")]},
        "sampling": {"plans": 60},
        "synthesis": {"paraphrases": 0},
        "agent": demo["agent"],
        "training": {**demo["training"], "agent": {**demo["training"]["agent"], **training}},
    }

    def start(part: str, run: str) -> "subprocess.Popen[str]":
        file = tmp_path / f"{run}.yaml"
        file.write_text(json.dumps({**config, "run": {"directory": str(tmp_path / run)}}))
        log = (tmp_path / f"{run}.log").open("w")
        command = [sys.executable, "-m", "goat_ray.jobs", part, "--config", str(file)]
        return subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=log, stderr=log, text=True)

    return start


@pytest.mark.parametrize("killed_in", [("verified", "traces"), pytest.param(STAGES, marks=pytest.mark.soak)])
def test_killed_nodes_leave_no_trace(
    nodes: Nodes, road: Callable[..., "subprocess.Popen[str]"], tmp_path: Path, killed_in: tuple[str, ...]
) -> None:
    """The undisturbed run has two logical CPUs in all; each kill hits a worker of the pool at its work."""
    (other,) = [node for node in nodes.workers if "pool_other" in node.get_resource_and_label_spec().resources]
    whole = road("synthesize", "whole")
    assert whole.wait(2 * LIMIT_S) == 0, said(tmp_path / "whole.log")

    if killed_in[0] not in BEFORE:
        for dataset in BEFORE:
            shutil.copytree(tmp_path / "whole" / dataset, tmp_path / "killed" / dataset)
    nodes.add()
    driver, run, log = road("train_agent", "killed"), tmp_path / "killed", tmp_path / "killed.log"
    try:
        for dataset in killed_in:
            node = wait_for(driver, log, lambda name=dataset: working_on(nodes, run / name), f"work on {dataset}")
            assert not (run / dataset / MANIFEST).exists()
            assert node is not other
            nodes.replace(node)
        wait_for(driver, log, lambda: checkpoints(run), "a checkpoint")
        node = wait_for(driver, log, nodes.at_work, "a training worker")
        assert not (run / "agent").exists()
        assert node is not other
        nodes.replace(node)
        assert driver.wait(2 * LIMIT_S) == 0, said(log)
    finally:
        driver.kill()

    samples = open_dataset(run / "samples", Sample)
    ids = [sample.id for sample in samples.records()]
    assert len(ids) == len(set(ids)) > 10
    assert sample_lines(run) == sample_lines(tmp_path / "whole")
    report = json.loads((run / "agent" / "training.json").read_text())["report"]
    assert 0 < report["resumed_at"] < report["steps"]
    steps = [json.loads(line)["step"] for line in (run / "agent" / "losses.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps)) and steps[-1] == report["steps"]


def wait_for(driver: "subprocess.Popen[str]", log: Path, condition: Callable[[], object], what: str) -> object:
    """The first true value of a condition."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert driver.poll() is None, f"the driver ended before {what}: {said(log)}"
        assert time.monotonic() < deadline, f"no {what} after {LIMIT_S} s"
        time.sleep(0.05)
    return found


def working_on(nodes: Nodes, folder: Path) -> object:
    """The node of a worker, once this dataset has begun; the workers of the one before are gone by then."""
    return nodes.at_work() if (folder / UNFINISHED).exists() else None


def checkpoints(run: Path) -> list[Path]:
    """Ray Train's account of the finished ones, which appears with the first."""
    return list((run / "checkpoints").glob("agent-*/checkpoint_manager_snapshot.json"))


def said(log: Path) -> str:
    return log.read_text()[-2000:]
