"""The whole configuration: one strict tree made of each package's own sections."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from goat_ray import settings
from goat_ray.agent.config import AgentConfig
from goat_ray.cluster import ClusterConfig
from goat_ray.documents.config import DocumentsConfig
from goat_ray.evaluation.config import EvaluationConfig
from goat_ray.executors.config import ExecutorConfig
from goat_ray.graph.config import GraphConfig
from goat_ray.places import Place
from goat_ray.settings import Settings
from goat_ray.synthesis.config import SamplingConfig, SynthesisConfig
from goat_ray.teacher.config import TeacherConfig
from goat_ray.training.config import AgentTrainingConfig, RetrieverTrainingConfig
from goat_ray.training.examples import ExamplesConfig


class RunConfig(Settings):
    """Where the run lives."""

    directory: str = Field(
        "runs/default", description="Shared by all nodes of the cluster: a folder, or a URL such as s3://bucket/run."
    )

    @field_validator("directory")
    @classmethod
    def _can_be_used(cls, directory: str) -> str:
        if not directory.strip():
            raise ValueError("names no folder")
        Place.of(directory)
        return directory


class TrainingConfig(Settings):
    """Everything about fine-tuning."""

    examples: ExamplesConfig = ExamplesConfig()
    agent: AgentTrainingConfig = AgentTrainingConfig()
    retriever: RetrieverTrainingConfig = RetrieverTrainingConfig()


class GoatConfig(Settings):
    """The road from documents to scores."""

    run: RunConfig = RunConfig()
    cluster: ClusterConfig = ClusterConfig()
    documents: DocumentsConfig
    graph: GraphConfig = GraphConfig()
    teacher: TeacherConfig = TeacherConfig()
    executor: ExecutorConfig = ExecutorConfig()
    sampling: SamplingConfig = SamplingConfig()
    synthesis: SynthesisConfig = SynthesisConfig()
    training: TrainingConfig = TrainingConfig()
    agent: AgentConfig = AgentConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @model_validator(mode="after")
    def _cascade_saves_something(self) -> Self:
        if self.graph.verification.cascade is not None and self.teacher.backend == "rules":
            raise ValueError("graph.verification.cascade saves calls of a model; leave it out with the teacher 'rules'")
        return self

    @model_validator(mode="after")
    def _somebody_plays_the_api(self) -> Self:
        if self.executor.backend == "llm" and self.teacher.backend == "rules":
            raise ValueError("executor.backend 'llm' asks the teacher, and 'rules' cannot play an API; use 'sandbox'")
        return self


def load_config(path: Path, changes: Sequence[str] = ()) -> GoatConfig:
    """Read and check a configuration file; raises ``ConfigError`` before anything starts."""
    return settings.load(path, GoatConfig, changes)
