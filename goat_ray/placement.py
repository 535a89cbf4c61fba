"""Where workers may be, what they take there, and whether a cluster has room for those that must run at once."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from goat_ray.errors import ConfigError
from goat_ray.settings import Settings

MARK = 0.001  # of a pool's resource: enough to bind a worker to its nodes, too little ever to run out there
GB = 1e9
_ROUNDING = 1e-6
_NOT_SHOWN = ("node:", "object_store_memory", "memory", "accelerator_type:")  # of a node's resources, in messages


class Placement(Settings):
    """Where the workers of a stage may be, beside the CPUs and GPUs that each takes."""

    pool: str = Field("", description="A custom resource that only the pool's nodes carry, such as pool_cpu.")
    labels: dict[str, str] = Field({}, description="Labels that a node must have, such as {ray.io/node-group: cpu}.")
    memory_gb: float = Field(0.0, ge=0, description="Of each worker, set aside on its node. 0: nothing is.")

    def options(self, cpus: float, gpus: float = 0.0) -> dict[str, Any]:
        """Options of a Ray task or actor with so many CPUs and GPUs."""
        options: dict[str, Any] = {"num_cpus": cpus, "num_gpus": gpus} if gpus else {"num_cpus": cpus}
        if self.memory_gb:
            options["memory"] = int(self.memory_gb * GB)
        if self.pool:
            options["resources"] = {self.pool: MARK}
        if self.labels:
            options["label_selector"] = dict(self.labels)
        return options

    def bundle(self, cpus: float, gpus: float = 0.0) -> dict[str, float]:
        """The same amounts by Ray's names of resources, as placement groups and Ray Train take them; no labels."""
        amounts = {"CPU": cpus, "GPU": gpus, "memory": float(int(self.memory_gb * GB)), self.pool: MARK}
        return {name: amount for name, amount in amounts.items() if name and amount}


ANYWHERE = Placement()


@dataclass(frozen=True)
class Need:
    """Workers that must all run at the same time."""

    setting: str  # that asks for them, e.g. ``teacher.engine``
    count: int
    cpus: float
    gpus: float = 0.0
    placement: Placement = ANYWHERE

    @property
    def bundle(self) -> dict[str, float]:
        """What one of them takes."""
        return self.placement.bundle(self.cpus, self.gpus)

    def __str__(self) -> str:
        together = f", {self.count * self.gpus:g} GPUs in all" if self.gpus and self.count > 1 else ""
        return f"{self.count} x ({_listed(self.bundle, self.placement.labels)}){together}"


@dataclass(frozen=True)
class Node:
    """A node of the cluster, or one that the autoscaler may add."""

    resources: Mapping[str, float]
    labels: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return _listed(self.resources, self.labels)


class Room:
    """What is left on each node while workers are placed on it."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = [(node, dict(node.resources)) for node in nodes]

    def take(self, need: Need, at_most: int | None = None) -> int:
        """Place workers, ``need.count`` of them unless another number is given; returns how many found a place."""
        wanted = need.count if at_most is None else at_most
        placed = 0
        for node, free in self._nodes:
            if not need.placement.labels.items() <= node.labels.items():
                continue
            fitting = min(int(free.get(name, 0.0) / amount + _ROUNDING) for name, amount in need.bundle.items())
            fitting = min(fitting, wanted - placed)
            for name, amount in need.bundle.items():
                free[name] = free.get(name, 0.0) - fitting * amount
            placed += fitting
        return placed


def check(stage: str, needs: Iterable[Need], nodes: Sequence[Node]) -> None:
    """Raise ``ConfigError`` where the workers that a stage needs at the same time do not all find a place."""
    room = Room(nodes)
    # Those that take most come first, as whole GPUs are not to be left in pieces.
    needs = sorted(needs, key=lambda need: (need.gpus, need.cpus), reverse=True)
    for number, need in enumerate(needs):
        if (placed := room.take(need)) < need.count:
            beside = "".join(f", beside {other.setting} with {other}" for other in needs[:number])
            raise ConfigError(
                f"needs {need}{beside}, and the cluster has room for {placed} of {need.count}; {_described(nodes)}",
                place=stage if stage == need.setting else f"{stage} ({need.setting})",
                remedy="Lower how many there are or what each takes (fractions of a CPU are fine), add nodes, or say "
                "in cluster.on_demand which nodes the autoscaler may start",
            )


def _described(nodes: Sequence[Node]) -> str:
    kinds = Counter(map(str, nodes))
    return "its nodes: " + "; ".join(f"{count} x ({kind})" for kind, count in kinds.items()) if kinds else "no nodes"


def _listed(resources: Mapping[str, float], labels: Mapping[str, str]) -> str:
    shown = {name: amount for name, amount in resources.items() if amount and not name.startswith(_NOT_SHOWN)}
    amounts = [name if amount == MARK else f"{amount:g} {name}" for name, amount in shown.items()]
    if 0 < resources.get("memory", 0.0) < math.inf:
        amounts.append(f"{resources['memory'] / GB:.3g} GB")
    return ", ".join([*amounts, *(f"{name}={value}" for name, value in labels.items())]) or "nothing"
