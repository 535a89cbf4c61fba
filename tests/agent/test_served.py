import json

from goat_ray.agent.config import AgentConfig
from goat_ray.agent.served import served_by
from goat_ray.teacher.config import EngineConfig


def test_without_engines_the_worker_loads_the_model(tmp_path):
    assert served_by(str(tmp_path), AgentConfig()) is None


def test_a_whole_model_is_served_as_it_is(tmp_path):
    served = served_by(str(tmp_path), AgentConfig(engine=EngineConfig(tensor_parallel=4), concurrency=7))
    assert served is not None
    assert (served.model, served.adapter, served.concurrency) == (str(tmp_path), "", 7)
    assert served.engine.tensor_parallel == 4
    assert served.temperature == 0


def test_an_adapter_is_served_on_its_base(tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/base", "r": 8}))
    served = served_by(str(tmp_path), AgentConfig(engine=EngineConfig()))
    assert served is not None
    assert served.model == "org/base"
    assert served.engine.adapters == {served.adapter: str(tmp_path)}
