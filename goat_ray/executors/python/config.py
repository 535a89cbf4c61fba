"""Configuration of the executor that runs Python tools."""

from pathlib import Path
from typing import Any

from pydantic import Field

from goat_ray.identity import files_id
from goat_ray.settings import Settings


class PythonConfig(Settings):
    """Which code may run, and what one session may use."""

    root: str = ""
    """The folder that the tools are imported from, as ``PYTHONPATH`` would have it; nothing outside of it is run."""

    init_database: str = "init_database"
    """Folder below ``root`` with API-Bank's databases, ``<database_name>.json``, which each session reads anew."""

    interpreter: str = ""
    """The Python that has what the tools import, and pydantic; empty takes this one."""

    preload: list[str] = []
    """Modules that are imported once and then shared by all sessions, which must not mind; for slow imports."""

    env: list[str] = []
    """Names of environment variables that the tools see besides ``PATH``, ``HOME`` and the language."""

    timeout_s: float = Field(default=30.0, gt=0)
    """Of one call, by the clock; its session ends with it."""

    cpu_s: int = Field(default=30, ge=1)
    """Processor time of one call."""

    memory_mb: int = Field(default=1024, ge=16)
    """Address space that a session's process may take, in MiB, beyond what ``preload`` has taken."""

    max_bytes: int = Field(default=5_000_000, ge=1)
    """Longest result, as JSON."""

    workers: int = Field(default=4, ge=1)
    """Calls that run at once. Sessions hold an idle process each besides."""

    def decisive(self) -> dict[str, Any]:
        """What answers depend on, for fingerprints: code and databases as they are now, wherever their folder lies."""
        root = Path(self.root).expanduser()
        files = {*root.rglob("*.py"), *(root / self.init_database).rglob("*.json")}
        read = files_id(filter(Path.is_file, files), root)
        return self.model_dump(mode="json", exclude={"root", "workers"}) | {"files": read}
