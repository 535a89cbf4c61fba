"""Configuration of the sandbox."""

from typing import Self

from pydantic import Field, model_validator

from goat_ray.settings import Settings


class FaultsConfig(Settings):
    """Shares of calls that fail on purpose, by the seed and by what the session has called so far."""

    timeout: float = Field(default=0, ge=0, le=1, description="Status 504.")
    server_error: float = Field(default=0, ge=0, le=1, description="Status 500.")
    rate_limit: float = Field(default=0, ge=0, le=1, description="Status 429.")

    @model_validator(mode="after")
    def _are_shares(self) -> Self:
        if self.timeout + self.server_error + self.rate_limit > 1:
            raise ValueError("the shares of faults add up to more than 1")
        return self


class SandboxConfig(Settings):
    """The made-up world behind the documents."""

    seed: int = Field(default=0, description="Another seed gives another made-up world.")
    list_length: int = Field(default=5, ge=1, le=100, description="Items on a page of a list.")
    entities: int = Field(default=24, ge=1, le=10_000, description="At least so many known things of each kind.")
    faults: FaultsConfig = FaultsConfig()
