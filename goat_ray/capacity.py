"""Hours and money of a corpus that nobody has begun, from measured rates and stated formulas.

Nothing here is measured on the cluster to be: ``capacity.yaml`` says where each figure comes from. CPU stages divide
by cores, language by engines, training by GPUs; what runs on the driver divides by nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from math import ceil, log2
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from goat_ray.errors import ConfigError
from goat_ray.settings import Settings, build, read_yaml

_BYTES_PER_WEIGHT = 2  # bf16
_KV_BYTES_8B = 2 * 32 * 8 * 128 * 2  # keys and values of a token: layers, heads and head size of Llama-3-8B, bf16
_KV_GROWTH = 0.42  # power of the parameters by which Llama-3's layers grow from 8B to 70B
_RATES = ("ingest", "embed", "neighbours", "candidates", "cascade", "sample", "call", "examine", "curate")
_QUESTIONS = ("verify", "call", "narrate")
_SIZES = {"m": 1e6, "b": 1e9, "t": 1e12}


class Rate(Settings):
    """What one core does in a second."""

    per_second: float = Field(gt=0)
    unit: str
    where: Literal["cores", "driver"] = "cores"
    date: date
    source: str


class Question(Settings):
    """Tokens that the teacher reads and writes for one record."""

    prompt_tokens: float = Field(gt=0)
    answer_tokens: float = Field(gt=0)


class Volumes(Settings):
    """How much work a document and a sample are."""

    operations_per_document: float = Field(gt=0)
    texts_per_operation: float = Field(gt=0)
    parameters_per_operation: float = Field(gt=0)
    fields_per_operation: float = Field(gt=0)
    candidates_per_operation: float = Field(gt=0)
    asked_share: float = Field(gt=0, le=1)
    plans_per_sample: float = Field(ge=1)
    training_tokens_per_sample: float = Field(gt=0)
    epochs: float = Field(gt=0)


class Gpu(Settings):
    """A data sheet: dense bf16 FLOP/s, bytes/s, bytes."""

    flops: float = Field(gt=0)
    bandwidth: float = Field(gt=0)
    memory: float = Field(gt=0)


class Efficiency(Settings):
    """Shares of the data sheet that real programs reach."""

    prefill_mfu: float = Field(gt=0, le=1)
    decode_bandwidth: float = Field(gt=0, le=1)
    decode_mfu: float = Field(gt=0, le=1)
    training_mfu: float = Field(gt=0, le=1)
    usable_memory: float = Field(gt=0, le=1)
    weights_at_most: float = Field(gt=0, lt=1)


class Table(Settings):
    """All that the model reckons with."""

    rates: dict[str, Rate]
    questions: dict[str, Question]
    volumes: Volumes
    guessed: tuple[str, ...] = ()  # names of volumes
    gpus: dict[str, Gpu]
    efficiency: Efficiency
    batch: int = Field(ge=1)

    @classmethod
    def read(cls, path: Path | None = None) -> "Table":
        """The shipped table, or another one; raises ``ConfigError``."""
        source = path or files("goat_ray") / "capacity.yaml"
        try:
            return build(read_yaml(source.read_text(encoding="utf-8")), cls, place=str(source))
        except (OSError, ValueError, ConfigError) as error:
            problem = error.problem if isinstance(error, ConfigError) else error
            remedy = "Start from a copy of goat_ray/capacity.yaml"
            raise ConfigError(f"no table of rates: {problem}", place=str(source), remedy=remedy) from error

    @field_validator("rates", "questions")
    @classmethod
    def _complete(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        needed = _RATES if info.field_name == "rates" else _QUESTIONS
        if missing := [name for name in needed if name not in given]:
            raise ValueError(f"there is none of {', '.join(missing)}")
        return given


@dataclass(frozen=True)
class Demand:
    """What is to be made, and with what. Sizes are parameters, prices US dollars an hour."""

    documents: float
    samples: float
    model_size: float
    agent_size: float
    gpu: str
    gpus: int
    cores: int
    gpu_price: float
    core_price: float


@dataclass(frozen=True)
class Stage:
    """One stage: its work, who does it, how long that takes and what it costs."""

    name: str
    amount: float
    unit: str
    where: Literal["cores", "driver", "GPUs"]
    seconds: float
    usd: float

    @property
    def hours(self) -> float:
        """By the clock."""
        return self.seconds / 3600


@dataclass(frozen=True)
class Engine:
    """One replica of the teacher on so many GPUs."""

    size: float  # parameters
    gpu: Gpu
    gpus: int
    efficiency: Efficiency
    batch: int

    @classmethod
    def smallest(cls, size: float, gpu: Gpu, efficiency: Efficiency, batch: int) -> "Engine":
        """Tensor-parallel over the fewest GPUs, a power of two, whose memory holds weights and leaves room."""
        room = gpu.memory * efficiency.usable_memory * efficiency.weights_at_most
        return cls(size, gpu, 2 ** max(0, ceil(log2(size * _BYTES_PER_WEIGHT / room))), efficiency, batch)

    def sequences(self, context: float) -> int:
        """How many are decoded at once: what the memory beside the weights holds keys and values for."""
        memory = self.gpus * self.gpu.memory * self.efficiency.usable_memory - self.size * _BYTES_PER_WEIGHT
        return max(1, min(self.batch, int(memory / (context * self._kv_bytes))))

    def prefill(self) -> float:
        """Prompt tokens/s: 2 FLOPs a parameter and token."""
        return self.gpus * self.gpu.flops * self.efficiency.prefill_mfu / (2 * self.size)

    def decode(self, context: float) -> float:
        """Answer tokens/s: one a sequence and step, which takes what reading memory or computing takes, if longer."""
        batch = self.sequences(context)
        read = self.size * _BYTES_PER_WEIGHT + batch * context * self._kv_bytes
        reading = read / (self.gpus * self.gpu.bandwidth * self.efficiency.decode_bandwidth)
        computing = 2 * self.size * batch / (self.gpus * self.gpu.flops * self.efficiency.decode_mfu)
        return batch / max(reading, computing)

    def seconds(self, question: Question) -> float:
        """Of this replica's time, for one record's questions."""
        context = question.prompt_tokens + question.answer_tokens
        return question.prompt_tokens / self.prefill() + question.answer_tokens / self.decode(context)

    @property
    def _kv_bytes(self) -> float:
        return float(_KV_BYTES_8B * (self.size / 8e9) ** _KV_GROWTH)


def engine_of(demand: Demand, table: Table) -> Engine:
    """The teacher's replica; raises ``ConfigError`` where the GPUs are unknown or too few for one."""
    if demand.gpu not in table.gpus:
        known = ", ".join(table.gpus)
        raise ConfigError(f"no figures of a GPU {demand.gpu!r}", remedy=f"Choose one of {known}, or add it to --table")
    engine = Engine.smallest(demand.model_size, table.gpus[demand.gpu], table.efficiency, table.batch)
    if engine.gpus > demand.gpus:
        raise ConfigError(
            f"a model of {demand.model_size / 1e9:g}B parameters needs {engine.gpus} {demand.gpu} in bf16, "
            f"and there are {demand.gpus}",
            remedy="Take more GPUs, GPUs with more memory, or a smaller model",
        )
    return engine


