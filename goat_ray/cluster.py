"""The Ray cluster to work on: the one at hand, or a local one."""

import logging
import math
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import ray
from pydantic import Field, field_validator
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from goat_ray.errors import RunError
from goat_ray.logs import Level
from goat_ray.placement import Node, Placement
from goat_ray.settings import Settings
from goat_ray.step import Resources

MIN_LOCAL_CPUS = 6
"""Logical CPUs of a local cluster, at least. A streaming pipeline needs a reader, a worker and a
writer at once and training needs two workers beside its data feed; with fewer they starve each other
without an error. The operating system shares the real cores."""

_REACHABLE_S = 10.0  # for a first connection to a cluster's address
_STARTS = 2  # of a local cluster
_NODE_ID = "ray.io/node-id"


class NodesOnDemand(Settings):
    """Nodes of one kind that the cluster's autoscaler starts when work asks for them."""

    count: int = Field(ge=1, description="At most so many, with those that run already.")
    resources: dict[str, float] = Field(description="By Ray's names, such as {CPU: 16, GPU: 1, pool_engine: 1}.")
    labels: dict[str, str] = {}

    def fits(self, node: Node) -> bool:
        """Whether a node may be one of these."""
        enough = all(node.resources.get(name, 0.0) >= amount for name, amount in self.resources.items())
        return enough and self.labels.items() <= node.labels.items()


StageName = Literal[
    "default", "ingest", "embed", "verify", "execute", "draw", "call", "narrate", "examine", "format", "predict"
]  # fmt: skip
_ELSEWHERE = {"embed": "graph.embedding", "predict": "evaluation"}  # stages whose measure has keys of its own


class StageConfig(Placement):
    """One stage on Ray Data: where its workers may be, how many there may be, and what each takes."""

    cpus: float | None = Field(None, gt=0, description="Null: the stage's own measure, which is one for most.")
    workers: int | None = Field(None, ge=1, description="At most so many. Null: as many as the cluster has room for.")


class ClusterConfig(Settings):
    """Where to run."""

    address: str = ""  # empty: RAY_ADDRESS or the job's cluster if there is one, else a local cluster
    local_cpus: int | None = None  # logical CPUs of a local cluster
    on_demand: list[NodesOnDemand] = Field(
        [], description="What an autoscaler may add. Ray's own do not tell, and what is not here counts as not there."
    )
    patience_s: float = Field(
        300.0, gt=0, description="For a stage's first worker. Nodes that are started on demand may take longer."
    )
    log_level: Level | None = Field(
        None, description="Of the structured logs, one JSON object a line on stderr. DEBUG names each dropped record."
    )
    stages: dict[StageName, StageConfig] = Field(
        {}, description="By name of the stage; what is said under 'default' holds for all that have no entry."
    )

    @field_validator("stages")
    @classmethod
    def _no_second_way(cls, stages: dict[StageName, StageConfig]) -> dict[StageName, StageConfig]:
        for name, section in _ELSEWHERE.items():
            for key in ("cpus", "workers"):
                if (stage := stages.get(name)) is not None and getattr(stage, key) is not None:  # type: ignore[call-overload]
                    raise ValueError(f"{name}.{key} does not belong here; set {section}.{key} instead")
        return stages

    def resources(self, name: str, own: Resources) -> Resources:
        """What a worker of a stage takes, given what the stage would take by itself."""
        stages: dict[Any, StageConfig] = dict(self.stages)
        stage = stages.get(name) or stages.get("default")
        if stage is None:
            return own
        return replace(own, cpus=stage.cpus or own.cpus, workers=stage.workers or own.workers, placement=stage)


_on_demand: list[NodesOnDemand] = []  # of the cluster that this process is connected to


def connect(config: ClusterConfig) -> None:
    """Connect to a running cluster or start a local one; does nothing if already connected."""
    _on_demand[:] = config.on_demand
    if ray.is_initialized():
        return
    # Children inherit these: no fork warnings from tokenizers, no notices of changes to come.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # OpenMP threads that wait must not spin: on a busy machine that makes a training step ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # Ray prints an alarming C++ line for every actor of Ray Data (ray#53727). Set the variable to see them.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    # A pipeline starts more processes at once than a small machine has cores; that is no news to anyone.
    os.environ.setdefault("RAY_worker_maximum_startup_concurrency", "16")
    # Ray's head remembers 100,000 finished tasks, which grew by 25 MB with every round of a large corpus.
    os.environ.setdefault("RAY_task_events_max_num_task_in_gcs", "10000")
    address = config.address or os.environ.get("RAY_ADDRESS", "")
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    with warnings.catch_warnings(), _native_stderr_closed():
        warnings.simplefilter("ignore", FutureWarning)
        if address:
            _join(address, quiet)
        else:
            cpus = config.local_cpus or max(os.cpu_count() or 1, MIN_LOCAL_CPUS)
            _start(cpus, quiet)
    end_in_order()
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # the runner reports what fails, in one line


