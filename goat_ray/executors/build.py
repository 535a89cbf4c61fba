"""From configuration to executor."""

from collections.abc import Sequence

from goat_ray.executors.config import ExecutorConfig
from goat_ray.executors.executor import Executor
from goat_ray.executors.sandbox import SandboxExecutor
from goat_ray.records import ApiFunction


def build_executor(config: ExecutorConfig, functions: Sequence[ApiFunction]) -> Executor:
    """The executor that the configuration names, for these functions."""
    if config.backend == "python":
        from goat_ray.executors.python.executor import PythonExecutor

        return PythonExecutor(config.python)
    if config.backend == "mcp":
        from goat_ray.executors.mcp.executor import McpExecutor

        return McpExecutor(config.mcp)
    return SandboxExecutor(functions, config.sandbox)
