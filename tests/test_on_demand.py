"""What an autoscaler may still add: what runs of it already is not counted twice, nor is it of another kind."""

from typing import Any

import pytest

from goat_ray import cluster
from goat_ray.cluster import NodesOnDemand, nodes

CPUS, GPU = {"CPU": 16.0}, {"CPU": 16.0, "GPU": 1.0}


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives the nodes that may come, as text, beside the given ones that run."""

    def count(kinds: list[NodesOnDemand], *alive: dict[str, float], labels: dict[str, str] | None = None) -> list[str]:
        own = {"ray.io/node-id": "7", **(labels or {})}
        running = [{"Alive": True, "Resources": one, "Labels": own} for one in alive]
        monkeypatch.setattr("ray.nodes", lambda: [*running, {"Alive": False, "Resources": GPU, "Labels": own}])
        monkeypatch.setattr(cluster, "_on_demand", kinds)
        return [str(node) for node in nodes()][len(running) :]

    return count


def test_kinds_that_differ_in_labels_only_are_all_added(added: Any) -> None:
    kinds = [NodesOnDemand(count=2, resources={"CPU": 8}, labels={"group": group}) for group in "ab"]
    assert added(kinds) == ["8 CPU, group=a"] * 2 + ["8 CPU, group=b"] * 2
    assert added(kinds, {"CPU": 8.0}, labels={"group": "b"}) == ["8 CPU, group=a"] * 2 + ["8 CPU, group=b"]
    assert len(added(kinds, {"CPU": 8.0})) == 4, "one without a label is of neither kind"


def test_a_kind_that_another_includes_is_added_as_well(added: Any) -> None:
    kinds = [NodesOnDemand(count=4, resources=CPUS), NodesOnDemand(count=4, resources=GPU)]
    assert added(kinds) == ["16 CPU"] * 4 + ["16 CPU, 1 GPU"] * 4
    assert added(kinds[::-1]) == ["16 CPU, 1 GPU"] * 4 + ["16 CPU"] * 4


def test_a_node_that_runs_counts_for_the_most_demanding_kind_alone(added: Any) -> None:
    kinds = [NodesOnDemand(count=2, resources=CPUS), NodesOnDemand(count=1, resources=GPU)]
    assert added(kinds, GPU) == ["16 CPU"] * 2
    assert added(kinds, CPUS) == ["16 CPU", "16 CPU, 1 GPU"]
    assert added(kinds, GPU, CPUS, CPUS) == []
    assert added(kinds, {"CPU": 1.0}) == ["16 CPU"] * 2 + ["16 CPU, 1 GPU"]
    labelled = [NodesOnDemand(count=1, resources=CPUS), NodesOnDemand(count=1, resources=CPUS, labels={"group": "a"})]
    assert added(labelled, CPUS, labels={"group": "a"}) == ["16 CPU"]
