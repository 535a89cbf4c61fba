"""Settings of evaluation."""

from pydantic import Field

from goat_ray.settings import Settings


class EvaluationConfig(Settings):
    """What is measured, before and after training."""

    samples: int = Field(100, ge=1, description="Held-out samples that the agent attempts, at most.")
    cpus: float = Field(2.0, gt=0, description="Of each worker that runs the agent.")
    gpus: float = Field(0.0, ge=0)
    workers: int = Field(1, ge=1)
    concurrency: int = Field(
        32,
        ge=1,
        description="Queries that a worker attempts together. 'seconds per task' is the time for them over their "
        "number; with 1 it is what a lone query takes.",
    )
    recall_at: tuple[int, ...] = Field(
        (1, 3, 5, 10), min_length=1, description="k of Recall@k, Complete@k (all needed among the first k) and nDCG@k."
    )
    queries: str = Field(
        "", description="A RestBench query file ([{query, solution}]) to measure retrieval on, besides the samples."
    )
