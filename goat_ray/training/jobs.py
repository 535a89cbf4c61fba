"""What a driver tells its training workers. Apart from the loops, so that Ray Train's controller, which
reads it too, need not import PyTorch."""

from dataclasses import dataclass
from typing import Any

from goat_ray.training.config import AgentTrainingConfig, RetrieverTrainingConfig
from goat_ray.training.feed import Tally
from goat_ray.training.lineage import Lineage


@dataclass(frozen=True)
class AgentJob:
    """A fine-tuning of the agent."""

    config: AgentTrainingConfig
    deepspeed: dict[str, Any]  # as ``deepspeed.initialize`` takes it
    base: str  # folder or hub name of the base model
    output: str
    fingerprint: str
    lineage: Lineage
    tally: Tally  # of the training examples
    steps_per_epoch: int
    rows_per_step: int  # of one worker
    evaluated_on: int  # validation examples; 0: too few to evaluate at all


@dataclass(frozen=True)
class RetrieverJob:
    """A fine-tuning of the retriever."""

    config: RetrieverTrainingConfig
    base: str  # as ``load_embedder`` takes it
    examples: str
    output: str
    fingerprint: str
    lineage: Lineage


def epoch_name(number: int) -> str:
    """The name of an epoch's dataset."""
    return f"epoch-{number}"
