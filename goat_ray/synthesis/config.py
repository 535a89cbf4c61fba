"""Settings of sampling and synthesis."""

from pydantic import Field, field_validator

from goat_ray.settings import Settings


class SamplingConfig(Settings):
    """Which subgraphs become samples."""

    plans: int = Field(1000, ge=1, description="Plans to draw. Not each becomes an accepted sample.")
    lengths: dict[int, float] = Field(
        {1: 1, 2: 3, 3: 3, 4: 2, 5: 1}, description="Number of calls -> relative share of the plans."
    )
    optional_arguments: float = Field(
        0.3, ge=0, le=1, description="Chance that a call gets one optional argument besides the required ones."
    )
    seed: int = 0

    @field_validator("lengths")
    @classmethod
    def _positive(cls, lengths: dict[int, float]) -> dict[int, float]:
        if not lengths or min(lengths) < 1 or min(lengths.values()) < 0 or sum(lengths.values()) <= 0:
            raise ValueError("lengths are at least 1 and their shares not negative and not all zero")
        return lengths


class SynthesisConfig(Settings):
    """How executed calls become samples."""

    paraphrases: int = Field(2, ge=0, le=4, description="Other wordings of the query, for each sample.")
    validation_share: float = Field(0.05, ge=0, lt=1)
    test_share: float = Field(0.1, ge=0, lt=1)
