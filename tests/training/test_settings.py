import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from goat_ray.errors import ConfigError
from goat_ray.training.config import OPERATIONAL, AgentTrainingConfig, RetrieverTrainingConfig
from goat_ray.training.models import deepspeed_settings


def test_the_users_deepspeed_file_wins_except_for_the_size_of_a_step(tmp_path: Path) -> None:
    path = tmp_path / "deepspeed.json"
    content = {
        "train_batch_size": 512,
        "gradient_accumulation_steps": "auto",
        "zero_optimization": {"offload_optimizer": {"device": "cpu"}, "reduce_bucket_size": "auto"},
        "optimizer": {"params": {"lr": 1.0}},
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    built = deepspeed_settings(AgentTrainingConfig(deepspeed=path, batch_size=2, gradient_accumulation=8))
    assert built["train_micro_batch_size_per_gpu"] == 2 and built["gradient_accumulation_steps"] == 8
    assert "train_batch_size" not in built
    assert built["zero_optimization"]["stage"] == 2
    assert built["zero_optimization"]["offload_optimizer"] == {"device": "cpu"}
    assert "reduce_bucket_size" not in built["zero_optimization"]
    assert built["optimizer"]["type"] == "AdamW" and built["optimizer"]["params"]["lr"] == 1.0


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_bad_deepspeed_file_is_a_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deepspeed.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"deepspeed\.json"):
        deepspeed_settings(AgentTrainingConfig(deepspeed=path))


def test_the_defaults_are_the_papers() -> None:
    agent, retriever = AgentTrainingConfig(), RetrieverTrainingConfig()
    assert (agent.method, agent.lora.r, agent.lora.alpha, agent.lora.dropout) == ("lora", 8, 16, 0.05)
    assert agent.lora.target_modules == ["q_proj", "v_proj"]
    assert (agent.epochs, agent.learning_rate, agent.batch_size * agent.gradient_accumulation) == (3, 2e-4, 16)
    assert (retriever.epochs, retriever.batch_size, retriever.learning_rate, retriever.temperature) == (
        3,
        64,
        5e-5,
        0.05,
    )


def test_operational_settings_exist() -> None:
    assert set(AgentTrainingConfig.model_fields) >= OPERATIONAL


def test_unknown_and_empty_settings_are_errors() -> None:
    with pytest.raises(ValidationError):
        AgentTrainingConfig(epoch=1)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        AgentTrainingConfig(kinds=[])


def test_examples_longer_than_the_tiny_model_holds_are_an_error() -> None:
    with pytest.raises(ValidationError, match=r"tiny\.context"):
        AgentTrainingConfig(max_length=4096)
    assert AgentTrainingConfig(max_length=4096, base_model="some/model").max_length == 4096
