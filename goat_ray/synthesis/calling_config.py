"""Settings of the call step."""

from typing import Any

from pydantic import Field, field_validator

from goat_ray.settings import Settings

RECOVERY = 0.1  # share of the plans where a configuration says no more than that some are to have it


class CallingConfig(Settings):
    """How plans become executed calls."""

    fan_out_share: float = Field(
        0.1, ge=0, le=1, description="Share of the plans whose last call may be made for several items of a list."
    )
    fan_out: int = Field(3, ge=2, description="Items of a list that such a call is made for, at most.")
    recovery: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the plans that keep a failed call and its correction: a wrong call made on purpose, "
        f"or a passing error of the API. true is a share of {RECOVERY}, false is 0.",
    )

    @field_validator("recovery", mode="before")
    @classmethod
    def _share_of_a_switch(cls, value: Any) -> Any:
        """Read as a number, true would be all plans."""
        return RECOVERY * value if isinstance(value, bool) else value
