"""Settings of the agent, shared by the examples it is trained on and by the loop that runs it."""

from typing import Literal

from pydantic import Field

from goat_ray.settings import Settings
from goat_ray.teacher.config import EngineConfig


class PromptConfig(Settings):
    """What the model sees and writes."""

    observation_characters: int = Field(600, ge=40, description="Of each response, at most so many.")
    description_characters: int = Field(120, ge=0, description="Of each description, at most so many.")
    argument_style: Literal["values", "references"] = Field(
        "values",
        description="How arguments that come from earlier calls are written: as values, as the paper does, or as "
        "references ($1.results[0].id) that the runtime resolves exactly.",
    )


class AgentConfig(Settings):
    """The loop: retrieve, plan, fill, execute, answer."""

    prompt: PromptConfig = PromptConfig()
    candidates: int = Field(6, ge=1, description="Documents to plan with, retrieved or, in training, mixed in.")
    max_calls: int = Field(8, ge=1)
    plan_tokens: int = Field(128, ge=1, description="Most new tokens of a plan.")
    call_tokens: int = Field(128, ge=1, description="Most new tokens of one call's arguments.")
    answer_tokens: int = Field(160, ge=1, description="Most new tokens of the answer.")
    batch_size: int = Field(16, ge=1, description="Prompts generated together, where no engine batches them.")
    engine: EngineConfig | None = Field(
        None,
        description="How vLLM engines on the cluster serve the model, as in teacher.engine; a LoRA adapter is served "
        "on its base. Without it each worker loads the model with transformers.",
    )
    concurrency: int = Field(64, ge=1, description="Requests in flight per process, where engines serve the model.")
