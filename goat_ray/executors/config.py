"""Configuration of the executors."""

from typing import Literal

from goat_ray.executors.mcp.config import McpConfig
from goat_ray.executors.python.config import PythonConfig
from goat_ray.executors.sandbox.config import SandboxConfig
from goat_ray.settings import Settings


class ExecutorConfig(Settings):
    """Where calls are run."""

    backend: Literal["sandbox", "python", "mcp"] = "sandbox"
    sandbox: SandboxConfig = SandboxConfig()
    python: PythonConfig = PythonConfig()
    mcp: McpConfig = McpConfig()
