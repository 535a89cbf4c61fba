import pytest

from goat_ray.errors import ConfigError, ModelError
from goat_ray.settings import build
from goat_ray.teacher.config import EngineConfig, TeacherConfig
from goat_ray.teacher.engine import adapter_rank, engine_arguments
from goat_ray.teacher.preflight import check_cluster

FOUR = {"GPU": 4.0, "CPU": 16.0}


def check(nodes, **engine):
    options = EngineConfig(**engine)
    check_cluster(options, options.workers if any("GPU" in node for node in nodes) else 0, nodes)


def test_too_few_gpus_are_said_in_figures():
    with pytest.raises(ConfigError, match="2 replicas of TP=4 need 8 GPUs, the cluster has 4"):
        check([FOUR], replicas=2, tensor_parallel=4)


def test_a_replica_must_fit_a_node_unless_it_spans_nodes():
    with pytest.raises(ConfigError, match=r"1 replica of TP=8 needs 8 GPUs on one node each.*of 4, 4, hold 0"):
        check([FOUR, FOUR], tensor_parallel=8)
    check([FOUR, FOUR], tensor_parallel=4, pipeline_parallel=2)
    check([FOUR, FOUR], replicas=2, tensor_parallel=4)
    with pytest.raises(ConfigError, match="hold 2 of them"):
        check([{"GPU": 3.0, "CPU": 8.0}] * 2 + [{"GPU": 1.0, "CPU": 8.0}] * 2, replicas=3, tensor_parallel=2)


def test_cpus_count_too_and_nodes_on_demand_are_believed():
    with pytest.raises(ConfigError, match="2 replicas of TP=1 need 16 CPUs, the cluster has 6"):
        check([{"CPU": 6.0}], replicas=2, cpus_per_replica=8)
    check([{"CPU": 6.0}], replicas=2, cpus_per_replica=8, nodes_on_demand=True)


def test_autoscaling_needs_room_for_its_least_only():
    check([FOUR], replicas=1, max_replicas=8, tensor_parallel=4)
    with pytest.raises(ConfigError, match="max_replicas=1 is below replicas=2"):
        build({"replicas": 2, "max_replicas": 1}, EngineConfig, place="x.yaml")


def test_engine_settings_reach_vllm(tmp_path):
    (tmp_path / "adapter_config.json").write_text('{"r": 12}')
    engine = EngineConfig(quantization="fp8", prefix_caching=False, adapters={"agent": str(tmp_path)})
    config = TeacherConfig(backend="vllm", model="org/name", adapter="agent", top_p=0.9, engine=engine)
    arguments = engine_arguments(config, 1)
    assert arguments["quantization"] == "fp8" and arguments["enable_prefix_caching"] is False
    assert (arguments["enable_lora"], arguments["max_loras"], arguments["max_lora_rank"]) == (True, 1, 16)
    assert config.sampling == {"temperature": 0.7, "top_p": 0.9}


def test_adapters_are_checked(tmp_path):
    with pytest.raises(ModelError, match=r"adapters\.agent: .*no adapter_config\.json"):
        adapter_rank("agent", str(tmp_path))
    with pytest.raises(ConfigError, match=r"no adapter 'agnet'.*known: agent"):
        build(
            {"backend": "vllm", "model": "m", "adapter": "agnet", "engine": {"adapters": {"agent": "x"}}},
            TeacherConfig,
            place="x.yaml",
        )


@pytest.mark.ray
def test_check_reads_the_cluster(ray_cluster):
    from goat_ray.teacher.build import build_teacher

    engine = EngineConfig(replicas=2, tensor_parallel=4, gpus_per_replica=4)
    with pytest.raises(ConfigError, match="need 8 GPUs, the cluster has 0"):
        build_teacher(TeacherConfig(backend="vllm", model="org/name", engine=engine)).check()
