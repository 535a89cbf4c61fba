"""Configuration of the executors."""

from typing import Literal, Self

from pydantic import model_validator

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

    @model_validator(mode="after")
    def _knows_where_to_run(self) -> Self:
        if self.backend == "python" and not self.python.root:
            raise ValueError("set executor.python.root to the folder that the tools are imported from")
        if self.backend == "mcp" and not self.mcp.servers:
            raise ValueError("name the servers in executor.mcp.servers, as in documents.mcp")
        return self
