"""Base models, adapters and the DeepSpeed engine around them."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase, get_scheduler
from transformers.utils import logging as transformers_logging

from goat_ray.errors import ConfigError, ModelError
from goat_ray.places import fetched
from goat_ray.training.config import AgentTrainingConfig

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


def deepspeed_settings(config: AgentTrainingConfig) -> dict[str, Any]:
    """What ``deepspeed.initialize`` takes: built from the configuration, then the user's file over it."""
    built: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": config.batch_size,
        "gradient_accumulation_steps": config.gradient_accumulation,
        "gradient_clipping": config.gradient_clipping,
        "steps_per_print": 1 << 40,  # the progress lines are ours
        "zero_optimization": {
            "stage": config.zero_stage,
            "stage3_gather_16bit_weights_on_model_save": True,
        },
        "bf16": {"enabled": config.precision == "bf16"},
        "fp16": {"enabled": config.precision == "fp16"},
        "optimizer": {
            "type": "AdamW",
            # PyTorch's own: DeepSpeed's fused ones compile C++ or CUDA on first use, which images may lack.
            "params": {"lr": config.learning_rate, "weight_decay": config.weight_decay, "torch_adam": True},
        },
    }
    if config.deepspeed:
        # The size of a step is ours alone: the loop and the schedule count with it.
        ours = {name: built[name] for name in ("train_micro_batch_size_per_gpu", "gradient_accumulation_steps")}
        built = _merged(built, read_deepspeed_file(config.deepspeed)) | ours
        built.pop("train_batch_size", None)
    return built


def read_deepspeed_file(path: Path) -> dict[str, Any]:
    """A DeepSpeed JSON file; raises ``ConfigError`` where it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot be read as JSON: {error}", place=str(path), remedy="Give a DeepSpeed JSON file"
        ) from error
    if not isinstance(content, dict):
        raise ConfigError("is not a JSON object", place=str(path), remedy="Give a DeepSpeed JSON file")
    return content


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for name, value in above.items():
        if isinstance(value, dict):
            result[name] = _merged(below.get(name, {}), value)
        elif value != "auto":  # what transformers' Trainer would fill in is filled in already
            result[name] = value
    return result


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
    return engine


def _load(base: str, config: AgentTrainingConfig) -> PreTrainedModel:
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(fetched(base), dtype=_DTYPES[config.precision])
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the base model {base!r} cannot be loaded: {' '.join(str(error).split())}",
            remedy="Set base_model to a folder in the Hugging Face layout or to a hub name that this machine can reach",
        ) from error
    model.name_or_path = base  # which adapters name: a folder that was fetched is on this machine only
    longest = getattr(model.config, "max_position_embeddings", config.max_length)
    if config.max_length > longest:
        raise ConfigError(
            f"max_length is {config.max_length} and the base model {base!r} was made for {longest} tokens",
            remedy=f"Set max_length to at most {longest}",
        )
    model.config.use_cache = False
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return _with_adapters(model, config) if config.method == "lora" else model


def _with_adapters(model: PreTrainedModel, config: AgentTrainingConfig) -> PreTrainedModel:
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
        )
    except ValueError as error:
        raise ConfigError(
            f"no adapter can be put on this model: {error}",
            place="lora.target_modules",
            remedy="Name linear layers of the base model, such as q_proj and v_proj",
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
    (folder / "README.md").unlink(missing_ok=True)  # peft's empty model card
