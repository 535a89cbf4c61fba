import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from goat_ray.errors import ConfigError
from goat_ray.training import models, packages, packing
from goat_ray.training.agent import run_of
from goat_ray.training.checkpoints import VALIDATION_LOSS
from goat_ray.training.config import OPERATIONAL, AgentTrainingConfig, RetrieverTrainingConfig
from goat_ray.training.deepspeed_settings import deepspeed_settings
from goat_ray.training.models import check_base, with_adapters
from goat_ray.training.packages import check_packages


def test_the_users_deepspeed_file_wins_except_for_the_size_of_a_step(tmp_path: Path) -> None:
    path = tmp_path / "deepspeed.json"
    content = {
        "train_batch_size": 512,
        "gradient_accumulation_steps": "auto",
        "zero_optimization": {
            "stage": 2,
            "offload_optimizer": {"device": "nvme", "nvme_path": "/scratch"},
            "reduce_bucket_size": "auto",
        },
        "bf16": {"enabled": "auto"},
        "optimizer": {"params": {"lr": 1.0}},
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    config = AgentTrainingConfig(deepspeed=path, batch_size=2, gradient_accumulation=8, offload="optimizer")
    built = deepspeed_settings(config)
    assert built["train_micro_batch_size_per_gpu"] == 2 and built["gradient_accumulation_steps"] == 8
    assert "train_batch_size" not in built
    assert built["zero_optimization"]["stage"] == 2
    assert built["zero_optimization"]["offload_optimizer"]["nvme_path"] == "/scratch"
    assert "reduce_bucket_size" not in built["zero_optimization"]
    assert built["optimizer"]["type"] == "AdamW" and built["optimizer"]["params"]["lr"] == 1.0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"zero_optimization": {"stage": 3}}, "zero_optimization.stage is 3, which contradicts zero_stage: 2"),
        (
            {"zero_optimization": {"offload_optimizer": {"device": "cpu"}}},
            'offload_optimizer.device is "cpu", which contradicts offload: none',
        ),
        ({"fp16": {"enabled": True}}, "fp16.enabled is true, which contradicts precision: bf16"),
        ({"bf16": {"enabled": False}}, "bf16.enabled is false, which contradicts precision: bf16"),
    ],
)
def test_a_deepspeed_file_that_contradicts_the_settings_is_refused(
    tmp_path: Path, content: dict[str, object], said: str
) -> None:
    """Otherwise the memory estimate and the checks would be of another training."""
    path = tmp_path / "deepspeed.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(said)):
        deepspeed_settings(AgentTrainingConfig(deepspeed=path, precision="bf16"))


def test_a_schedule_in_the_deepspeed_file_is_refused(tmp_path: Path) -> None:
    """The schedule is built here, and DeepSpeed would leave the file's out without a word."""
    path = tmp_path / "deepspeed.json"
    path.write_text(json.dumps({"scheduler": {"type": "WarmupLR", "params": {"warmup_num_steps": 100}}}))
    with pytest.raises(ConfigError, match=r"scheduler.*training\.agent\.schedule and training\.agent\.warmup_fraction"):
        deepspeed_settings(AgentTrainingConfig(deepspeed=path))
    path.write_text(json.dumps({"scheduler": "auto"}))
    assert "scheduler" not in deepspeed_settings(AgentTrainingConfig(deepspeed=path))


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
        AgentTrainingConfig(kinds={})


def test_examples_longer_than_the_tiny_model_holds_are_an_error() -> None:
    with pytest.raises(ValidationError, match=r"tiny\.context"):
        AgentTrainingConfig(max_length=4096)
    assert AgentTrainingConfig(max_length=4096, base_model="some/model").max_length == 4096


