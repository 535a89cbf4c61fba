"""Base models, adapters and the DeepSpeed engine around them."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    get_scheduler,
)
from transformers.utils import logging as transformers_logging

from goat_ray.errors import ConfigError, ModelError
from goat_ray.places import fetched
from goat_ray.training.config import AgentTrainingConfig
from goat_ray.training.packing import check_packing

if TYPE_CHECKING:
    from deepspeed import DeepSpeedEngine

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def quiet_libraries(gpu: bool) -> None:
    """Keep the libraries to errors, and tell DeepSpeed its accelerator before it guesses with a warning."""
    os.environ["DS_ACCELERATOR"] = "cuda" if gpu else "cpu"
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    for name in ("deepspeed", "DeepSpeed", "peft", "sentence_transformers", "torch.distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)


def build_engine(base: str, config: AgentTrainingConfig, settings: dict[str, Any], steps: int) -> "DeepSpeedEngine":
    """The base model, with adapters where wanted, inside a DeepSpeed engine with optimizer and schedule.

    ``settings`` are those of ``deepspeed_settings``, ``steps`` is the length of the learning-rate
    schedule. Call it in a Ray Train worker on every rank.
    """
    import deepspeed  # it asks for its accelerator when imported, so never before ``quiet_libraries``
    from transformers.integrations.deepspeed import HfDeepSpeedConfig

    deepspeed.utils.logging.set_log_level_from_string("error")
    # A faster all-reduce on one host without GPUs. It would compile C++ for a minute at each machine's first
    # training, and fail where there is no compiler; gloo does the work without.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    split = settings["zero_optimization"]["stage"] == 3
    # While this object lives, from_pretrained splits the weights over the ranks as it reads them.
    split_loading = HfDeepSpeedConfig(settings) if split else None  # type: ignore[no-untyped-call]
    torch.manual_seed(config.seed)  # the same adapter initialisation on every rank
    model = _load(base, config)
    del split_loading
    engine, *_ = deepspeed.initialize(
        model=model,
        model_parameters=[parameter for parameter in model.parameters() if parameter.requires_grad],
        config=settings,
        lr_scheduler=_schedule(config, steps),
    )
    engine.train()  # from_pretrained leaves it in eval mode: without dropout, and without gradient checkpointing
    return engine


def _load(base: str, config: AgentTrainingConfig) -> PreTrainedModel:
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            fetched(base),
            dtype=_DTYPES[config.precision],
            attn_implementation=config.attention,
            quantization_config=_four_bits(config) if config.method == "qlora" else None,
        )
    except (OSError, ValueError, ImportError) as error:  # of packages that transformers finds too old
        raise _unloadable(base, error) from error
    model.name_or_path = base  # which adapters name: a folder that was fetched is on this machine only
    model.config.use_cache = False
    checkpointing = {"use_reentrant": False}
    if config.method == "qlora":
        from peft import prepare_model_for_kbit_training

        model = prepare_model_for_kbit_training(model, config.gradient_checkpointing, checkpointing)
    elif config.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=checkpointing)
    return with_adapters(model, config) if config.adapters else model


def _four_bits(config: AgentTrainingConfig) -> BitsAndBytesConfig:
    """NF4 with double quantization (QLoRA, arXiv 2305.14314, section 3)."""
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=_DTYPES[config.precision],
    )


def read_model_config(base: str) -> PreTrainedConfig:
    """The configuration of a base model, without its weights; raises ``ModelError`` where it cannot be had."""
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(fetched(base))
    except (OSError, ValueError) as error:
        raise _unloadable(base, error) from error
    return config


def _unloadable(base: str, error: Exception) -> ModelError:
    return ModelError(
        f"the base model {base!r} cannot be loaded: {' '.join(str(error).split())}",
        remedy="Set base_model to a folder in the Hugging Face layout or to a hub name that this machine can reach",
    )


def check_base(model: PreTrainedConfig, base: str, config: AgentTrainingConfig) -> None:
    """Raise ``ConfigError`` where the base model is too short for the examples, or would not keep packed ones apart."""
    text = model.get_text_config()  # of models that see and hear as well
    longest = getattr(text, "max_position_embeddings", config.max_length)
    if config.max_length > longest:
        raise ConfigError(
            f"max_length is {config.max_length} and the base model {base!r} was made for {longest} tokens",
            remedy=f"Set max_length to at most {longest}",
        )
    if config.packing:
        check_packing(text, base, config.attention)


def with_adapters(model: PreTrainedModel, config: AgentTrainingConfig) -> PreTrainedModel:
    """The model with untrained adapters; raises ``ConfigError`` where it has no such layers."""
    from peft import LoraConfig, get_peft_model

    lora = config.lora
    try:
        return get_peft_model(  # type: ignore[no-any-return]
            model,
            LoraConfig(
                r=lora.r,
                lora_alpha=lora.alpha,
                lora_dropout=lora.dropout,
                target_modules=lora.target_modules,
                task_type="CAUSAL_LM",
            ),
            autocast_adapter_dtype=False,  # DeepSpeed's optimizer has the weights in fp32 as well
        )
    except ValueError as error:
        raise ConfigError(
            f"no adapter can be put on this model: {error}",
            place="lora.target_modules",
            remedy="Name linear layers of the base model, such as q_proj and v_proj, or say all-linear",
        ) from error


def _schedule(config: AgentTrainingConfig, steps: int) -> Callable[[torch.optim.Optimizer], Any]:
    def build(optimizer: torch.optim.Optimizer) -> Any:
        warmup = round(config.warmup_fraction * steps)
        return get_scheduler(config.schedule, optimizer, num_warmup_steps=warmup, num_training_steps=steps)

    return build


def save_model(engine: "DeepSpeedEngine", tokenizer: PreTrainedTokenizerBase, folder: Path | None) -> None:
    """Write the adapter or the model, and the tokenizer, in the Hugging Face layout.

    Every rank calls it (ZeRO-3 gathers weights from all); only the one with a ``folder`` writes.
    """
    model = engine.module
    if engine.zero_optimization_stage() == 3:
        weights = engine._zero3_consolidated_16bit_state_dict(exclude_frozen_parameters=hasattr(model, "peft_config"))
    else:
        weights = model.state_dict()
    if folder is None:
        return
    getattr(model, "base_model", model).config.use_cache = True
    model.save_pretrained(folder, state_dict=weights)
    tokenizer.save_pretrained(folder)
