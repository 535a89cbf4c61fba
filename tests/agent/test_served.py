import json

import pytest

from goat_ray.agent.config import AgentConfig
from goat_ray.agent.served import served_by
from goat_ray.teacher.config import EngineConfig
from goat_ray.teacher.model_folder import adapter_rank
from goat_ray.teacher.vllm import app_name


def test_without_engines_the_worker_loads_the_model(tmp_path):
    assert served_by(str(tmp_path), AgentConfig()) is None


def test_a_whole_model_is_served_as_it_is(tmp_path):
    served = served_by(str(tmp_path), AgentConfig(engine=EngineConfig(tensor_parallel=4), concurrency=7))
    assert served is not None
    assert (served.model, served.adapter, served.concurrency) == (str(tmp_path), "", 7)
    assert served.engine.tensor_parallel == 4
    assert served.temperature == 0


@pytest.fixture
def adapter(folder):
    """An adapter's folder, on this machine and in a store."""
    (folder / "adapter_config.json").write_bytes(json.dumps({"base_model_name_or_path": "org/base", "r": 8}).encode())
    return folder.url


def test_an_adapter_is_served_on_its_base(adapter):
    served = served_by(adapter, AgentConfig(engine=EngineConfig()))
    assert served is not None
    assert served.model == "org/base"
    assert served.engine.adapters == {served.adapter: adapter}
    assert adapter_rank("agent", adapter) == 8


def test_a_base_model_shares_the_engines_of_the_agent_that_was_trained_on_it(adapter):
    config = AgentConfig(engine=EngineConfig())
    tuned, base = served_by(adapter, config), served_by("org/base", config, adapter)
    assert tuned is not None and base is not None
    assert app_name(base) == app_name(tuned) and (base.adapter, tuned.adapter) == ("", "agent")
    alone = served_by("org/base", config)
    assert alone is not None and app_name(alone) != app_name(tuned)
