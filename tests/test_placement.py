"""What options and errors a placement becomes, and which stages are looked at before any work."""

import os
from pathlib import Path
from typing import Any

import pytest

from goat_ray.cluster import ClusterConfig
from goat_ray.config import GoatConfig
from goat_ray.errors import ConfigError, ModelError
from goat_ray.pipeline import Part
from goat_ray.placement import MARK, Need, Node, Placement, Room, check
from goat_ray.preflight import BEFORE, STEPS, check_road, stages
from goat_ray.settings import build
from goat_ray.stage import most_tasks, most_workers
from goat_ray.step import Resources, Step
from goat_ray.storage import MANIFEST, write_json
from goat_ray.training.tiny import make_tiny_model

TWO_CPUS = Node({"CPU": 2.0})


def config(run: Path, **sections: Any) -> GoatConfig:
    return build({"run": {"directory": str(run)}, "documents": {"paths": ["x"]}, **sections}, GoatConfig, place="x")


def test_a_placement_becomes_rays_options() -> None:
    assert Placement().options(0.5) == {"num_cpus": 0.5}
    placed = Placement(pool="pool_cpu", labels={"zone": "a"}, memory_gb=2)
    assert placed.options(1, 2) == {
        "num_cpus": 1,
        "num_gpus": 2,
        "memory": 2_000_000_000,
        "resources": {"pool_cpu": MARK},
        "label_selector": {"zone": "a"},
    }
    assert placed.bundle(1, 2) == {"CPU": 1, "GPU": 2, "memory": 2e9, "pool_cpu": MARK}


def test_a_pool_holds_as_many_workers_as_it_has_cpus() -> None:
    nodes = [Node({"CPU": 16.0, "pool_cpu": 1.0}), Node({"CPU": 64.0})]
    assert Room(nodes).take(Need("x", 1000, 0.25, placement=Placement(pool="pool_cpu"))) == 64


def test_workers_leave_room_for_engines_reading_and_writing() -> None:
    worker, reading, engines = Need("call", 1, 1), Need("reading", 1, 0.5), Need("teacher.engine", 2, 3)
    nodes = [Node({"CPU": 8.0}), Node({"CPU": 8.0})]
    assert most_workers(worker, reading, [engines], nodes) == 9  # of 16, beside 6 and two tasks
    assert most_workers(worker, reading, [], [Node({"CPU": 10.0})] * 100) == 950


def test_one_machine_starts_no_more_processes_of_a_kind_than_it_has_cores() -> None:
    machine = Node({"CPU": 1000.0})
    assert most_workers(Need("call", 1, 1), Need("reading", 1, 0.5), [], [machine]) == os.cpu_count()
    assert most_tasks([machine]) == os.cpu_count() and most_tasks([machine, machine]) is None


def test_labels_and_memory_bind() -> None:
    nodes = [Node({"CPU": 8.0, "memory": 4e9}, {"zone": "a"}), Node({"CPU": 8.0, "memory": 4e9}, {"zone": "b"})]
    assert Room(nodes).take(Need("x", 99, 1, placement=Placement(labels={"zone": "b"}))) == 8
    assert Room(nodes).take(Need("x", 99, 1, placement=Placement(memory_gb=1.5))) == 4


def test_an_error_names_stage_need_and_what_the_cluster_has() -> None:
    needs = [Need("training.agent", 2, 1, 1, Placement(pool="pool_training")), Need("the data feed", 1, 1)]
    nodes = [Node({"CPU": 4.0, "GPU": 1.0, "pool_training": 8.0, "node:10.0.0.1": 1.0}), TWO_CPUS, TWO_CPUS]
    with pytest.raises(ConfigError) as caught:
        check("training.agent", needs, nodes)
    assert str(caught.value) == (
        "training.agent: needs 2 x (1 CPU, 1 GPU, pool_training), 2 GPUs in all, and the cluster has room for 1 of 2; "
        "its nodes: "
        "1 x (4 CPU, 1 GPU, 8 pool_training); 2 x (2 CPU). Lower how many there are or what each takes (fractions "
        "of a CPU are fine), add nodes, or say in cluster.on_demand which nodes the autoscaler may start"
    )


