"""Configuration of the sandbox."""

from pydantic import Field

from goat_ray.settings import Settings


class SandboxConfig(Settings):
    """The made-up world behind the documents."""

    seed: int = Field(default=0, description="Another seed gives another made-up world.")
    list_length: int = Field(default=5, ge=1, le=100, description="Items on a page of a list.")
    entities: int = Field(default=24, ge=1, le=10_000, description="At least so many known things of each kind.")
