"""Settings of fine-tuning: the agent and the retriever. Defaults are the paper's where it names them."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from goat_ray.placement import ANYWHERE, Need, Placement
from goat_ray.records import ExampleKind
from goat_ray.settings import Settings
from goat_ray.synthesis.distractors import DistractorsConfig

TINY = "tiny"
"""The base model that is made on the spot, with random weights, from the training texts."""

DATA_CPUS = 1.0
"""Logical CPUs that must be left beside a training's workers: Ray Data's sort takes a whole one."""


class TinyModelConfig(Settings):
    """The model made on the spot: for laptops and tests without a model hub."""

    vocabulary: int = Field(2048, ge=259, description="Tokens at most.")
    hidden: int = Field(128, ge=8)
    layers: int = Field(4, ge=1)
    heads: int = Field(4, ge=1)
    context: int = Field(2048, ge=64, description="Tokens.")


Share = Annotated[float, Field(gt=0, le=1)]


class LoraConfig(Settings):
    """Low-rank adapters (paper: section 4)."""

    r: int = Field(8, ge=1)
    alpha: int = Field(16, ge=1)
    dropout: float = Field(0.05, ge=0, lt=1)
    target_modules: Literal["all-linear"] | Annotated[list[str], Field(min_length=1)] = Field(
        ["q_proj", "v_proj"], description="Names of layers, or all-linear for each but the output."
    )


class AgentTrainingConfig(Settings):
    """How the agent is fine-tuned. One step is workers x batch_size x gradient_accumulation examples.

    With the same product a training goes on on another number of workers.
    """

    base_model: str = Field(TINY, description="'tiny' is made on the spot; else a local folder or a hub name.")
    tiny: TinyModelConfig = TinyModelConfig()
    method: Literal["full", "lora", "qlora"] = Field(
        "lora", description="All weights; adapters; adapters on a base in 4 bits (bitsandbytes, on CUDA only)."
    )
    lora: LoraConfig = LoraConfig()
    kinds: Annotated[dict[ExampleKind, Share], Field(min_length=1)] = Field(
        {"plan": 1.0, "call": 1.0, "answer": 1.0, "chat": 1.0},
        description="Which kinds of examples are trained and evaluated on, and the share of each that is taken. The "
        "answer alone: {answer: 1}.",
    )

    epochs: int = Field(3, ge=1)
    batch_size: int = Field(4, ge=1, description="Examples per worker and forward pass.")
    gradient_accumulation: int = Field(4, ge=1, description="Forward passes per step.")
    learning_rate: float = Field(2e-4, gt=0)
    schedule: Literal["cosine", "linear"] = "cosine"
    warmup_fraction: float = Field(0.03, ge=0, lt=1, description="Of all steps.")
    weight_decay: float = Field(0.0, ge=0)
    gradient_clipping: float = Field(1.0, ge=0, description="Largest gradient norm; 0 means no limit.")
    max_length: int = Field(2048, ge=64, description="Tokens of prompt and target together.")
    packing: bool = Field(
        False, description="Put a pass's examples one after another instead of padding them; none sees another."
    )
    group_by_length: int = Field(
        8,
        ge=1,
        description="So many steps are filled with examples of like length out of those that chance gives them, as "
        "padding is work for nothing; their order stays random. 1: chance alone. Packing needs none of it.",
    )

    attention: Literal["sdpa", "eager", "flash_attention_2"] = Field(
        "sdpa", description="flash_attention_2 needs the package flash-attn, GPUs, and bf16 or fp16."
    )
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    gradient_checkpointing: bool = Field(False, description="Recompute activations: less memory, a third slower.")
    zero_stage: int = Field(2, ge=0, le=3, description="DeepSpeed ZeRO: what is split over the workers.")
    offload: Literal["none", "optimizer", "parameters"] = Field(
        "none",
        description="What lies in the nodes' own memory: optimizer states (ZeRO-1 and up), or weights too (ZeRO-3).",
    )
    deepspeed: Path | None = Field(
        None,
        description="A DeepSpeed JSON file, such as those in configs/deepspeed, merged over the built settings; it may "
        "not contradict zero_stage, offload and precision.",
    )

    workers: int = Field(1, ge=1)
    cpus_per_worker: float = Field(1.0, gt=0)
    gpus_per_worker: float = Field(0.0, ge=0)
    placement: Placement = ANYWHERE
    checkpoint_every: int = Field(500, ge=1, description="Steps. Each epoch's end is a checkpoint as well.")
    keep_checkpoints: int = Field(2, ge=1)
    keep: Literal["last", "best"] = Field(
        "last", description="Which checkpoints are kept and which model comes out: best is of lowest validation loss."
    )
    validate_every: int | None = Field(
        None, ge=1, description="Steps; each epoch's end evaluates as well, and checkpoints come along. Null: no more."
    )
    patience: int | None = Field(
        None, ge=1, description="Stop after so many evaluations in a row without a lower validation loss. Null: never."
    )
    max_failures: int = Field(2, ge=0, description="Restarts after a worker's failure.")
    log_every: int = Field(10, ge=1, description="Steps per progress line and per row of losses.jsonl.")
    trackers: list[Literal["tensorboard", "wandb", "mlflow"]] = Field(
        ["tensorboard"], description="Who is told the progress. TensorBoard's files lie beside the output."
    )
    project: str = Field("goat-ray", description="W&B's project or MLflow's experiment.")
    seed: int = 0

    @property
    def adapters(self) -> bool:
        """Whether only adapters are trained."""
        return self.method != "full"

    @property
    def examples_per_step(self) -> int:
        """Over all workers and passes."""
        return self.workers * self.batch_size * self.gradient_accumulation

    @property
    def window(self) -> int:
        """Steps among which examples are grouped by length."""
        return 1 if self.packing else self.group_by_length

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        if self.offload != "none" and self.zero_stage < (least := 1 if self.offload == "optimizer" else 3):
            raise ValueError(f"offload: {self.offload} needs zero_stage {least}; it is {self.zero_stage}")
        _check_gpus(self.gpus_per_worker, self.workers)
        if self.method == "qlora" and not self.gpus_per_worker:
            raise ValueError(
                "method: qlora loads the base in 4 bits, which needs CUDA; set gpus_per_worker, or use lora"
            )
        if self.method == "qlora" and self.zero_stage == 3:
            raise ValueError("method: qlora keeps the 4-bit base whole on each GPU; use zero_stage 2 or lower")
        if self.precision == "fp16" and not self.gpus_per_worker:
            raise ValueError("precision: fp16 is computed by GPUs and by few CPUs; set gpus_per_worker, or use bf16")
        if self.attention == "flash_attention_2" and (not self.gpus_per_worker or self.precision == "fp32"):
            raise ValueError("attention: flash_attention_2 runs on GPUs in bf16 or fp16 only; use sdpa")
        return self

    @model_validator(mode="after")
    def _fits_the_tiny_model(self) -> Self:
        if self.base_model == TINY and self.max_length > self.tiny.context:
            raise ValueError(f"max_length is {self.max_length}, and tiny.context holds only {self.tiny.context} tokens")
        return self


class RetrieverTrainingConfig(Settings):
    """How the retriever is fine-tuned: InfoNCE with in-batch (paper: section 4) and hard negatives."""

    base_model: str = Field("", description="Empty: all-MiniLM-L6-v2. Else a local folder or a hub name.")
    epochs: int = Field(3, ge=1)
    batch_size: int = Field(
        64,
        ge=2,
        description="Queries per step, over all workers. What one needs is a negative for those that do not need it.",
    )
    chunk: int | None = Field(
        None,
        ge=1,
        description="Texts that pass through the model at a time: memory then does not grow with batch_size, which may "
        "be thousands, but each text is embedded twice. Null: the whole share of a worker at once.",
    )
    hard_negatives: DistractorsConfig = Field(
        DistractorsConfig(linked=1, similar=1), description="Documents that each query brings along and does not need."
    )
    learning_rate: float = Field(5e-5, gt=0)
    temperature: float = Field(0.05, gt=0)
    warmup_fraction: float = Field(0.1, ge=0, lt=1, description="Of all steps.")
    weight_decay: float = Field(0.0, ge=0)
    max_length: int = Field(128, ge=8, description="Tokens of a query or document; longer ones are cut.")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16 is autocast: weights stay fp32.")

    workers: int = Field(1, ge=1)
    cpus_per_worker: float = Field(1.0, gt=0)
    gpus_per_worker: float = Field(0.0, ge=0)
    placement: Placement = ANYWHERE
    checkpoint_every: int = Field(100, ge=1, description="Steps. Each epoch's end is a checkpoint as well.")
    max_failures: int = Field(2, ge=0, description="Restarts after a worker's failure.")
    log_every: int = Field(10, ge=1, description="Steps per progress line and per row of losses.jsonl.")
    seed: int = 0

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        _check_gpus(self.gpus_per_worker, self.workers)
        return self


def _check_gpus(each: float, workers: int) -> None:
    if workers > 1 and each % 1:
        raise ValueError(f"gpus_per_worker: {each} would let workers share a GPU, which NCCL refuses; use whole ones")


def needs(setting: str, config: AgentTrainingConfig | RetrieverTrainingConfig) -> list[Need]:
    """What must find a place at once for a training: its workers, and the data feed beside them."""
    workers = Need(setting, config.workers, config.cpus_per_worker, config.gpus_per_worker, config.placement)
    return [workers, Need("the data feed", 1, DATA_CPUS)]


OPERATIONAL = frozenset(
    {
        "placement",
        "workers",
        "cpus_per_worker",
        "gpus_per_worker",
        "checkpoint_every",
        "keep_checkpoints",
        "max_failures",
        "log_every",
        "trackers",
        "project",
    }
)
"""Settings that change how a training runs but not what it trains; all others make it another training. Of the agent's
``workers``, ``batch_size`` and ``gradient_accumulation`` the product counts: how many examples make a step."""
