"""What is known of a model before an engine loads it, on real folders of a tiny model and its adapter."""

import shutil

import pytest

from goat_ray.errors import ConfigError, ModelError
from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.config import EngineConfig, TeacherConfig
from goat_ray.teacher.model_folder import adapter_rank, check_folders, stamp
from goat_ray.training.tiny import make_tiny_model
from tests.teacher.conftest import make_adapter


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("model"), ["who directed the film"], layers=2, context=512)


@pytest.fixture(scope="module")
def adapter(model, tmp_path_factory):
    return make_adapter(model, tmp_path_factory.mktemp("adapter"))


def settings(model, **engine):
    return TeacherConfig(backend="vllm", model=str(model), engine=EngineConfig(**engine))


def test_what_fits_passes(model, adapter):
    check_folders(settings(model, max_model_len=512, adapters={"agent": str(adapter)}))
    check_folders(settings("org/name-of-a-hub", tensor_parallel=64, max_model_len=10**6))


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        ({"tensor_parallel": 7}, r"tensor_parallel: the model has \d+ attention heads, which 7 workers cannot share"),
        ({"pipeline_parallel": 3}, r"pipeline_parallel: the model has 2 layers, fewer than 3 stages"),
        ({"max_model_len": 4096}, r"max_model_len: the model has a context of 512 tokens, fewer than 4,096"),
    ],
)
def test_what_does_not_fit_the_model_is_told_before_it_is_loaded(model, engine, told):
    with pytest.raises(ConfigError, match=told):
        check_folders(settings(model, **engine))


def test_folders_without_model_or_adapter_are_told(model, tmp_path):
    with pytest.raises(ModelError, match=r"teacher\.model: .*no config\.json"):
        check_folders(settings(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"no config\.json that can be read"):
        check_folders(settings(tmp_path))
    with pytest.raises(ModelError, match=r"adapters\.agent: .*no adapter_config\.json"):
        adapter_rank("agent", str(tmp_path))


def test_an_adapter_of_another_model_is_told(adapter, tmp_path):
    other = make_tiny_model(tmp_path, ["another one"], layers=3, context=512)
    with pytest.raises(ModelError, match=r"adapters\.agent: the adapter was trained on .* another model"):
        check_folders(settings(other, adapters={"agent": str(adapter)}))


def test_answers_of_a_model_or_adapter_are_not_those_of_what_it_was_before_a_training(model, adapter, tmp_path):
    folder, tuned = tmp_path / "model", tmp_path / "adapter"
    shutil.copytree(model, folder)
    shutil.copytree(adapter, tuned)

    bare = settings(folder, adapters={"agent": str(tuned)})

    def keys():
        return [build_teacher(one).settings() for one in (bare, bare.model_copy(update={"adapter": "agent"}))]

    first = keys()
    assert keys() == first
    make_adapter(model, tuned)  # other random weights, in files of the same sizes
    second = keys()
    assert second[0] == first[0] and second[1] != first[1]
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"abcd")
    third = keys()
    assert third[0] != second[0] and third[1] != second[1]


def test_names_of_a_hub_have_no_stamp():
    assert stamp("org/name") == ""
    assert "weights" not in build_teacher(settings("org/name")).settings()