def stages(demand: Demand, table: Table) -> Iterator[Stage]:
    """The road's stages in order, each alone on the whole cluster."""
    volumes, engine = table.volumes, engine_of(demand, table)
    operations = demand.documents * volumes.operations_per_document
    candidates = operations * volumes.candidates_per_operation
    pairs = operations**2 * volumes.parameters_per_operation * volumes.fields_per_operation
    plans = demand.samples * volumes.plans_per_sample

    def on_cores(name: str, amount: float) -> Stage:
        rate = table.rates[name]
        cores = demand.cores if rate.where == "cores" else 1
        seconds = amount / rate.per_second / cores
        return Stage(name, amount, rate.unit, rate.where, seconds, seconds * cores * demand.core_price / 3600)

    def on_gpus(name: str, amount: float, unit: str, gpu_seconds: float, gpus: int) -> Stage:
        return Stage(name, amount, unit, "GPUs", gpu_seconds / gpus, gpu_seconds * demand.gpu_price / 3600)

    def asking(name: str, amount: float, unit: str) -> Stage:
        replicas = demand.gpus // engine.gpus
        busy = amount * engine.seconds(table.questions[name]) * engine.gpus
        return on_gpus(f"{name}: teacher", amount, unit, busy, replicas * engine.gpus)

    def training(name: str, size: float) -> Stage:
        tokens = demand.samples * volumes.training_tokens_per_sample * volumes.epochs
        flops = 6 * size * tokens
        gpu_seconds = flops / (table.gpus[demand.gpu].flops * table.efficiency.training_mfu)
        return on_gpus(name, tokens, "tokens", gpu_seconds, demand.gpus)

    yield on_cores("ingest", operations)
    yield on_cores("embed", operations * volumes.texts_per_operation)
    yield on_cores("neighbours", pairs)
    yield on_cores("candidates", candidates)
    yield on_cores("cascade", candidates)
    yield asking("verify", candidates * volumes.asked_share, "candidates")
    yield on_cores("sample", plans)
    yield on_cores("call", plans)
    yield asking("call", plans, "plans")
    yield asking("narrate", plans, "traces")
    yield on_cores("examine", plans)
    yield on_cores("curate", demand.samples)
    yield training("train agent", demand.agent_size)


