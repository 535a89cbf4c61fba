from types import SimpleNamespace

import pytest
from ray.exceptions import RayActorError

from goat_ray import placement
from goat_ray.errors import ConfigError
from goat_ray.placement import MARK, Node, Placement
from goat_ray.settings import build
from goat_ray.teacher import vllm
from goat_ray.teacher.config import EngineConfig, TeacherConfig
from goat_ray.teacher.engine import Engine, engine_arguments, gpus_per_replica, needs, place
from goat_ray.teacher.model_folder import stamp

FOUR = Node({"GPU": 4.0, "CPU": 16.0})


def check(*nodes, **engine):
    options = EngineConfig(**engine)
    placement.check("the engines", needs(options, gpus_per_replica(options, nodes)), nodes)


def test_too_few_gpus_are_said_in_figures():
    with pytest.raises(ConfigError, match=r"needs 2 x .*4 GPU\), 8 GPUs in all, and the cluster has room for 1 of 2"):
        check(FOUR, replicas=2, tensor_parallel=4)


def test_a_replica_must_fit_a_node_unless_it_spans_nodes():
    with pytest.raises(ConfigError, match=r"needs 1 x \(1 CPU, 8 GPU\).*its nodes: 2 x \(4 GPU, 16 CPU\)"):
        check(FOUR, FOUR, tensor_parallel=8)
    check(FOUR, FOUR, tensor_parallel=4, pipeline_parallel=2)
    check(FOUR, FOUR, replicas=2, tensor_parallel=4)
    three, one = Node({"GPU": 3.0, "CPU": 8.0}), Node({"GPU": 1.0, "CPU": 8.0})
    with pytest.raises(ConfigError, match="room for 2 of 3"):
        check(three, three, one, one, replicas=3, tensor_parallel=2)


def test_cpus_count_too():
    with pytest.raises(ConfigError, match=r"needs 2 x \(8 CPU\).*room for 0 of 2; its nodes: 1 x \(6 CPU\)"):
        check(Node({"CPU": 6.0}), replicas=2, cpus_per_replica=8)


def test_engines_stay_in_their_pool():
    engine = EngineConfig(
        replicas=2, tensor_parallel=2, pipeline_parallel=2, placement=Placement(pool="gpu", labels={"a": "b"})
    )
    placed = place(engine, 4)
    first, *others = placed["placement_group_bundles"]
    assert first == {"CPU": 1.0, "GPU": 1.0, "gpu": MARK} and others == [{"GPU": 1.0, "gpu": MARK}] * 3
    assert placed["placement_group_bundle_label_selector"] == [{"a": "b"}] * 4
    options = place(engine.model_copy(update={"pipeline_parallel": 1}), 2)["ray_actor_options"]
    assert options == {"num_cpus": 1.0, "num_gpus": 2, "resources": {"gpu": MARK}, "label_selector": {"a": "b"}}


def test_autoscaling_needs_room_for_its_least_only():
    check(FOUR, replicas=1, max_replicas=8, tensor_parallel=4)
    with pytest.raises(ConfigError, match="max_replicas=1 is below replicas=2"):
        build({"replicas": 2, "max_replicas": 1}, EngineConfig, place="x.yaml")


@pytest.mark.ray
def test_autoscaling_reaches_serve(ray_cluster):
    from goat_ray.teacher.vllm import _application

    def deployment(**engine):
        config = TeacherConfig(backend="vllm", model="org/name", engine=EngineConfig(**engine))
        return _application(config)._bound_deployment

    scaling = deployment(replicas=2, max_replicas=8)._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas) == (2, 8)
    fixed = deployment(replicas=2)
    assert fixed._deployment_config.autoscaling_config is None and fixed.num_replicas == 2


def test_engine_settings_reach_vllm(tmp_path):
    (tmp_path / "adapter_config.json").write_text('{"r": 12}')
    engine = EngineConfig(quantization="fp8", prefix_caching=False, adapters={"agent": str(tmp_path)})
    config = TeacherConfig(backend="vllm", model="org/name", adapter="agent", top_p=0.9, top_k=20, engine=engine)
    arguments = engine_arguments(config, 1)
    assert arguments["quantization"] == "fp8" and arguments["enable_prefix_caching"] is False
    assert (arguments["enable_lora"], arguments["max_loras"], arguments["max_lora_rank"]) == (True, 1, 16)
    assert config.sampling == {"temperature": 0.7, "top_p": 0.9, "top_k": 20}


def test_a_misspelt_adapter_is_told():
    with pytest.raises(ConfigError, match=r"no adapter 'agnet'.*known: agent"):
        build(
            {"backend": "vllm", "model": "m", "adapter": "agnet", "engine": {"adapters": {"agent": "x"}}},
            TeacherConfig,
            place="x.yaml",
        )


def test_an_engine_knows_that_its_folders_hold_other_weights_by_now(tmp_path):
    folders = [tmp_path / "model", tmp_path / "adapter"]
    for folder in folders:
        folder.mkdir()
        (folder / "weights").write_bytes(b"some")
    engine = Engine.__new__(Engine)  # without loading any
    engine._stamps = {str(folder): stamp(str(folder)) for folder in folders} | {"org/name": ""}
    assert engine.is_current()
    (folders[1] / "weights").write_bytes(b"more")
    assert not engine.is_current()


@pytest.mark.parametrize(
    ("told", "stopped"), [(True, False), (False, True), (TimeoutError(), False), (RayActorError(), False)]
)
def test_running_engines_end_only_where_they_say_that_their_weights_are_old(monkeypatch, told, stopped):
    config = TeacherConfig(backend="vllm", model="org/name")
    running, deleted = {vllm.app_name(config): "running"}, []

    def result(timeout_s):
        if isinstance(told, Exception):
            raise told
        return told

    asked = SimpleNamespace(is_current=SimpleNamespace(remote=lambda: SimpleNamespace(result=result)))
    monkeypatch.setattr(vllm.ray, "is_initialized", lambda: True)
    monkeypatch.setattr(vllm.serve, "status", lambda: SimpleNamespace(applications=running))
    monkeypatch.setattr(vllm.serve, "get_app_handle", lambda name: asked)
    monkeypatch.setattr(vllm.serve, "delete", deleted.append)
    vllm.renew(config)
    assert deleted == list(running) * stopped
    running.clear()
    vllm.renew(config)
    assert len(deleted) == stopped, "nothing runs"


@pytest.mark.ray
def test_check_reads_the_cluster(ray_cluster):
    from goat_ray.teacher.build import build_teacher

    engine = EngineConfig(replicas=2, tensor_parallel=4, gpus_per_replica=4)
    with pytest.raises(ConfigError, match=r"needs 2 x .*4 GPU\), 8 GPUs in all, and the cluster has room for 0 of 2"):
        build_teacher(TeacherConfig(backend="vllm", model="org/name", engine=engine)).check()
