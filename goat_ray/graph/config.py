"""Settings of the dependency graph."""

from typing import Any, Literal

from pydantic import Field

from goat_ray.graph.search import SearchConfig
from goat_ray.settings import Settings


class EmbeddingConfig(Settings):
    """How texts become vectors."""

    model: str = Field("", description="Empty: all-MiniLM-L6-v2. Else a local folder or a hub name.")
    batch_size: int = Field(64, ge=1, description="Texts per forward pass.")
    device: str = Field("", description="Empty: CUDA where there is one, else CPU.")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="Of the weights. Halves are for GPUs; CPUs without instructions for them get slower."
    )
    workers: int | None = Field(None, ge=1)
    cpus: float = Field(1.0, ge=0)
    gpus: float = Field(0.0, ge=0)


class CandidatesConfig(Settings):
    """Which pairs of output field and parameter are worth a closer look (paper: section 3.1, filter 1)."""

    floor: float = Field(0.3, ge=-1, le=1, description="Least cosine. Low on purpose: recall comes first.")
    per_parameter: int = Field(64, ge=1, description="At most so many source fields for one parameter.")
    search: SearchConfig = SearchConfig()

    def decisive(self) -> dict[str, Any]:
        """What decides which neighbours are found, unlike how the work is spread."""
        return {
            "per_parameter": self.per_parameter,
            "search": self.search.model_dump(include={"exact_up_to", "lists", "recall"}),
        }


class CascadeConfig(Settings):
    """A cheap score decides the clear candidates; the teacher judges a sample first, then those between."""

    precision: float = Field(0.98, gt=0, lt=1, description="Of what is accepted without asking.")
    recall: float = Field(0.98, gt=0, lt=1, description="1 - recall of all good edges may be lost without asking.")
    sample: int = Field(400, ge=20, description="Candidates that the teacher judges to set the two thresholds.")
    confidence: float = Field(0.8, ge=0.5, lt=1, description="With which the targets hold, as far as a sample tells.")


class VerificationConfig(Settings):
    """How the teacher is asked about candidates (paper: section 3.1, filter 2)."""

    per_prompt: int = Field(
        1, ge=1, le=32, description="Candidates for one parameter in one prompt. More are cheaper and less exact."
    )
    cascade: CascadeConfig | None = Field(None, description="None asks the teacher about every candidate.")


class GraphConfig(Settings):
    """The funnel from all pairs to verified edges."""

    embedding: EmbeddingConfig = EmbeddingConfig()
    candidates: CandidatesConfig = CandidatesConfig()
    verification: VerificationConfig = VerificationConfig()
    execute: bool = Field(True, description="Drop edges that execution does not confirm (filter 3).")
