"""Configuration of the executors."""

from typing import Any, Literal, Self

from pydantic import model_validator

from goat_ray.executors.cassette import CassetteConfig
from goat_ray.executors.http.config import CallingConfig, HttpConfig, LimitsConfig
from goat_ray.executors.mcp.config import McpConfig
from goat_ray.executors.python.config import PythonConfig
from goat_ray.executors.sandbox.config import SandboxConfig
from goat_ray.executors.toolbench import ToolbenchConfig
from goat_ray.settings import Settings


class ExecutorConfig(Settings):
    """Where calls are run."""

    backend: Literal["sandbox", "python", "mcp", "http", "toolbench", "llm"] = "sandbox"
    sandbox: SandboxConfig = SandboxConfig()
    python: PythonConfig = PythonConfig()
    mcp: McpConfig = McpConfig()
    http: HttpConfig = HttpConfig()
    toolbench: ToolbenchConfig = ToolbenchConfig()
    cassette: CassetteConfig = CassetteConfig()

    def decisive(self) -> dict[str, Any]:
        """What answers depend on, for fingerprints: not how fast they come, nor that they are recorded."""
        exclude: dict[str, Any] = {}
        if self.backend in ("http", "toolbench", "mcp"):
            pace, limits = dict.fromkeys(CallingConfig.model_fields, True), set(LimitsConfig.model_fields)
            exclude = {**pace, **dict.fromkeys(limits, True), "hosts": {"__all__": limits}}
        settings: dict[str, Any] = {"backend": self.backend}
        if self.backend == "python":
            settings["python"] = self.python.decisive()
        elif self.backend != "llm":  # whose settings are the teacher's
            section: Settings = getattr(self, self.backend)
            settings[self.backend] = section.model_dump(mode="json", exclude=exclude)
        return settings | ({"cassette": self.cassette.model_dump()} if self.cassette.mode == "replay" else {})

    @model_validator(mode="after")
    def _knows_where_to_run(self) -> Self:
        if self.backend == "python" and not self.python.root:
            raise ValueError("set executor.python.root to the folder that the tools are imported from")
        if self.backend == "mcp" and not self.mcp.servers:
            raise ValueError("name the servers in executor.mcp.servers, as in documents.mcp")
        if self.backend == "http" and not self.http.hosts:
            raise ValueError("name the hosts that may be called in executor.http.hosts")
        if self.backend == "toolbench" and self.toolbench.url is None:
            raise ValueError("set executor.toolbench.url to the address of the proxy")
        return self
