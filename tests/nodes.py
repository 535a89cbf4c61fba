"""A Ray cluster of several nodes on this machine, whose nodes can be killed and replaced."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
from ray.cluster_utils import Cluster

AT_WORK = ("ray::MapWorker", "ray::_MapWorker", "ray::RayTrainWorker", "ray::_RayTrainWorker")
STORE = 200 << 20  # bytes of each node's object store
SOON = {"health_check_period_ms": 1000, "health_check_failure_threshold": 3}
"""A killed node is missed after three seconds, not fifteen; how long an answer may take stays as it is."""


class Nodes:
    """A head that does no work, as in production, and worker nodes; each is a raylet with processes of its own."""

    def __init__(self, workers: int, **each: Any) -> None:
        self._each = {"num_cpus": 3, "object_store_memory": STORE, **each}
        head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False, "_system_config": SOON}
        # It writes its address where any ``ray.init()`` of this machine would find it, and join.
        with patch("ray._private.utils.write_ray_address"):
            self._cluster = Cluster(initialize_head=True, head_node_args=head, shutdown_at_exit=True)
        self.workers: list[Any] = []
        for _ in range(workers):
            self.add()

    @property
    def address(self) -> str:
        """Where drivers connect."""
        return str(self._cluster.gcs_address)

    def add(self, **different: Any) -> Any:
        """Start one more worker node, like the others in all that is not said."""
        node = self._cluster.add_node(**{**self._each, **different})
        self.workers.append(node)
        return node

    def kill(self, node: Any) -> None:
        """Kill a node's raylet, and with it all its processes and objects, as a machine that loses power."""
        self.workers.remove(node)
        self._cluster.remove_node(node, allow_graceful=False)

    def replace(self, node: Any) -> None:
        """Kill a node and start another one, as an autoscaler does."""
        self.kill(node)
        self.add()

    def replace_any(self, random_: random.Random) -> None:
        """The same with one of the worker nodes."""
        self.replace(random_.choice(self.workers))

    def at_work(self) -> Any | None:
        """A worker node on which a process runs a stage or trains; None where there is none."""
        for node in self.workers:
            for process in _below(node):
                with suppress(psutil.Error):  # it has ended meanwhile
                    if " ".join(process.cmdline()).startswith(AT_WORK):
                        return node
        return None

    def shutdown(self) -> None:
        """End all processes of the cluster, gently; nobody is connected any more."""
        self._cluster.shutdown()

    def rss(self) -> int:
        """Bytes of resident memory that all processes of the cluster take, shared pages counted once for each."""
        return sum(_rss(process) for process in psutil.Process().children(recursive=True))


def _below(node: Any) -> list[psutil.Process]:
    """The processes that a node's raylet has started."""
    try:
        return psutil.Process(node.all_processes["raylet"][0].process.pid).children(recursive=True)
    except psutil.Error:
        return []


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has ended meanwhile
        return 0


@contextmanager
def started(workers: int, **each: Any) -> Iterator[Nodes]:
    """A cluster that ends with the block, and all its processes with it."""
    # Children of the raylets import the tests' steps, and know what a driver would have set for them.
    root = str(Path(__file__).resolve().parents[1])
    settings = {"PYTHONPATH": root, "RAY_AUTH_MODE": "disabled", "TOKENIZERS_PARALLELISM": "false"}
    with patch.dict(os.environ, settings):
        nodes = Nodes(workers, **each)
        try:
            yield nodes
        finally:
            nodes.shutdown()
