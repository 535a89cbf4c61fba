"""Local clusters that goat starts: closed to others, whatever the environment says nothing about."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from goat_ray.cluster import ClusterConfig, connect
from goat_ray.errors import RunError

SCRIPT = """
import atexit, os, signal, time
import ray
from goat_ray.cluster import ClusterConfig, connect
connect(ClusterConfig(local_cpus=1))
print("token", ray._raylet.get_authentication_mode() == ray._raylet.AuthenticationMode.TOKEN)
print("dashboard", repr(ray._private.worker._global_node.webui_url), flush=True)

@ray.remote
def fail():
    raise ValueError("as a task does that is stopped in the middle")

def leave():
    ray.wait([fail.remote()])
    time.sleep(1)

atexit.register(leave)  # runs before Ray's own
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
"""


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://localhost:1", "no-such-host.invalid:6379"])
def test_a_cluster_that_is_not_there_is_one_clear_error(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)  # the session's cluster may be at hand
    with pytest.raises(RunError, match=r"there is no Ray cluster to join.*cluster\.address") as caught:
        connect(ClusterConfig(address=address))
    assert caught.value.place == address


def test_a_local_cluster_that_does_not_start_is_one_clear_error(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 110)  # sockets lie below it, and their paths have a limit of 107 characters
    script = "from goat_ray.cluster import ClusterConfig, connect; connect(ClusterConfig(local_cpus=1))"
    environment = {**os.environ, "RAY_TMPDIR": str(long), "HOME": str(tmp_path)}
    long.mkdir()
    said = subprocess.run(
        [sys.executable, "-c", script], check=False, env=environment, capture_output=True, text=True, timeout=120
    )
    assert said.returncode != 0
    assert "RunError: Ray did not start on this machine" in said.stderr.splitlines()[-1]


@pytest.mark.parametrize("failures", [1, 2])
def test_a_port_that_was_taken_meanwhile_is_tried_once_more(failures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[int] = []

    def init(**options: object) -> None:
        starts.append(1)
        if len(starts) <= failures:
            raise Exception("The current node timed out during startup.")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr("goat_ray.cluster.end_in_order", lambda: None)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if failures < 2:
        connect(ClusterConfig(local_cpus=1))
    else:
        with pytest.raises(RunError, match="timed out during startup"):
            connect(ClusterConfig(local_cpus=1))
    assert len(starts) == 2


@pytest.mark.ray
@pytest.mark.slow
def test_a_local_cluster_wants_a_token_has_no_dashboard_and_ends_in_order(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path)}
    environment.pop("RAY_AUTH_MODE", None)
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], check=False, env=environment, capture_output=True, text=True, timeout=120
    )
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGTERM, ""), "no stack trace of Ray's"
    said = ended.stdout
    assert "token True" in said
    token = tmp_path / ".ray" / "auth_token"
    assert len(token.read_text()) >= 32
    assert token.stat().st_mode & 0o077 == 0, "nobody else may read it"
    assert "dashboard ''" in said or "dashboard None" in said
