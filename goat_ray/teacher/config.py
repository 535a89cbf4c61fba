"""The ``teacher`` section of the configuration."""

from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator, model_validator

from goat_ray.placement import ANYWHERE, Placement
from goat_ray.settings import Settings, is_http_address, variable_name

SAMPLING = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "top_k",
    "min_p",
    "repetition_penalty",
)
"""Settings of how answers are drawn, in the names that vLLM and OpenAI endpoints share. OpenAI itself lacks the last
three; most servers of open models have them."""

OPENAI_URL = "https://api.openai.com/v1"

# Engine arguments that have a key of their own here, or that only the deployment can know.
_OWN_KEY = {
    "model": "teacher.model",
    "tensor_parallel_size": "teacher.engine.tensor_parallel",
    "pipeline_parallel_size": "teacher.engine.pipeline_parallel",
    "max_model_len": "teacher.engine.max_model_len",
    "dtype": "teacher.engine.dtype",
    "quantization": "teacher.engine.quantization",
    "enable_prefix_caching": "teacher.engine.prefix_caching",
    "enable_lora": "teacher.engine.adapters",
    "distributed_executor_backend": "teacher.engine.pipeline_parallel",
}


class EngineConfig(Settings):
    """How vLLM engines are placed on the cluster. The defaults suit one model on one GPU, or on a CPU."""

    replicas: int = Field(1, ge=1)  # with max_replicas: at least so many
    max_replicas: int | None = Field(None, ge=1)  # above replicas, Serve adds and removes some as load demands
    tensor_parallel: int = Field(1, ge=1)
    pipeline_parallel: int = Field(1, ge=1)  # above 1, the engine may span nodes
    max_model_len: int | None = Field(None, ge=1)  # tokens of prompt and answer; None takes the model's own
    dtype: str = "auto"
    quantization: str | None = None  # e.g. "fp8"; None follows the model
    prefix_caching: bool = True  # prompts that begin alike (the same document) share their computation
    adapters: dict[str, str] = {}  # LoRA adapters by name: folders that all nodes see; teacher.adapter chooses one
    cpus_per_replica: float = Field(1.0, gt=0)
    # None: one GPU per worker where the cluster has GPUs or may start nodes that have them, else none.
    gpus_per_replica: float | None = Field(None, ge=0)
    placement: Placement = ANYWHERE  # of each replica, and of each worker of one that spans nodes
    start_timeout_s: float = Field(1800.0, gt=0)  # a big model takes minutes to load
    chat_template_kwargs: dict[str, Any] = {}  # e.g. {"enable_thinking": false}
    extra: dict[str, Any] = {}  # further arguments of vllm.AsyncEngineArgs, e.g. {"gpu_memory_utilization": 0.8}

    @property
    def workers(self) -> int:
        """Processes that share one replica's model."""
        return self.tensor_parallel * self.pipeline_parallel

    @field_validator("extra")
    @classmethod
    def _no_second_way(cls, extra: dict[str, Any]) -> dict[str, Any]:
        for key in extra:
            if key in _OWN_KEY:
                raise ValueError(f"{key!r} does not belong here; set {_OWN_KEY[key]} instead")
        return extra

    @model_validator(mode="after")
    def _replicas_fit(self) -> Self:
        if self.max_replicas is not None and self.max_replicas < self.replicas:
            raise ValueError(
                f"max_replicas={self.max_replicas} is below replicas={self.replicas}; raise it or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _gpus_fit_workers(self) -> Self:
        shared = self.workers == 1 and (self.gpus_per_replica or 0) < 1
        if self.gpus_per_replica not in (None, 0, self.workers) and not shared:
            raise ValueError(
                f"gpus_per_replica={self.gpus_per_replica:g} does not fit {self.workers} worker(s) "
                f"(tensor_parallel x pipeline_parallel); set it to {self.workers}, to 0 for CPUs, or leave it out"
            )
        return self


class BudgetConfig(Settings):
    """What a run directory may spend on its teacher in all; None is no limit."""

    requests: int | None = Field(None, ge=0)
    tokens: int | None = Field(None, ge=0)  # of prompts and answers together
    usd: float | None = Field(None, ge=0)
    prompt_usd_per_million: float = Field(0.0, ge=0)
    completion_usd_per_million: float = Field(0.0, ge=0)

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        return (self.requests, self.tokens, self.usd) != (None, None, None)

    def price(self, prompt_tokens: int, completion_tokens: int) -> float:
        """US dollars for so many tokens."""
        return (prompt_tokens * self.prompt_usd_per_million + completion_tokens * self.completion_usd_per_million) / 1e6

    @model_validator(mode="after")
    def _money_has_prices(self) -> Self:
        if self.usd is not None and not (self.prompt_usd_per_million or self.completion_usd_per_million):
            raise ValueError("usd says nothing without prompt_usd_per_million and completion_usd_per_million; set them")
        return self


class TeacherConfig(Settings):
    """Which backend answers the language tasks, and how it is asked."""

    # A key pasted into ``api_key_env`` by mistake must not come back in an error message.
    model_config = ConfigDict(hide_input_in_errors=True)

    backend: Literal["rules", "openai", "vllm"] = "rules"
    model: str = ""  # openai: the name that the endpoint serves; vllm: a local folder or a model hub name
    base_url: str = OPENAI_URL  # openai only
    api_key_env: str = ""  # name of the environment variable that holds the key; empty sends none
    adapter: str = ""  # vllm: one of engine.adapters that answers instead of the bare model
    concurrency: int = Field(64, ge=1)  # requests in flight per process, at most; fewer where the endpoint is busy
    timeout_s: float = Field(60.0, gt=0)  # per attempt
    # Of a request that fails while others are answered. Where three of ten fail, 10 lose one in 500,000.
    max_retries: int = Field(10, ge=0)
    patience_s: float = Field(120.0, gt=0)  # for an endpoint that answers nothing, before the run stops
    temperature: float = Field(0.7, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)  # None leaves it to the endpoint
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    top_k: int | None = Field(None, ge=1)  # tokens to draw from
    min_p: float | None = Field(None, ge=0, le=1)  # least probability of a token, as a part of the likeliest one's
    repetition_penalty: float | None = Field(None, gt=0, le=2)
    max_tokens: int = Field(512, ge=1)  # of one answer
    budget: BudgetConfig = BudgetConfig()
    engine: EngineConfig = EngineConfig()  # vllm only

    @property
    def sampling(self) -> dict[str, float]:
        """How answers are drawn, by name; what is not set is left to the endpoint."""
        return {name: getattr(self, name) for name in SAMPLING if getattr(self, name) is not None}

    @field_validator("api_key_env")
    @classmethod
    def _names_a_variable(cls, name: str) -> str:
        return variable_name(name) if name else name

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if not is_http_address(url):
            raise ValueError("is not an HTTP address; write it like http://localhost:8000/v1")
        if parts.username or parts.password:
            raise ValueError("carries credentials; put the key in an environment variable and name it in api_key_env")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.backend != "rules" and not self.model:
            raise ValueError(f"backend {self.backend!r} needs a model; set teacher.model")
        if self.adapter and self.adapter not in self.engine.adapters:
            known = ", ".join(sorted(self.engine.adapters)) or "none"
            raise ValueError(f"there is no adapter {self.adapter!r} in teacher.engine.adapters (known: {known})")
        if self.backend == "openai" and self.base_url == OPENAI_URL and not self.api_key_env:
            raise ValueError(
                f"{OPENAI_URL} needs a key; set api_key_env: OPENAI_API_KEY, or set base_url to your own endpoint"
            )
        return self
