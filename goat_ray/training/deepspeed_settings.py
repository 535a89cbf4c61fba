"""What DeepSpeed is told: its JSON, from our settings and the user's file."""

import json
from pathlib import Path
from typing import Any

from goat_ray.errors import ConfigError
from goat_ray.training.config import AgentTrainingConfig

STEP_SIZE = ("train_micro_batch_size_per_gpu", "gradient_accumulation_steps")
"""How one worker's examples of a step are cut into passes: ours alone, as the loop and the schedule count with it."""

_DECIDED_BY = {
    "zero_optimization.stage": "zero_stage",
    "zero_optimization.offload_optimizer.device": "offload",
    "zero_optimization.offload_param.device": "offload",
    "bf16.enabled": "precision",
    "fp16.enabled": "precision",
}
"""What the memory estimate and the checks of the configuration rest on, and the setting of ours that says it."""


def deepspeed_settings(config: AgentTrainingConfig) -> dict[str, Any]:
    """What ``deepspeed.initialize`` takes: built from the configuration, then the user's file over it.

    Raises ``ConfigError`` where the file cannot be read or says otherwise than ``zero_stage``, ``offload`` or
    ``precision``, or has a schedule of its own.
    """
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
        "zero_force_ds_cpu_optimizer": False,  # for the same reason, where the optimizer is offloaded
    }
    built["zero_optimization"] |= _offload(config)
    if config.deepspeed:
        ours = {name: built[name] for name in STEP_SIZE}
        theirs = read_deepspeed_file(config.deepspeed)
        if theirs.get("scheduler", "auto") != "auto":
            raise ConfigError(
                "scheduler is decided by training.agent.schedule and training.agent.warmup_fraction",
                place=str(config.deepspeed),
                remedy="Leave it out of the file",
            )
        merged = _merged(built, theirs)
        _refuse_contradictions(built, merged, config)
        built = merged | ours
        built.pop("train_batch_size", None)
    return built


def _offload(config: AgentTrainingConfig) -> dict[str, Any]:
    to_cpu = {"device": "cpu", "pin_memory": config.gpus_per_worker > 0}
    return {
        "none": {},
        "optimizer": {"offload_optimizer": to_cpu},
        "parameters": {"offload_optimizer": to_cpu, "offload_param": to_cpu},
    }[config.offload]


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


def _refuse_contradictions(built: dict[str, Any], merged: dict[str, Any], config: AgentTrainingConfig) -> None:
    for key, setting in _DECIDED_BY.items():
        ours, theirs = (_at(settings, key) for settings in (built, merged))
        # Where offloading goes to, the nodes' memory or their disks, is the file's to say.
        if ours != theirs and not (setting == "offload" and ours and theirs):
            given = getattr(config, setting)
            raise ConfigError(
                f"{key} is {json.dumps(theirs)}, which contradicts {setting}: {given}",
                place=str(config.deepspeed),
                remedy=f"Set training.agent.{setting} to what the file says, or leave {key} out of the file",
            )


def _at(settings: dict[str, Any], key: str) -> Any:
    """The value at a dotted key; None where there is none, or where a device is "none"."""
    value: Any = settings
    for name in key.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return None if value == "none" else value


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for name, value in above.items():
        if isinstance(value, dict):
            result[name] = _merged(below.get(name, {}), value)
        elif value != "auto":  # what transformers' Trainer would fill in is filled in already
            result[name] = value
    return result
