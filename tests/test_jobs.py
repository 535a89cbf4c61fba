"""The road on a real cluster: `ray start --head`, then `ray job submit` of an entry point."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from goat_ray.records import CallPlan
from goat_ray.storage import open_dataset

ROOT = Path(__file__).resolve().parents[1]
RAY = str(Path(sys.executable).with_name("ray"))

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
    gcs, dashboard, client, agent, agent_grpc = free_ports(5)
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    process = subprocess.Popen(
        [
            *(RAY, "start", "--head", "--block", "--num-cpus=6", "--disable-usage-stats", f"--port={gcs}"),
            *(f"--dashboard-port={dashboard}", "--dashboard-host=127.0.0.1", f"--ray-client-server-port={client}"),
            # Other clusters on this machine, such as the test session's, hold the default ports.
            *(f"--dashboard-agent-listen-port={agent}", f"--dashboard-agent-grpc-port={agent_grpc}"),
            f"--temp-dir={tmp_path.parent / 'r'}",  # socket paths have a limit of 107 characters
        ],
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(process, dashboard)
        yield f"http://127.0.0.1:{dashboard}"
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGTERM)
        for member in psutil.wait_procs(family, timeout=5)[1]:
            member.kill()
        process.wait(30)


def wait_for(process: "subprocess.Popen[bytes]", port: int) -> None:
    for _ in range(120):
        assert process.poll() is None, "ray start ended"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/gcs_healthz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.5)
    pytest.fail("the cluster did not come up")


def submit(address: str, *entrypoint: str) -> "subprocess.CompletedProcess[str]":
    """Submit and wait; the node's agent may come up some seconds after the head says that it is healthy."""
    for _ in range(10):
        result = submit_once(address, *entrypoint)
        if "No available agent" not in result.stdout + result.stderr:
            break
        time.sleep(2)
    return result


def submit_once(address: str, *entrypoint: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [RAY, "job", "submit", "--address", address, "--working-dir", ".", "--", sys.executable, *entrypoint],
        cwd=ROOT,
        env={**os.environ, "RAY_AUTH_MODE": "disabled"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def test_a_job_runs_part_of_the_road_and_fails_loudly(head: str, tmp_path: Path) -> None:
    config = ["--config", "configs/demo.yaml", "--set", f"run.directory={tmp_path / 'run'}"]

    done = submit(head, "jobs/sample.py", *config, "--set", "sampling.plans=50")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "succeeded" in done.stdout
    assert open_dataset(tmp_path / "run" / "plans", CallPlan).rows > 40

    failed = submit(head, "jobs/ingest.py", *config, "--set", "documents.paths=[nowhere]")
    assert failed.returncode != 0
    assert "no file is at 'nowhere'" in failed.stdout + failed.stderr
