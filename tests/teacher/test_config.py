import pytest

from goat_ray.errors import ConfigError
from goat_ray.settings import build
from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.config import EngineConfig, TeacherConfig
from goat_ray.teacher.engine import engine_arguments, environment, place
from goat_ray.teacher.rules import RulesTeacher
from goat_ray.teacher.vllm import app_name

SECRET = "sk-proj-abc-123"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"backend": "vllm"}, "set teacher.model"),
        ({"backend": "openai", "model": "gpt"}, "set api_key_env: OPENAI_API_KEY"),
        ({"api_key_env": SECRET}, "give its name here"),
        ({"base_url": f"https://user:{SECRET}@host/v1"}, "carries credentials"),
        ({"base_url": "localhost:8000"}, "http://localhost:8000/v1"),
        ({"modell": "x"}, "did you mean 'model'?"),
        ({"engine": {"extra": {"dtype": "half"}}}, "set teacher.engine.dtype"),
        ({"engine": {"tensor_parallel": 2, "gpus_per_replica": 1}}, "set it to 2"),
        ({"concurrency": 0}, "concurrency"),
    ],
)
def test_wrong_settings_say_what_to_do(content, told):
    with pytest.raises(ConfigError) as caught:
        build(content, TeacherConfig, place="x.yaml")
    assert told in str(caught.value)
    assert SECRET not in str(caught.value) + str(caught.value.__cause__)


@pytest.mark.parametrize("gpus", [None, 0, 0.5, 1])
def test_gpus_of_a_single_worker(gpus):
    assert EngineConfig(gpus_per_replica=gpus).workers == 1


def test_default_is_the_embedded_teacher():
    assert isinstance(build_teacher(TeacherConfig()), RulesTeacher)


def test_label_names_backend_and_model():
    assert build_teacher(TeacherConfig(backend="vllm", model="org/name")).label == "vllm:org/name"


def vllm(**engine):
    return TeacherConfig(backend="vllm", model="org/name", engine=EngineConfig(**engine))


def test_teachers_that_differ_only_in_asking_share_engines():
    hot = vllm().model_copy(update={"temperature": 1.0, "concurrency": 2, "max_tokens": 9})
    assert app_name(hot) == app_name(vllm())
    assert app_name(vllm(dtype="float16")) != app_name(vllm())


def test_cpu_replica_has_a_bounded_cache_and_its_own_cpus():
    config = vllm(tensor_parallel=2, cpus_per_replica=3, extra={"max_num_seqs": 8})
    assert place(config.engine, 0) == {"ray_actor_options": {"num_cpus": 3}}
    arguments = engine_arguments(config, 0)
    assert arguments["enforce_eager"] and arguments["kv_cache_memory_bytes"] == 1 << 30
    assert arguments["distributed_executor_backend"] == "mp"
    assert arguments["max_num_seqs"] == 8
    assert environment(config, 0)["TORCH_COMPILE_DISABLE"] == "1"
    assert "HF_HUB_OFFLINE" not in environment(config, 0)


def test_local_model_is_loaded_offline_from_an_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    config = TeacherConfig(backend="vllm", model="tiny")
    assert engine_arguments(config, 1)["model"] == str(tmp_path / "tiny")
    assert environment(config, 1)["HF_HUB_OFFLINE"] == "1"
    assert "TORCH_COMPILE_DISABLE" not in environment(config, 1)
    assert app_name(config) == app_name(TeacherConfig(backend="vllm", model=str(tmp_path / "tiny")))


def test_tensor_parallel_replica_owns_the_gpus_of_one_node():
    config = vllm(tensor_parallel=4)
    assert place(config.engine, 4) == {"ray_actor_options": {"num_cpus": 1, "num_gpus": 4}}
    arguments = engine_arguments(config, 4)
    assert arguments["distributed_executor_backend"] == "mp"
    assert arguments["trust_remote_code"] is False
    assert "enforce_eager" not in arguments


def test_pipeline_parallel_replica_spans_nodes_with_one_gpu_per_bundle():
    config = vllm(tensor_parallel=2, pipeline_parallel=2)
    placement = place(config.engine, 4)
    assert placement["placement_group_bundles"] == [{"CPU": 1, "GPU": 1}, {"GPU": 1}, {"GPU": 1}, {"GPU": 1}]
    assert "num_gpus" not in placement["ray_actor_options"]
    assert engine_arguments(config, 4)["distributed_executor_backend"] == "ray"
