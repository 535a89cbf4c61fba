"""The estimate against the ZeRO paper's table, DeepSpeed's own formulas and counted parameters."""

import pytest
from transformers import LlamaConfig

from goat_ray.errors import ConfigError
from goat_ray.training.config import AgentTrainingConfig, LoraConfig
from goat_ray.training.memory import GB, ModelSize, estimate, measure, memory_line

LLAMA_8B = LlamaConfig(
    vocab_size=128_256,
    hidden_size=4096,
    intermediate_size=14_336,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=8,
    max_position_embeddings=8192,
)


def config(**changes: object) -> AgentTrainingConfig:
    settings = {"base_model": "some/model", "method": "full", "precision": "bf16", "gpus_per_worker": 1.0, "workers": 8}
    return AgentTrainingConfig.model_validate({**settings, **changes})


def size(parameters: float = 7.5e9, trained: float | None = None) -> ModelSize:
    return ModelSize(
        int(parameters), int(trained or parameters), largest=0, layers=32, hidden=4096, heads=32, vocabulary=0
    )


@pytest.mark.parametrize(
    ("stage", "gigabytes"),
    # ZeRO paper, figure 1: 7.5 B parameters, Adam in mixed precision, 64 GPUs.
    [(0, 120.0), (1, 31.4), (2, 16.6), (3, 1.9)],
)
def test_states_are_those_of_the_papers_figure(stage: int, gigabytes: float) -> None:
    one = estimate(size(), config(zero_stage=stage, workers=64))
    assert (one.weights + one.gradients + one.optimizer) / GB == pytest.approx(gigabytes, abs=0.05)


@pytest.mark.parametrize(
    ("changes", "weights", "gradients", "optimizer", "host"),
    [
        ({"zero_stage": 2}, 15.0, 1.875, 11.25, 0.0),
        ({"zero_stage": 1, "offload": "optimizer"}, 15.0, 15.0, 0.0, 11.25),
        ({"zero_stage": 2, "offload": "optimizer"}, 15.0, 0.0, 0.0, 13.125),
        ({"zero_stage": 3, "offload": "optimizer"}, 1.875, 0.0, 0.0, 13.125),
        ({"zero_stage": 3, "offload": "parameters"}, 0.0, 0.0, 0.0, 15.0),
        ({"zero_stage": 0, "precision": "fp32"}, 30.0, 30.0, 60.0, 0.0),
    ],
)
def test_what_is_split_and_what_is_moved(
    changes: dict[str, object], weights: float, gradients: float, optimizer: float, host: float
) -> None:
    one = estimate(size(), config(**changes))
    assert [one.weights, one.gradients, one.optimizer, one.host] == pytest.approx(
        [each * GB for each in (weights, gradients, optimizer, host)]
    )


def test_only_adapters_have_gradients_and_optimizer_states() -> None:
    lora = estimate(size(trained=1e7), config(method="lora", zero_stage=0))
    assert lora.gradients == 2e7 and lora.optimizer == 12e7 and lora.weights == 15e9 + 2e7
    four_bits = estimate(size(trained=1e7), config(method="qlora", zero_stage=0))
    assert four_bits.weights == pytest.approx(7.5e9 * 0.516 + 2e7)


def test_activations_grow_with_tokens_and_shrink_with_checkpointing() -> None:
    plain, longer, checkpointed, eager = (
        estimate(size(), config(**changes)).activations
        for changes in ({}, {"max_length": 4096}, {"gradient_checkpointing": True}, {"attention": "eager"})
    )
    assert plain == 32 * 4 * 2048 * 4096 * 34
    assert longer == 2 * plain
    assert checkpointed < plain / 10 < plain < eager


def test_parameters_are_counted_without_weights() -> None:
    full = measure(LLAMA_8B, config())
    assert full.parameters == full.trained == 8_030_261_248  # as on the model's card
    assert full.largest == 128_256 * 4096
    adapters = measure(LLAMA_8B, config(method="lora"))
    # r x (in + out) for q_proj (4096 to 4096) and v_proj (4096 to 1024), in 32 layers
    assert adapters.trained == 32 * 8 * (8192 + 5120) and adapters.parameters == full.parameters
    everywhere = measure(LLAMA_8B, config(method="lora", lora=LoraConfig(target_modules="all-linear")))
    # q and o, k and v, gate, up and down; nothing on the output layer
    assert everywhere.trained == 32 * 8 * (2 * 8192 + 2 * 5120 + 3 * (4096 + 14336))
    with pytest.raises(ConfigError, match="target_modules"):
        measure(LLAMA_8B, config(method="lora", lora=LoraConfig(target_modules=["query"])))


def test_the_line_says_what_to_do_where_it_does_not_fit() -> None:
    big = size(70e9)
    line = memory_line(big, config(zero_stage=3, batch_size=1, gradient_checkpointing=True), have=80 * GB)
    assert line == (
        "70 B parameters, ZeRO-3, 8 GPUs: needs 142 GB per GPU; you have 80: "
        "try offload, more workers or a shorter max_length"
    )
    fits = memory_line(
        big, config(zero_stage=3, batch_size=1, offload="parameters", gradient_checkpointing=True), 80 * GB
    )
    assert "about 2.3 GB per GPU at most" in fits and "140 GB of its node's memory" in fits
    assert memory_line(size(1e6), config(gpus_per_worker=0.0, workers=1), None).startswith(
        "1 M parameters, ZeRO-2, 1 worker:"
    )