def test_what_a_stage_takes_comes_from_its_entry_or_the_default() -> None:
    cluster = build(
        {"stages": {"default": {"pool": "cpus"}, "call": {"cpus": 0.5, "workers": 9}}}, ClusterConfig, place="x"
    )
    own = Resources(workers=3)
    assert cluster.resources("verify", own).placement.pool == "cpus" and cluster.resources("verify", own).workers == 3
    call = cluster.resources("call", own)
    assert (call.cpus, call.workers, call.placement.pool) == (0.5, 9, "")


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ({"cal": {}}, "'call'"),
        ({"embed": {"cpus": 2}}, r"set graph\.embedding\.cpus instead"),
        ({"predict": {"workers": 2}}, r"set evaluation\.workers instead"),
    ],
)
def test_stages_that_are_not_there_or_measured_elsewhere(stages: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build({"stages": stages}, ClusterConfig, place="x")


def test_every_stage_of_the_road_is_looked_at(tmp_path: Path) -> None:
    """A step that is added to the road without a place here fails."""
    assert set(Part.__args__) == set(BEFORE)  # type: ignore[attr-defined]
    names = {step.name for step in Step.__subclasses__() if step.__module__.startswith("goat_ray.")}
    assert names == {step for steps in STEPS.values() for step in steps}
    looked_at = [stage for stage, _ in stages(config(tmp_path), "run", [])]
    assert looked_at == [
        *("ingest", "embed", "verify", "execute", "draw", "call", "narrate", "examine"),
        *("training.retriever", "format", "training.agent", "predict"),
    ]


def test_two_cpus_are_enough_for_everything_but_engines_beside(tmp_path: Path) -> None:
    one_cpu_agents = {"evaluation": {"cpus": 1}}
    check_road(config(tmp_path, **one_cpu_agents), "run", [TWO_CPUS])
    engines = {"teacher": {"backend": "vllm", "model": "m"}, **one_cpu_agents}
    with pytest.raises(ConfigError, match=r"verify.*reading and writing.*beside.*teacher\.engine"):
        check_road(config(tmp_path, **engines), "run", [TWO_CPUS])
    half = {"cluster": {"stages": {"default": {"cpus": 0.5}}}}
    check_road(config(tmp_path, **engines, **half), "synthesize", [TWO_CPUS])


def test_what_a_training_lacks_is_said_hours_before_it_starts(tmp_path: Path) -> None:
    path = tmp_path / "deepspeed.json"
    path.write_text('{"zero_optimization": {"stage": 3}}', encoding="utf-8")
    contradicted = config(tmp_path, training={"agent": {"deepspeed": str(path)}})
    check_road(contradicted, "train_retriever", [TWO_CPUS])
    with pytest.raises(ConfigError, match="contradicts zero_stage: 2"):
        check_road(contradicted, "run", [TWO_CPUS])


@pytest.mark.parametrize("base", ["tiny", "a folder"])
def test_engines_that_the_agents_base_does_not_fit_are_told_before_its_training(tmp_path: Path, base: str) -> None:
    if base != "tiny":
        base = str(make_tiny_model(tmp_path / "base", ["who directed the film"], layers=2, context=512))
    sections = {"training": {"agent": {"base_model": base}}, "evaluation": {"cpus": 0.5}}
    for engine in ({"tensor_parallel": 7}, {"max_model_len": 10_000}):
        wrong = config(tmp_path, agent={"engine": {**engine, "cpus_per_replica": 0.5}}, **sections)
        check_road(wrong, "train", [TWO_CPUS])
        with pytest.raises(ConfigError, match=rf"^agent\.engine\.{next(iter(engine))}: the model has"):
            check_road(wrong, "run", [TWO_CPUS])
    check_road(config(tmp_path, agent={"engine": {"cpus_per_replica": 0.5}}, **sections), "run", [TWO_CPUS])
    missing = {"training": {"agent": {"base_model": str(tmp_path)}}}
    with pytest.raises(ModelError, match=r"^training\.agent\.base_model: .*no config\.json"):
        check_road(config(tmp_path, agent={"engine": {}}, **missing), "evaluate_agent", [TWO_CPUS])


def test_an_endpoint_is_not_taken_for_the_agent_before_and_after_training(tmp_path: Path) -> None:
    served = config(tmp_path, agent={"endpoint": {"model": "m", "base_url": "http://x/v1"}}, evaluation={"cpus": 0.5})
    write_json(tmp_path / "scores" / MANIFEST, {})  # of the agent itself, before the endpoint was set
    for part in ("run", "evaluate", "evaluate_agent"):
        with pytest.raises(ConfigError, match=r"^agent\.endpoint: .*one model.*-c endpoint"):
            check_road(served, part, [TWO_CPUS])
    for part in ("train", "evaluate_retriever"):
        check_road(served, part, [TWO_CPUS])


def test_what_is_finished_needs_no_room(tmp_path: Path) -> None:
    trained_elsewhere = config(tmp_path, teacher={"backend": "vllm", "model": "m", "engine": {"gpus_per_replica": 1}})
    with pytest.raises(ConfigError, match=r"verify.*1 GPU"):
        check_road(trained_elsewhere, "train_retriever", [TWO_CPUS])
    for name in ("functions", "edges", "plans", "samples"):
        write_json(tmp_path / name / MANIFEST, {})
    check_road(trained_elsewhere, "train_retriever", [TWO_CPUS])
