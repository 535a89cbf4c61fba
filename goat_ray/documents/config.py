"""Which API documents to read, and how much of each."""

from pydantic import Field

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
    """The ``documents`` section: the paths to read, and the limits."""

    paths: list[str] = Field(min_length=1)
    """Files, folders (with all below them) and globs, relative to the working directory, or URLs of object stores."""
