"""The road by `ray job submit`, on clusters of `ray start` processes: a head without CPUs, and a worker node."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from goat_ray.records import CallPlan, Sample
from goat_ray.storage import MANIFEST, UNFINISHED, open_dataset
from tests.conftest import ROOT, free_port
from tests.killing import sample_lines
from tests.ray_start import BIN, Nodes, authorized, call, started

pytestmark = [pytest.mark.ray, pytest.mark.slow]

CONFIG = "configs/demo.yaml"
SMALL = (
    "documents.paths=[configs/demo/documents/travel.yaml]",
    "sampling.plans=60",
    "synthesis.paraphrases=0",
    "training.agent.epochs=1",
    "training.agent.tiny={hidden: 32, layers: 2, heads: 2, vocabulary: 512, context: 1024}",
    "training.agent.workers=1",
    "training.retriever.workers=1",
    "training.agent.checkpoint_every=1000",
    "evaluation.samples=3",
    "evaluation.cpus=1",  # of two in all, and reading and writing take some
    "agent.plan_tokens=24",
    "agent.call_tokens=24",
    "agent.answer_tokens=8",
)
MADE_BY = {
    "ingest": "functions",
    "graph": "edges",
    "sample": "plans",
    "synthesize": "samples",
    "train": "agent",
    "evaluate": "scores",
}
LIMIT_S = 300.0  # for a job to come to a step


@pytest.fixture(scope="module")
def nodes(private_home: None) -> Iterator[Nodes]:
    """Two logical CPUs in all."""
    with started(2) as cluster:
        yield cluster


def settings(run: Path, *changes: str) -> list[str]:
    """The options of a command that works in a run directory."""
    return [word for change in (f"run.directory={run}", *changes) for word in ("--set", change)]


def test_jobs_run_once_and_fail_loudly(nodes: Nodes, tmp_path: Path) -> None:
    run = tmp_path / "run"
    goat = ["goat", "submit", CONFIG, *settings(run, "sampling.plans=50"), "--address", nodes.address]
    goat += ["--part", "sample"]

    stranger = call(goat, {**os.environ, "RAY_AUTH_MODE": "disabled"})
    assert stranger.returncode == 1
    assert "RAY_AUTH_TOKEN" in stranger.stderr and stranger.stderr.count("\n") == 1

    sent = call([*goat, "--detach"])
    assert sent.returncode == 0, sent.stdout + sent.stderr
    followed = call(goat)  # the job that runs already
    assert followed.returncode == 0, followed.stdout + followed.stderr
    assert "plans" in followed.stdout and "succeeded after" in followed.stdout
    assert open_dataset(run / "plans", CallPlan).rows > 40
    (job,) = {line.split(":")[0] for line in (sent.stdout + followed.stdout).splitlines() if line.startswith("goat-")}
    assert job.startswith("goat-sample-") and job.endswith("-1")
    assert f"{job}: sent before, succeeded" in call(goat).stdout

    failed = submitted(nodes, "graph", settings(run, "documents.paths=[nowhere]"))
    assert failed.returncode != 0
    assert "no file is at 'nowhere'" in failed.stdout + failed.stderr
    report = json.loads((run / "failure.json").read_text())
    assert "no file is at 'nowhere'" in report["error"] and report["remedy"]
    assert report["part"] == "graph" and report["finished"]["functions"]["rows"] == 55


def submitted(nodes: Nodes, script: str, options: list[str]) -> "subprocess.CompletedProcess[str]":
    """`ray job submit` of an entry point, up to its end."""
    job = ["python", f"jobs/{script}.py", "--config", CONFIG, *options]
    return call(["ray", "job", "submit", "--address", nodes.address, "--working-dir", ".", "--", *job])


@pytest.mark.soak
@pytest.mark.train
@pytest.mark.timeout(2000)
def test_each_script_does_its_part(nodes: Nodes, tmp_path: Path) -> None:
    """One after the other in one run directory; the whole road then finds everything done."""
    assert {path.stem for path in (ROOT / "jobs").glob("*.py")} == {*MADE_BY, "pipeline"}
    run = tmp_path / "run"
    for script, dataset in MADE_BY.items():
        assert not (run / dataset).exists()
        made = submitted(nodes, script, settings(run, *SMALL))
        assert made.returncode == 0, made.stdout[-3000:] + made.stderr[-3000:]
        assert "Traceback" not in made.stdout and not (run / "failure.json").exists()
        assert (run / dataset / ("training.json" if dataset == "agent" else MANIFEST)).exists()
    before = written(run)
    whole = submitted(nodes, "pipeline", settings(run, *SMALL))
    assert whole.returncode == 0, whole.stdout[-3000:] + whole.stderr[-3000:]
    assert whole.stdout.count("finished before") >= 10 and "\nDone\n" in whole.stdout
    assert written(run) == before


@pytest.mark.soak
@pytest.mark.timeout(2000)
def test_a_new_cluster_goes_on_where_a_dead_one_was(private_home: None, tmp_path: Path) -> None:
    """As KubeRay's backoffLimit does it: head, driver and workers are killed, the same is sent to another cluster."""
    run, whole = tmp_path / "run", tmp_path / "whole"
    with started(2) as nodes:
        command = [*synthesize(run), "--address", nodes.address]
        with following(command) as follower:
            wait_for(follower, (run / "traces" / UNFINISHED).exists)
            nodes.kill()
            follower.kill()
    assert not (run / "traces" / MANIFEST).exists() and not (run / "samples").exists()
    before = written(run)
    assert before

    with started(2) as nodes:
        made = call([*synthesize(run), "--address", nodes.address])
        assert made.returncode == 0, made.stdout[-3000:] + made.stderr[-3000:]
        assert "-1: sent\n" in made.stdout and "finished before" in made.stdout  # this cluster knows of no job
        assert before.items() <= written(run).items()
        undisturbed = call([*synthesize(whole), "--address", nodes.address])
        assert undisturbed.returncode == 0, undisturbed.stdout[-3000:] + undisturbed.stderr[-3000:]
    assert sample_lines(run) == sample_lines(whole) != []
    ids = [sample.id for sample in open_dataset(run / "samples", Sample).records()]
    assert len(ids) == len(set(ids))