def end_in_order() -> None:
    """Have SIGTERM end the process as ``sys.exit`` does: what is held is released, the status says so, no more.

    Ray means to do the same, but then its C++ part takes the signal, prints a stack trace and may abort.
    """

    def end(number: int, _: object) -> None:
        os.environ["RAY_IGNORE_UNHANDLED_ERRORS"] = "1"  # of tasks that end with us
        sys.exit(128 + number)  # as shells report it

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)


def nodes() -> list[Node]:
    """The nodes of the cluster, and those that its autoscaler may add to them, as far as ``connect`` was told."""
    alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    labels = [{name: value for name, value in node["Labels"].items() if name != _NODE_ID} for node in alive]
    found = [Node(node["Resources"], own) for node, own in zip(alive, labels, strict=True)]
    for kind, count in zip(_on_demand, _still_to_come(_on_demand, found), strict=True):
        # Their memory is not said, and no reason to refuse them.
        found += [Node({"memory": math.inf, **kind.resources}, kind.labels)] * count
    return found


def _still_to_come(kinds: Sequence[NodesOnDemand], alive: Iterable[Node]) -> list[int]:
    """How many nodes of each kind do not run yet. One that runs counts for the most demanding kind that it may be of.

    Else one with a GPU would stand for one without, which the autoscaler may add all the same.
    """
    left = [kind.count for kind in kinds]
    demands = [(sum(kind.resources.values()), len(kind.labels)) for kind in kinds]
    order = sorted(range(len(kinds)), key=lambda number: demands[number], reverse=True)
    for node in alive:
        for number in order:
            if left[number] and kinds[number].fits(node):
                left[number] -= 1
                break
    return left


def here() -> NodeAffinitySchedulingStrategy:
    """Keeps a small actor on this process's node: a driver's books then outlive each worker's node.

    Not ``soft``: where this node is lost, so is the process that the actor serves, and nothing is to move elsewhere.
    """
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


def _start(cpus: int, options: dict[str, Any]) -> None:
    """Start a cluster on this machine; raises ``RunError`` where it does not come up."""
    # Ray's processes choose ports before they take them, and another program may be quicker: Ray then waits in vain.
    for attempt in range(1, _STARTS + 1):
        try:
            # Ray turns token authentication on, unless RAY_AUTH_MODE says otherwise. Setting that here would come
            # too late: Ray has read it when it was imported.
            ray.init(num_cpus=cpus, include_dashboard=False, **options)
            break
        except Exception as error:
            if type(error) is Exception and attempt < _STARTS:  # as Ray raises where it waited in vain
                ray.shutdown()  # of what did come up
                continue
            problem = f"Ray did not start on this machine: {' '.join(str(error).split()) or type(error).__name__}"
            remedy = "Try again when the machine is less busy; the logs under ray/session_latest/logs say more"
            raise RunError(problem, remedy=remedy) from error
    _keep_token_private()


def _join(address: str, options: dict[str, Any]) -> None:
    """Connect to a running cluster; raises ``RunError`` at once where nobody listens."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    remedy = "Check cluster.address (or RAY_ADDRESS) and that the cluster is up, or leave it out for a local cluster"
    try:
        if port.isdigit():  # Ray itself would try for a minute and more
            socket.create_connection((host.strip("[]"), int(port)), timeout=_REACHABLE_S).close()
        ray.init(address=address, **options)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        said = str(error).strip().splitlines()
        problem = f"there is no Ray cluster to join: {said[0] if said else type(error).__name__}"
        raise RunError(problem, place=address, remedy=remedy) from error


def _keep_token_private() -> None:
    """Ray writes its token so that everyone on the machine may read it, where the umask does not say otherwise."""
    token = Path.home() / ".ray" / "auth_token"
    if token.exists():
        token.chmod(0o600)


@contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """Hide what C++ code writes to stderr; Ray announces there that it has read its log level."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
