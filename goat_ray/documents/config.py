"""Which API documents to read, and how much of each."""

from typing import Self

from pydantic import Field, model_validator

from goat_ray.mcp_servers import McpServers
from goat_ray.settings import Settings


class Limits(Settings):
    """Bounds on what one document may cost: documents are untrusted input."""

    max_bytes: int = Field(default=50_000_000, ge=1)
    """Largest file that is read, in bytes."""

    max_nodes: int = Field(default=5_000_000, ge=1)
    """Most values (objects, arrays, scalars) in one document, YAML aliases counted where they are used."""

    max_depth: int = Field(default=12, ge=1)
    """Deepest member of a body that becomes a field or a parameter, in steps of its JSON path."""

    max_fields: int = Field(default=400, ge=1)
    """Most output fields of a function, and most parameters from its request body; the shallowest are kept."""


class DocumentsConfig(Limits):
    """The ``documents`` section: what to read, and the limits."""

    paths: list[str] = []
    """Files, folders (with all below them) and globs, relative to the working directory, or URLs of object stores."""

    mcp: McpServers = []
    """Live servers whose tools are listed anew whenever documents are read."""

    @model_validator(mode="after")
    def _something_to_read(self) -> Self:
        if not (self.paths or self.mcp):
            raise ValueError("there is nothing to read; set documents.paths, documents.mcp or both")
        return self
