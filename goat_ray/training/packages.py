"""Packages that only some settings need, asked for before any work starts."""

from importlib.util import find_spec

from goat_ray.errors import ConfigError
from goat_ray.training.config import AgentTrainingConfig

_NEEDED = {
    "qlora": ("bitsandbytes", "method", "install goat-ray[qlora], or use method: lora"),
    "flash_attention_2": ("flash_attn", "attention", "install flash-attn, or use attention: sdpa"),
    "wandb": ("wandb", "trackers", "install goat-ray[tracking], or leave wandb out"),
    "mlflow": ("mlflow", "trackers", "install goat-ray[tracking], or leave mlflow out"),
}
"""What a setting's value needs: the package, the setting, and what to do where it is not there."""


def check_packages(config: AgentTrainingConfig) -> None:
    """Raise ``ConfigError`` where the settings ask for a package that is not installed here."""
    for value in (config.method, config.attention, *config.trackers):
        package, setting, remedy = _NEEDED.get(value, ("", "", ""))
        if package and find_spec(package) is None:
            raise ConfigError(
                f"{value!r} needs the package {package}, which is not installed",
                place=f"training.agent.{setting}",
                remedy=f"On every node, {remedy}",
            )
