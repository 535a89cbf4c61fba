"""From configuration to executor."""

from collections.abc import Sequence
from pathlib import Path

from goat_ray.executors.cassette import Player, Recorder
from goat_ray.executors.config import ExecutorConfig
from goat_ray.executors.executor import Executor
from goat_ray.executors.http.executor import HttpExecutor
from goat_ray.executors.limits import Limits
from goat_ray.executors.sandbox import SandboxExecutor
from goat_ray.executors.toolbench import ToolbenchExecutor
from goat_ray.records import ApiFunction


def build_executor(config: ExecutorConfig, functions: Sequence[ApiFunction], limits: Limits | None = None) -> Executor:
    """The executor that the configuration names, for these functions.

    ``limits`` are the hosts' limits that it shares with others; without them they hold for this executor alone.
    """
    cassette = config.cassette
    if cassette.path is None or cassette.mode == "off":
        return _backend(config, functions, limits)
    folder = Path(cassette.path)
    if cassette.mode == "record":
        return Recorder(_backend(config, functions, limits), folder)
    if cassette.on_miss == "call":
        return Player(folder, _backend(config, functions, limits))
    return Player(folder, SandboxExecutor(functions, config.sandbox) if cassette.on_miss == "sandbox" else None)


def _backend(config: ExecutorConfig, functions: Sequence[ApiFunction], limits: Limits | None) -> Executor:
    if config.backend == "python":
        from goat_ray.executors.python.executor import PythonExecutor

        return PythonExecutor(config.python)
    if config.backend == "mcp":
        from goat_ray.executors.mcp.executor import McpExecutor

        return McpExecutor(config.mcp)
    if config.backend == "http":
        return HttpExecutor(config.http, limits)
    if config.backend == "toolbench":
        return ToolbenchExecutor(config.toolbench, limits)
    return SandboxExecutor(functions, config.sandbox)