@pytest.mark.soak
@pytest.mark.timeout(2400)
def test_workers_outlive_a_head_that_is_restarted(private_home: None, tmp_path: Path) -> None:
    """First one of two workers is killed, which the job survives; then the head, and with it the driver."""
    if shutil.which("redis-server") is None:
        pytest.skip(
            "needs Debian's redis-server, in which a head keeps its state; make install brings Python packages only"
        )
    run, whole = tmp_path / "run", tmp_path / "whole"
    with redis_server(tmp_path) as redis, started(2, 2, redis=redis) as nodes:
        undisturbed = call([*synthesize(whole), "--address", nodes.address])
        assert undisturbed.returncode == 0, undisturbed.stdout[-3000:] + undisturbed.stderr[-3000:]
        command = [*synthesize(run), "--address", nodes.address]
        with following(command) as follower:
            wait_for(follower, (run / "edges" / UNFINISHED).exists)
            nodes.kill_worker()
            wait_for(follower, (run / "traces" / UNFINISHED).exists)
            nodes.restart_head()
            said, _ = follower.communicate(timeout=LIMIT_S)
            assert follower.returncode != 0 and "submit the same again" in said, said
        assert not (run / "samples").exists()
        made = call(command)
        assert made.returncode == 0, made.stdout[-3000:] + made.stderr[-3000:]
        assert "-2: sent\n" in made.stdout and "finished before" in made.stdout
        assert nodes.live()
    assert sample_lines(run) == sample_lines(whole) != []


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A server that keeps nothing on disk; its address."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def following(command: Sequence[str]) -> "subprocess.Popen[str]":
    """A process that sends a job and passes on what it says."""
    return subprocess.Popen(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT, env=authorized(), stdout=subprocess.PIPE, text=True
    )


def synthesize(run: Path) -> list[str]:
    """The command that sends the synthesis and follows it."""
    return ["goat", "submit", CONFIG, "--part", "synthesize", *settings(run, *SMALL)]


def written(run: Path) -> dict[str, int]:
    """When each Parquet file of a run was written."""
    return {str(file.relative_to(run)): file.stat().st_mtime_ns for file in run.rglob("*.parquet")}


def wait_for(follower: "subprocess.Popen[str]", condition: Callable[[], bool]) -> None:
    """Until the job that somebody follows has come so far."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert follower.poll() is None, follower.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