def test_offloading_becomes_deepspeeds_settings() -> None:
    states = {"device": "cpu", "pin_memory": False}
    optimizer = deepspeed_settings(AgentTrainingConfig(zero_stage=1, offload="optimizer"))["zero_optimization"]
    assert optimizer["offload_optimizer"] == states and "offload_param" not in optimizer
    config = AgentTrainingConfig(zero_stage=3, offload="parameters", gpus_per_worker=1)
    both = deepspeed_settings(config)["zero_optimization"]
    assert both["offload_optimizer"] == both["offload_param"] == {"device": "cpu", "pin_memory": True}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"offload": "optimizer", "zero_stage": 0}, "needs zero_stage 1"),
        ({"offload": "parameters", "zero_stage": 2}, "needs zero_stage 3"),
        ({"method": "qlora"}, "needs CUDA"),
        ({"method": "qlora", "gpus_per_worker": 1, "zero_stage": 3}, "zero_stage 2 or lower"),
        ({"precision": "fp16"}, "computed by GPUs"),
        ({"attention": "flash_attention_2", "precision": "bf16"}, "on GPUs"),
        ({"attention": "flash_attention_2", "gpus_per_worker": 1}, "bf16 or fp16"),
        ({"gpus_per_worker": 0.5, "workers": 2}, "share a GPU"),
        ({"kinds": {"plan": 1.5}}, "less than or equal to 1"),
    ],
)
def test_settings_that_cannot_go_together_are_errors(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        AgentTrainingConfig.model_validate(settings)


@pytest.mark.parametrize(
    ("kind", "settings", "carried"),
    [
        ("lfm2", {"num_hidden_layers": 2, "layer_types": ["conv", "full_attention"]}, r"has layers \(conv\) that"),
        ("qwen3_next", {}, r"has layers \(linear_attention\) that"),
        ("qwen3_5", {}, r"has layers \(linear_attention\) that"),
        ("recurrent_gemma", {}, r"has layers \(recurrent\) that"),
        ("falcon", {}, "carries"),  # the rest say nothing of it: their masks are made without positions
        ("falcon", {"alibi": True}, "carries"),
        ("opt", {}, "carries"),
    ],
)
def test_packing_is_refused_where_examples_would_see_others(
    kind: str, settings: dict[str, object], carried: str
) -> None:
    model = AutoConfig.for_model(kind, **settings)
    check_base(model, kind, AgentTrainingConfig(max_length=512))
    with pytest.raises(ConfigError, match=rf"{kind}' {carried}.*into the next.*packing: false"):
        check_base(model, kind, AgentTrainingConfig(max_length=512, packing=True))


KEEPERS = ["llama", "qwen2", "qwen3_moe", "mistral", "gemma", "gemma3", "gemma4", "gpt2", "deepseek_v3"]
WITH_MASKS_ALONE = ["llama4_text"]  # transformers has no FlashAttention for it


@pytest.mark.parametrize(
    ("kind", "attention"),
    [*product(KEEPERS + WITH_MASKS_ALONE, ["sdpa", "eager"]), *product(KEEPERS, ["flash_attention_2"])],
)
def test_packing_takes_bases_that_keep_examples_apart(kind: str, attention: str) -> None:
    before = torch.get_rng_state()
    check_base(AutoConfig.for_model(kind), kind, packed(attention))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kind", ["gpt_bigcode", "persimmon", "gptj"])
def test_packing_is_refused_where_flash_attention_would_mix_what_a_mask_keeps_apart(kind: str) -> None:
    model = AutoConfig.for_model(kind)
    check_base(model, kind, packed("eager"))
    with pytest.raises(ConfigError, match=f"'{kind}' does not tell FlashAttention.*Set attention: sdpa"):
        check_base(model, kind, packed("flash_attention_2"))


def packed(attention: str) -> AgentTrainingConfig:
    settings = {"max_length": 512, "packing": True, "attention": attention, "precision": "bf16", "gpus_per_worker": 1}
    return AgentTrainingConfig.model_validate(settings)


def test_packing_is_refused_where_a_base_cannot_be_tried() -> None:
    with pytest.raises(ConfigError, match=r"of the kind of 'bloom' cannot be run to see.*packing: false"):
        check_base(AutoConfig.for_model("bloom"), "bloom", AgentTrainingConfig(max_length=512, packing=True))


def test_a_large_base_is_tried_in_a_small_size() -> None:
    large = AutoConfig.for_model(
        "llama",
        hidden_size=8192,
        num_attention_heads=64,
        num_key_value_heads=8,
        num_hidden_layers=80,
        vocab_size=128256,
    )
    large.pad_token_id = 128004
    assert AutoModelForCausalLM.from_config(packing._shrunken(large)).num_parameters() < 1e6
    packing.check_packing(large, "a large base", "sdpa")
    assert (large.num_hidden_layers, large.pad_token_id) == (80, 128004)


@pytest.mark.parametrize("kind", ["llama", "gemma3", "mistral3"])
def test_examples_longer_than_the_base_was_made_for_are_an_error(kind: str) -> None:
    """Models that see as well keep it with the part that reads."""
    model = AutoConfig.for_model(kind)
    model.get_text_config().max_position_embeddings = 512
    with pytest.raises(ConfigError, match="was made for 512 tokens"):
        check_base(model, kind, AgentTrainingConfig(max_length=1024, base_model=kind))


@pytest.mark.parametrize(("keep", "lowest"), [("last", None), ("best", VALIDATION_LOSS)])
def test_so_many_checkpoints_are_kept_the_last_or_the_best(keep: str, lowest: str | None) -> None:
    config = AgentTrainingConfig.model_validate({"keep": keep, "keep_checkpoints": 5, "workers": 3, "max_failures": 7})
    run = run_of(config, "/runs", "agent")
    assert (run.keep_checkpoints, run.keep_lowest) == (5, lowest)
    assert (run.storage, run.name, run.workers, run.max_failures) == ("/runs", "agent", 3, 7)


def test_qlora_asks_for_a_base_in_four_bits_and_trains_adapters_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What bitsandbytes makes of it takes CUDA."""
    asked: list[dict[str, Any]] = []
    size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}

    def load(folder: str, **options: Any) -> LlamaForCausalLM:
        asked.append(options)
        return LlamaForCausalLM(LlamaConfig(vocab_size=20, **size))

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", load)
    settings = {"base_model": "b", "gpus_per_worker": 1, "precision": "bf16"}
    qlora, lora = (AgentTrainingConfig(method=method, **settings) for method in ("qlora", "lora"))
    model = models._load("b", qlora)
    models._load("b", lora)
    four_bits = asked[0]["quantization_config"]
    assert four_bits.load_in_4bit and four_bits.bnb_4bit_quant_type == "nf4" and four_bits.bnb_4bit_use_double_quant
    assert four_bits.bnb_4bit_compute_dtype == torch.bfloat16
    assert asked[1]["quantization_config"] is None
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert trained and all("lora" in name for name in trained)


@pytest.mark.parametrize(("dtype", "precision"), [(torch.bfloat16, "bf16"), (torch.float32, "fp32")])
def test_adapters_are_of_the_bases_precision(dtype: torch.dtype, precision: str) -> None:
    """As the memory estimate counts them. DeepSpeed would cast others, but not those that ZeRO-3 splits."""
    small = LlamaConfig(vocab_size=20, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    config = AgentTrainingConfig.model_validate({"precision": precision})
    model = with_adapters(LlamaForCausalLM(small).to(dtype), config)
    assert {weight.dtype for weight in model.parameters()} == {dtype}


@pytest.mark.parametrize(
    ("settings", "package"),
    [
        ({"method": "qlora", "gpus_per_worker": 1}, "bitsandbytes"),
        ({"attention": "flash_attention_2", "gpus_per_worker": 1, "precision": "bf16"}, "flash_attn"),
        ({"trackers": ["tensorboard", "wandb"]}, "wandb"),
        ({"trackers": ["mlflow"]}, "mlflow"),
    ],
)
def test_a_package_that_is_missing_is_named_before_the_start(
    settings: dict[str, object], package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == package else name)
    with pytest.raises(ConfigError, match=f"training.agent.*the package {package}.*install"):
        check_packages(AgentTrainingConfig.model_validate(settings))
    check_packages(AgentTrainingConfig())
