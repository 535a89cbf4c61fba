"""The road of configs/gpu-cluster.yaml has room in each cluster that the files of cluster/ describe."""

import json
import re
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import pytest
import yaml

from goat_ray.cluster import NodesOnDemand
from goat_ray.config import GoatConfig, load_config
from goat_ray.errors import ConfigError
from goat_ray.placement import Node, Placement
from goat_ray.preflight import check_road
from goat_ray.settings import Settings
from tests.cluster.files import CLUSTER, ROOT, nested, objects


def kuberay(file: Path) -> list[NodesOnDemand]:
    """The most nodes of each worker group, by what Ray reads from the pod's limits and from rayStartParams."""
    (groups,) = [groups for one in objects(file) for groups in nested(one, "workerGroupSpecs")]
    kinds = []
    for group in groups:
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        own = json.loads(json.loads(group["rayStartParams"]["resources"]))
        gpus = {"GPU": float(limits["nvidia.com/gpu"])} if "nvidia.com/gpu" in limits else {}
        resources = {"CPU": float(limits["cpu"]), **gpus, **own}
        kinds.append(NodesOnDemand(count=group["maxReplicas"], resources=resources, labels=group["labels"]))
    return kinds


def cloud(file: Path) -> list[NodesOnDemand]:
    """The most nodes of each type."""
    types = yaml.safe_load(file.read_text())["available_node_types"].values()
    return [
        NodesOnDemand(count=one["max_workers"], resources=one["resources"]) for one in types if "max_workers" in one
    ]


CLUSTERS: dict[str, Callable[[], list[NodesOnDemand]]] = {
    "kuberay": lambda: kuberay(CLUSTER / "kuberay" / "gpu-cluster.yaml"),
    "aws": lambda: cloud(CLUSTER / "aws.yaml"),
    "gcp": lambda: cloud(CLUSTER / "gcp.yaml"),
}


@pytest.fixture
def config(tmp_path: Path) -> GoatConfig:
    return load_config(ROOT / "configs" / "gpu-cluster.yaml", [f"run.directory={tmp_path}"])


@pytest.fixture(params=CLUSTERS.values(), ids=CLUSTERS.keys())
def kinds(request: pytest.FixtureRequest) -> list[NodesOnDemand]:
    found: list[NodesOnDemand] = request.param()
    return found


def test_every_stage_has_room(config: GoatConfig, kinds: list[NodesOnDemand]) -> None:
    nodes = [Node({"memory": inf, **kind.resources}, kind.labels) for kind in kinds for _ in range(kind.count)]
    check_road(config, "run", nodes)
    with pytest.raises(ConfigError, match=r"training\.retriever.*8 x .*pool_training"):
        check_road(config, "run", [node for node in nodes if "pool_training" not in node.resources])


def test_the_configuration_promises_no_more_than_the_cluster_may_start(
    config: GoatConfig, kinds: list[NodesOnDemand]
) -> None:
    assert len(config.cluster.on_demand) == len(kinds)
    for promised, there in zip(config.cluster.on_demand, kinds, strict=True):
        assert promised.resources.keys() == there.resources.keys() and promised.count <= there.count
        assert all(amount <= there.resources[name] for name, amount in promised.resources.items())


def test_slurms_nodes_and_the_single_machine_are_in_every_pool(config: GoatConfig) -> None:
    pools = {found.pool for found in placements(config)}
    assert pools == {"pool_cpu", "pool_engine", "pool_training"}
    (slurm,) = re.findall(r"^pools='(.*)'$", (CLUSTER / "slurm.sh").read_text(), re.MULTILINE)
    (machine,) = re.findall(r"--resources='(.*?)'", (CLUSTER / "README.md").read_text())
    assert json.loads(slurm).keys() == json.loads(machine).keys() == pools


def test_the_cookbooks_allocation_holds_the_whole_road(config: GoatConfig) -> None:
    """Each node as slurm.sh starts it: all of its CPUs and GPUs, in every pool."""
    (line,) = re.findall(r"sbatch (--nodes=.*) cluster/slurm.sh", (CLUSTER / "README.md").read_text())
    count, gpus = (int(re.search(rf"--{name}=(\d+)", line)[1]) for name in ("nodes", "gpus-per-node"))  # type: ignore[index]
    script = (CLUSTER / "slurm.sh").read_text()
    (pools,) = re.findall(r"^pools='(.*)'$", script, re.MULTILINE)
    assert "cpus=${SLURM_CPUS_ON_NODE" in script and '--num-cpus="$cpus"' in script
    (cpus,) = re.findall(r"nodes of (\d+) CPUs", (CLUSTER / "README.md").read_text())
    node = Node({"memory": inf, "CPU": float(cpus), "GPU": float(gpus), **json.loads(pools)}, {})
    check_road(config, "run", [node] * count)


def placements(value: Any) -> list[Placement]:
    """All placements in a configuration that say something."""
    if isinstance(value, Placement):
        return [value] if value.pool else []
    parts = value.values() if isinstance(value, dict) else vars(value).values() if isinstance(value, Settings) else ()
    return [found for part in parts for found in placements(part)]
