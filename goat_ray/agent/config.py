"""Settings of the agent, shared by the examples it is trained on, by the loop that runs it and by its server."""

from ipaddress import ip_address
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from goat_ray.agent.documents import DEFAULT_PARTS, DocumentPart
from goat_ray.settings import Settings, VariableName
from goat_ray.teacher.config import OPENAI_URL, EngineConfig, TeacherConfig


class PromptConfig(Settings):
    """What the model sees and writes."""

    observation_characters: int = Field(600, ge=40, description="Of each response, at most so many.")
    description_characters: int = Field(120, ge=0, description="Of each description, at most so many.")
    argument_style: Literal["values", "references"] = Field(
        "values",
        description="How arguments that come from earlier calls are written: as values, as the paper does, or as "
        "references ($1.results[0].id) that the runtime resolves exactly.",
    )


class EndpointConfig(TeacherConfig):
    """An OpenAI-compatible endpoint that serves the agent's model; keys as in ``teacher``."""

    backend: Literal["openai"] = "openai"
    temperature: float = Field(0.0, ge=0, le=2)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.model:
            raise ValueError("the endpoint needs a model; set agent.endpoint.model")
        if self.base_url == OPENAI_URL and not self.api_key_env:
            raise ValueError(f"{OPENAI_URL} needs a key; set agent.endpoint.api_key_env, or base_url to your own")
        return self


class ServerConfig(Settings):
    """``goat agent serve``: an OpenAI-compatible server on Ray Serve."""

    host: str = Field("127.0.0.1", description="Address to listen on. Others than this machine's own need a token.")
    port: int = Field(8000, ge=1, le=65535)
    token_env: VariableName | None = Field(
        None, description="Environment variable with the token that requests must carry; without it none is asked for."
    )
    model_name: str = Field("goat-agent", min_length=1, description="What clients call it.")
    replicas: int = Field(1, ge=1)
    cpus_per_replica: float = Field(1.0, gt=0)
    gpus_per_replica: float = Field(0.0, ge=0)
    concurrency: int = Field(64, ge=1, description="Requests at work in one replica.")
    queue: int = Field(256, ge=0, description="Requests that wait for a replica; more are refused with status 429.")
    traces: int = Field(1000, ge=0, description="Latest traces that GET /trace/ID can show.")

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.token_env is None and not _is_loopback(self.host):
            raise ValueError(f"{self.host} can be reached by others; name a token's variable in token_env")
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class AgentConfig(Settings):
    """The loop: retrieve, plan, fill, execute, answer."""

    mode: Literal["plan", "react", "chat"] = Field(
        "plan",
        description="plan: all calls are chosen first, as the agent is trained on the paper's prompts. react: the "
        "model thinks and acts in turns and sees each result, which takes an instruction-following model. chat: the "
        "same turns as tool calls in the model's chat template, as it is trained with training.examples.form: chat.",
    )
    prompt: PromptConfig = PromptConfig()
    document: tuple[DocumentPart, ...] = Field(
        DEFAULT_PARTS, min_length=1, description="What the retriever, tuned or not, reads of a function, in this order."
    )
    candidates: int = Field(6, ge=1, description="Documents to plan with, retrieved or, in training, mixed in.")
    only_candidates: bool = Field(
        False,
        description="Hold plans to the names of these documents while they are decoded, so that none is made up, which "
        "small models do. In plan mode, where the agent's own process runs the model.",
    )
    max_calls: int = Field(
        8,
        ge=1,
        description="Calls of one query, at most, failed ones included. In react and chat mode a turn without a call "
        "counts as one.",
    )
    repairs: int = Field(
        1, ge=0, description="How often the model is shown what was wrong with a plan, a call or a turn."
    )
    plan_tokens: int = Field(128, ge=1, description="Most new tokens of a plan.")
    call_tokens: int = Field(128, ge=1, description="Most new tokens of one call's arguments.")
    turn_tokens: int = Field(256, ge=1, description="Most new tokens of a turn in react or chat mode.")
    answer_tokens: int = Field(160, ge=1, description="Most new tokens of the answer.")
    max_tokens: int = Field(
        50_000,
        ge=1,
        description="Tokens of one query, prompts and answers together, after which the model is asked nothing more; "
        "the request that spends the last of them may take more than were left.",
    )
    timeout_s: float | None = Field(
        300.0,
        gt=0,
        description="Seconds of one query, at most. Batch evaluation, where queries wait, has no such limit.",
    )
    batch_size: int = Field(16, ge=1, description="Prompts generated together, where no engine batches them.")
    engine: EngineConfig | None = Field(
        None,
        description="How vLLM engines on the cluster serve the model, as in teacher.engine; a LoRA adapter is served "
        "on its base. Without it each worker loads the model with transformers.",
    )
    endpoint: EndpointConfig | None = Field(
        None, description="An OpenAI-compatible endpoint that serves the model, instead of a model of the run."
    )
    concurrency: int = Field(64, ge=1, description="Requests in flight per process, where engines serve the model.")
    server: ServerConfig = ServerConfig()

    def decisive(self) -> dict[str, Any]:
        """What predictions depend on, for fingerprints: not how fast they come, nor who is served."""
        operational = {"batch_size", "concurrency", "server", "timeout_s", "endpoint"}
        settings = self.model_dump(mode="json", exclude=operational, exclude_none=True)
        if self.endpoint is not None:
            settings["endpoint"] = {"model": self.endpoint.model, **self.endpoint.sampling}
        return settings

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if self.engine is not None and self.endpoint is not None:
            raise ValueError("engine and endpoint both serve the model; leave one of them out")
        if self.only_candidates and (self.mode != "plan" or self.engine is not None or self.endpoint is not None):
            raise ValueError("only_candidates holds plans in mode: plan without engine and endpoint; leave it out")
        return self
