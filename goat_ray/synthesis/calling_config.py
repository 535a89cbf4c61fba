"""Settings of the call step."""

from pydantic import Field

from goat_ray.settings import Settings


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
        "or a passing error of the API.",
    )
