"""A Ray cluster as people start one by hand: `ray start` processes with a token, one for each node."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from tests.conftest import ROOT, free_ports

BIN = Path(sys.executable).parent
TOKEN = "0123456789abcdef0123456789abcdef"
TRIES = 3  # Ray gives up after half a minute, too short beside other tests; and free ports may be taken meanwhile
START_S = 150.0  # for a node to come up; beside other tests one once took more than a minute
STORE = 200 << 20  # bytes of each node's object store
LIMIT_S = 900.0  # for a command; at a load of 38 on two cores a training once took more than 400


class NotUp(Exception):
    """A node did not come up; says what the nodes wrote last."""


class Nodes:
    """A head that does no work, as in production, and the worker nodes that join it."""

    def __init__(self, folder: Path, redis: str = "") -> None:
        """``folder`` takes logs and sockets, whose paths have a limit of 107 characters.

        With the address of a Redis server the head keeps its state there.
        """
        self._folder = folder
        self._settings = {"RAY_REDIS_ADDRESS": redis} if redis else {}
        self._processes: list[psutil.Popen] = []
        self._started = 0  # of the processes, the dead included
        self._number = 0  # of nodes that have come up
        gcs, dashboard, client = free_ports(3)
        self.address, self._gcs = f"http://127.0.0.1:{dashboard}", f"127.0.0.1:{gcs}"
        ports = f"--port={gcs}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"
        self._head = "--head", "--num-cpus=0", "--dashboard-host=127.0.0.1", *ports

    def start(self, workers: Sequence[int]) -> None:
        """Start the head, and worker nodes with so many logical CPUs each; raises ``NotUp``."""
        self._start(*self._head)
        for cpus in workers:
            self._start(f"--address={self._gcs}", f"--num-cpus={cpus}")

    def kill_worker(self) -> None:
        """Kill all processes of the node that joined first."""
        _kill(self._processes.pop(1))
        self._number -= 1

    def restart_head(self) -> None:
        """Kill all processes of the head, drivers among them, and start one that takes its place."""
        _kill(self._processes.pop(0))
        self._number -= 1
        for tries_left in reversed(range(TRIES)):
            try:
                self._start(*self._head)
            except NotUp:
                if not tries_left:
                    raise
            else:
                self._processes.insert(0, self._processes.pop())
                return

    def live(self) -> bool:
        """Whether none of the nodes has ended by itself."""
        return all(process.poll() is None for process in self._processes)

    def kill(self) -> None:
        """Kill all processes of the cluster, the head's first, as a power cut does; none but those it started."""
        for process in self._processes:
            _kill(process)
        self._processes.clear()

    def _start(self, *options: str) -> None:
        """Start a node; raises ``NotUp``, and what is left of one that did not come up is gone."""
        agent, agent_grpc = free_ports(2)  # other clusters on this machine hold the default ports
        # Each node has a folder of its own: in a common one each would unpack a job's files over those of the others.
        folder = self._folder / str(self._started)
        folder.mkdir()
        self._started += 1
        # fmt: off
        command = [
            str(BIN / "ray"), "start", "--block", "--disable-usage-stats", "--node-ip-address=127.0.0.1",
            f"--dashboard-agent-listen-port={agent}", f"--dashboard-agent-grpc-port={agent_grpc}",
            "--min-worker-port=0", "--max-worker-port=0", f"--object-store-memory={STORE}", f"--temp-dir={folder}",
        ]
        # fmt: on
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # of the nodes, on which a job's `python` is found
        with (self._folder / "log").open("ab") as log:
            process = psutil.Popen(
                [*command, *options],
                env={**authorized(), **self._settings, "PATH": path},
                start_new_session=True,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        if not self._comes_up():
            _kill(self._processes.pop())
            raise NotUp(f"{' '.join(options)}: " + (self._folder / "log").read_text()[-3000:])
        self._number += 1

    def _comes_up(self) -> bool:
        """Whether the cluster has one node more; False where one has ended, or it took too long."""
        deadline = time.monotonic() + START_S
        while self.live() and time.monotonic() < deadline:
            if self._alive() > self._number:
                return True
            time.sleep(0.5)
        return False

    def _alive(self) -> int:
        """The number of nodes that the dashboard knows to be alive."""
        request = urllib.request.Request(
            f"{self.address}/nodes?view=summary", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                found = json.load(answer)["data"]["summary"]
        except (urllib.error.URLError, OSError, ValueError):
            return 0
        return sum(node["raylet"].get("state") == "ALIVE" for node in found)


def _kill(process: psutil.Popen) -> None:
    """Kill a process and all below it."""
    family = [process]
    with suppress(psutil.NoSuchProcess):  # it has ended by itself
        family += process.children(recursive=True)
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait(30)


@contextmanager
def started(*workers: int, redis: str = "") -> Iterator[Nodes]:
    """A head and worker nodes with so many logical CPUs each; all of it ends with the block."""
    with ExitStack() as stack:
        for tries_left in reversed(range(TRIES)):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True))
            nodes = Nodes(Path(folder), redis)
            stack.callback(nodes.kill)
            try:
                nodes.start(workers)
                break
            except NotUp:  # whichever node it was: a head on a port that was taken meanwhile lets no other in
                if not tries_left:
                    raise
                nodes.kill()
        yield nodes


def authorized() -> dict[str, str]:
    """The environment of whoever has the cluster's token."""
    return {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}


def call(command: Sequence[str], environment: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a command of the installation to its end."""
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=ROOT,
        env=environment or authorized(),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
