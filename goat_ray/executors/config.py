"""Configuration of the executors."""

from typing import Literal

from goat_ray.executors.sandbox.config import SandboxConfig
from goat_ray.settings import Settings


class ExecutorConfig(Settings):
    """Where calls are run."""

    backend: Literal["sandbox"] = "sandbox"
    sandbox: SandboxConfig = SandboxConfig()
