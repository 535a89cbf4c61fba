"""Settings of sampling and synthesis."""

from typing import Literal, Self

from pydantic import Field, model_validator

from goat_ray.settings import Settings
from goat_ray.synthesis.calling_config import CallingConfig
from goat_ray.synthesis.contamination import ContaminationConfig
from goat_ray.synthesis.privacy import PrivacyConfig
from goat_ray.synthesis.quotas import Lengths, QuotasConfig, Services, Share
from goat_ray.synthesis.shapes import LONGEST, Shape
from goat_ray.synthesis.splits import SplitsConfig


class SamplingConfig(Settings):
    """Which subgraphs become samples."""

    plans: int = Field(1000, ge=1, description="Plans to draw. Not each becomes an accepted sample.")
    lengths: Lengths = Field(
        {1: 1, 2: 3, 3: 3, 4: 2, 5: 1},
        min_length=1,
        description=f"Number of calls, 1 to {LONGEST} -> relative share of the plans.",
    )
    shapes: dict[Shape, Share] = Field(
        {"chain": 4, "parallel": 2, "tree": 2, "join": 1, "diamond": 1},
        description="How the calls hang together -> relative share of the plans that are long enough for it.",
    )
    services: Services = Field(
        {}, description="Service -> relative share of the plans; empty for all services by their functions."
    )
    coverage: int = Field(
        2, ge=0, description="Plans to grow from each function and each edge, where there are enough."
    )
    variants: int = Field(
        10, ge=1, description="Plans that may have the same structure; they differ in values and chosen items."
    )
    optional_arguments: float = Field(
        0.3, ge=0, le=1, description="Chance that a call gets one optional argument besides the required ones."
    )
    seed: int = 0


class SynthesisConfig(CallingConfig):
    """How executed calls become samples, and which samples the corpus."""

    paraphrases: int = Field(2, ge=0, le=4, description="Other wordings of the query, for each sample.")
    accepted: int | None = Field(
        None,
        ge=1,
        description="Samples that the corpus is to have, drawing plans until it has; null makes what "
        "sampling.plans give.",
    )
    max_plans: int | None = Field(None, ge=1, description="Plans that may be drawn for accepted samples; null: any.")
    shortfall: Literal["stop", "go-on"] = Field(
        "stop", description="After fewer samples than accepted asks for: end with an error, or go on with these."
    )
    quotas: QuotasConfig = QuotasConfig()
    near_duplicates: float = Field(
        0.9,
        ge=0.3,
        le=1,
        description="Similarity of two queries, as a Jaccard index of their pairs of words, from "
        "which one of them goes; 1 keeps all. Below 0.3 too few of the pairs would be found, and below 0.83 the search "
        "takes several times as long.",
    )
    splits: SplitsConfig = SplitsConfig()
    contamination: ContaminationConfig = ContaminationConfig()
    privacy: PrivacyConfig = PrivacyConfig()

    @model_validator(mode="after")
    def _quotas_are_of_something(self) -> Self:
        if self.accepted is None and (self.quotas != QuotasConfig() or self.max_plans is not None):
            raise ValueError("quotas and max_plans are for accepted, which is not set")
        return self
