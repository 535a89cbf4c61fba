"""From configuration to executor."""

from collections.abc import Sequence
from dataclasses import dataclass

from goat_ray.executors.cassette import Player, Recorder
from goat_ray.executors.config import ExecutorConfig
from goat_ray.executors.executor import Executor
from goat_ray.executors.http.executor import HttpExecutor
from goat_ray.executors.limits import Limits
from goat_ray.executors.sandbox import SandboxExecutor
from goat_ray.executors.toolbench import ToolbenchExecutor
from goat_ray.places import Place
from goat_ray.records import ApiFunction
from goat_ray.rows import Json


@dataclass(frozen=True)
class Outside:
    """What an executor shares with others, or cannot make itself. Cheap to pickle."""

    limits: Limits | None = None  # of hosts; without them, an executor's limits hold for itself alone
    player: Executor | None = None  # plays the API for the backend ``llm``

    def settings(self, config: ExecutorConfig) -> Json:
        """What the answers of the configured executor depend on, for fingerprints."""
        return config.decisive() | ({"player": self.player.settings()} if self.player is not None else {})

    def prepare(self) -> None:
        """See ``Executor.prepare``."""
        if self.player is not None:
            self.player.prepare()


ALONE = Outside()


def build_executor(config: ExecutorConfig, functions: Sequence[ApiFunction], outside: Outside = ALONE) -> Executor:
    """The executor that the configuration names, for these functions."""
    cassette = config.cassette
    if cassette.path is None or cassette.mode == "off":
        return _backend(config, functions, outside)
    folder = Place.of(cassette.path)
    if cassette.mode == "record":
        return Recorder(_backend(config, functions, outside), folder)
    if cassette.on_miss == "call":
        return Player(folder, _backend(config, functions, outside))
    return Player(folder, SandboxExecutor(functions, config.sandbox) if cassette.on_miss == "sandbox" else None)


def _backend(config: ExecutorConfig, functions: Sequence[ApiFunction], outside: Outside) -> Executor:
    if config.backend == "llm":
        assert outside.player is not None, "whoever configures llm gives a player"
        return outside.player
    if config.backend == "python":
        from goat_ray.executors.python.executor import PythonExecutor

        return PythonExecutor(config.python)
    if config.backend == "mcp":
        from goat_ray.executors.mcp.executor import McpExecutor

        return McpExecutor(config.mcp, outside.limits)
    if config.backend == "http":
        return HttpExecutor(config.http, outside.limits)
    if config.backend == "toolbench":
        return ToolbenchExecutor(config.toolbench, outside.limits)
    return SandboxExecutor(functions, config.sandbox)