def assumptions(demand: Demand, table: Table) -> Iterator[str]:
    """In words, what the figures rest on."""
    engine, share, narrate = engine_of(demand, table), table.efficiency, table.questions["narrate"]
    context = narrate.prompt_tokens + narrate.answer_tokens
    idle = demand.gpus % engine.gpus
    yield (
        f"Teacher: {demand.gpus // engine.gpus} replica(s) of {engine.gpus} {demand.gpu} in bf16"
        f"{f', {idle} idle' if idle else ''}; each reads {engine.prefill():,.0f} tokens/s (2·N FLOPs a token, guessed "
        f"MFU {share.prefill_mfu:g}) and writes {engine.decode(context):,.0f}/s at {engine.sequences(context)} "
        f"sequences (guessed: {share.decode_bandwidth:g} of bandwidth or MFU {share.decode_mfu:g}, whichever is "
        "slower); no prefix cache."
    )
    yield (
        f"Training: 6·N·D FLOPs for {demand.agent_size / 1e9:g}B parameters at MFU {share.training_mfu:g}, guessed; "
        "LoRA needs less. The retriever's few million parameters are left out, and so are execution verification, "
        "whose calls wait for the API, the formatting of examples and the evaluation."
    )
    yield "Per document and sample: " + ", ".join(
        f"{name.replace('_', ' ')} {volume:g}{' (guessed)' if name in table.guessed else ''}"
        for name, volume in dict(table.volumes).items()
    )
    if table.rates["neighbours"].where == "driver":
        yield (
            "Neighbours: as if each pair were looked at by one process, which is an upper bound. Above "
            "graph.candidates.search.exact_up_to only the nearest lists are, and search.shards spreads them."
        )
    yield "Rates: " + "; ".join(
        f"{n} {r.per_second:,.0f} {r.unit}/s ({r.source}, {r.date})" for n, r in table.rates.items()
    )
    yield (
        f"Prices: {demand.gpu_price:g} USD a GPU hour, {demand.core_price:g} a core hour, for busy machines only. "
        "Stages run one after another; starts, failures and waiting for real APIs are not in it."
    )


def parse_size(text: str) -> float:
    """Parameters of a model: ``8b`` or ``0.5b`` or ``22m``; raises ``ConfigError``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([mbt])", text.strip().lower())
    if not found or not float(found[1]):
        raise ConfigError(f"{text!r} is no size of a model", remedy="Write it like 70b, 0.5b or 22m")
    return float(found[1]) * _SIZES[found[2]]


def parse_gpus(text: str) -> tuple[int, str]:
    """(count, kind) of ``64xH100``; raises ``ConfigError``."""
    found = re.fullmatch(r"([1-9]\d*)[xX]([A-Za-z]\w*)", text.strip())
    if not found:
        raise ConfigError(f"{text!r} is no number of GPUs", remedy="Write it like 64xH100")
    return int(found[1]), found[2].upper()
