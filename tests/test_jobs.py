"""The road on a real cluster: `ray start --head`, then `ray job submit` of an entry point."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from goat_ray.records import CallPlan
from goat_ray.storage import open_dataset

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
TOKEN = "0123456789abcdef0123456789abcdef"

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture
def head(tmp_path: Path) -> Iterator[str]:
    """The dashboard address of a cluster of its own, ended by the pids that it started and no others."""
    folder = tmp_path.parent / "r"  # socket paths have a limit of 107 characters
    for _ in range(3):  # a port that was free may be another cluster's by the time that this one takes it
        process, dashboard = start(folder)
        if comes_up(process, dashboard):
            break
        end(process)
    else:
        pytest.fail("no cluster came up: " + (folder / "head.log").read_text()[-3000:])
    yield f"http://127.0.0.1:{dashboard}"
    end(process)


def start(folder: Path) -> "tuple[subprocess.Popen[bytes], int]":
    """`ray start --head` and the port of its dashboard; other clusters on this machine hold the default ports."""
    gcs, dashboard, client, agent, agent_grpc = free_ports(5)
    command = [
        *(str(BIN / "ray"), "start", "--head", "--block", "--num-cpus=6", "--disable-usage-stats", f"--port={gcs}"),
        *(f"--dashboard-port={dashboard}", "--dashboard-host=127.0.0.1", f"--ray-client-server-port={client}"),
        *(f"--dashboard-agent-listen-port={agent}", f"--dashboard-agent-grpc-port={agent_grpc}"),
        f"--temp-dir={folder}",
    ]
    folder.mkdir(exist_ok=True)
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # of the nodes, on which a job's `python` is found
    with (folder / "head.log").open("wb") as log:
        environment = {**authorized(), "PATH": path}
        process = subprocess.Popen(command, env=environment, start_new_session=True, stdout=log, stderr=log)
    return process, dashboard


def comes_up(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Whether the cluster answers; False where it ended, or has not answered after five minutes."""
    for _ in range(600):  # beside other tests a cluster once took more than a minute
        if process.poll() is not None:
            return False
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/gcs_healthz", timeout=5) as answer:
                if answer.status == 200:
                    return True
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.5)
    return False


def end(process: "subprocess.Popen[bytes]") -> None:
    """The cluster's processes asked, then made, to end; what is left of one that ended by itself too."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    for member in psutil.wait_procs(family, timeout=5)[1]:
        member.kill()
    process.wait(30)


def authorized() -> dict[str, str]:
    return {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}


def call(
    command: Sequence[str], environment: dict[str, str] | None = None, cwd: Path = ROOT
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=cwd,
        env=environment or authorized(),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def test_jobs_run_once_and_fail_loudly(head: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = ["configs/demo.yaml", "--set", f"run.directory={run}"]
    goat = ["goat", "submit", *config, "--address", head, "--part", "sample", "--set", "sampling.plans=50"]

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

    job = ["--address", head, "--working-dir", ".", "--", "python", "jobs/graph.py", "--config", *config]
    failed = call(["ray", "job", "submit", *job, "--set", "documents.paths=[nowhere]"])
    assert failed.returncode != 0
    assert "no file is at 'nowhere'" in failed.stdout + failed.stderr
    report = json.loads((run / "failure.json").read_text())
    assert "no file is at 'nowhere'" in report["error"] and report["remedy"]
    assert report["part"] == "graph" and report["finished"]["functions"]["rows"] == 55
