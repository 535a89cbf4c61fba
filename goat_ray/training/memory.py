"""How much memory a training will take of each worker's device: arithmetic before the start, no weights are read.

States follow the ZeRO paper (arXiv 1910.02054, section 3.1), activations Korthikanti et al. (arXiv 2205.05198,
equation 2) without the term for attention scores, which only ``eager`` attention keeps.
"""

import resource
from dataclasses import dataclass

import torch
import torch.distributed as dist
from transformers import AutoModelForCausalLM, PreTrainedConfig

from goat_ray.training.config import AgentTrainingConfig
from goat_ray.training.models import with_adapters

GB = 1e9

_FOUR_BIT_BYTES = 0.516  # NF4: half a byte, and 0.127 bits of doubly quantized scales (arXiv 2305.14314, section 3)
_ADAM_BYTES = 12  # of fp32 for each trained weight: a copy of the weight, momentum and variance
_ACTIVATION_BYTES = 34  # of 16-bit activations for each layer, token and hidden unit
_SCORE_BYTES = 5  # the same for each layer, head and pair of tokens
_TRAINED_SHARE = 0.25  # of the tokens, at most; logits are computed for these alone
_LOGIT_BYTES = 12  # 16 bits, fp32, and the gradient in both
_RUNTIME = 1.5e9  # CUDA's context, libraries' buffers, fragmentation


@dataclass(frozen=True)
class ModelSize:
    """What the memory of a model's training follows from."""

    parameters: int  # of the base
    trained: int  # of the adapters, or all
    largest: int  # of the largest single module: ZeRO-3 gathers it whole
    layers: int
    hidden: int
    heads: int
    vocabulary: int


def measure(model: PreTrainedConfig, config: AgentTrainingConfig) -> ModelSize:
    """Count the parameters of a base model, and of its adapters, from its configuration.

    Raises ``ConfigError`` where the model has no layers of the names that adapters are for.
    """
    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(model)  # type: ignore[no-untyped-call]
        parameters = sum(weight.numel() for weight in network.parameters())
        largest = max(weight.numel() for weight in network.parameters())
        if config.adapters:
            network = with_adapters(network, config)
    text = model.get_text_config()
    return ModelSize(
        parameters=parameters,
        trained=sum(weight.numel() for weight in network.parameters() if weight.requires_grad),
        largest=largest,
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        heads=text.num_attention_heads,
        vocabulary=text.vocab_size,
    )


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes of one worker's device, and those that offloading moves to its node's memory."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    runtime: float
    host: float

    @property
    def device(self) -> float:
        """All that is on the device."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.runtime


def estimate(size: ModelSize, config: AgentTrainingConfig) -> MemoryEstimate:
    """The memory of one worker.

    Assumes that every example is as long as ``max_length``, that at most a quarter of the tokens is
    trained, and that weights of the base are 2 bytes each (4 in fp32, about half of one with QLoRA).
    """
    stage, workers = config.zero_stage, config.workers
    width = 4 if config.precision == "fp32" else 2
    frozen = size.parameters if config.adapters else 0
    base_width = _FOUR_BIT_BYTES if config.method == "qlora" else width
    weights = frozen * base_width + size.trained * width
    gradients = float(size.trained * width)
    optimizer = float(size.trained * (_ADAM_BYTES if stage or width == 2 else 8))
    gathered = 0.0
    if stage >= 1:
        optimizer /= workers
    if stage >= 2:
        gradients /= workers
    if stage == 3:
        weights /= workers
        gathered = 2.0 * size.largest * width  # the module at work and the one fetched ahead
    host = 0.0
    if config.offload != "none":
        host, optimizer = host + optimizer, 0.0
        if stage >= 2:  # each part of the gradients follows as soon as it is complete
            host, gradients = host + gradients, 0.0
    if config.offload == "parameters":
        host, weights = host + weights, 0.0
    return MemoryEstimate(
        weights=weights + gathered,
        gradients=gradients,
        optimizer=optimizer,
        activations=_activations(size, config, width),
        runtime=_RUNTIME if config.gpus_per_worker else 0.0,
        host=host,
    )


def _activations(size: ModelSize, config: AgentTrainingConfig, width: int) -> float:
    tokens = config.batch_size * config.max_length
    layer = tokens * size.hidden * _ACTIVATION_BYTES * width / 2
    if config.attention == "eager":
        layer += tokens * config.max_length * size.heads * _SCORE_BYTES * width / 2
    inputs = size.layers * tokens * size.hidden * width
    kept = inputs + layer if config.gradient_checkpointing else size.layers * layer
    return kept + tokens * _TRAINED_SHARE * size.vocabulary * _LOGIT_BYTES


def memory_line(size: ModelSize, config: AgentTrainingConfig, have: float | None) -> str:
    """The estimate in a sentence. ``have`` is the bytes of one worker's device, None where it is not known."""
    need = estimate(size, config)
    device = "GPU" if config.gpus_per_worker else "worker"
    what = f"{_count(size.parameters)} parameters"
    if size.trained != size.parameters:
        what += f" ({_count(size.trained)} trained)"
    zero = f"ZeRO-{config.zero_stage}" if config.zero_stage else "no ZeRO"
    moved = f", and {_gb(need.host)} GB of its node's memory" if need.host else ""
    start = f"{what}, {zero}, {config.workers} {device}{'s' if config.workers > 1 else ''}: "
    if have is not None and need.device > have:
        return f"{start}needs {_gb(need.device)} GB per {device}{moved}; you have {_gb(have)}: {_remedy(config)}"
    parts = {name: getattr(need, name) for name in ("weights", "gradients", "optimizer", "activations")}
    split = ", ".join(f"{name} {_gb(value)}" for name, value in parts.items())
    return f"{start}about {_gb(need.device)} GB per {device} at most ({split}){moved}"


def peak_memory(device: torch.device) -> float:
    """The most bytes that any worker has taken so far: on its GPU, or as a process. All workers call it."""
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mine = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else kibibytes * 1024
    most = torch.tensor(float(mine), dtype=torch.float64, device=device)
    dist.all_reduce(most, dist.ReduceOp.MAX)
    return float(most)


def _remedy(config: AgentTrainingConfig) -> str:
    advice = [
        ("gradient_checkpointing", not config.gradient_checkpointing),
        ("a smaller batch_size", config.batch_size > 1),
        ("precision: bf16", config.precision == "fp32" and bool(config.gpus_per_worker)),
        ("zero_stage: 3", config.zero_stage < 3 and config.workers > 1 and config.method != "qlora"),
        ("offload", config.offload == "none" and config.zero_stage > 0),
        ("more workers", config.zero_stage > 0),
        ("a shorter max_length", True),
    ]
    *others, last = [name for name, helps in advice if helps]
    return f"try {', '.join(others)} or {last}" if others else f"try {last}"


def _count(number: int) -> str:
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def _gb(size: float) -> str:
    return f"{size / GB:,.0f}" if size >= 10 * GB else f"{size / GB:.2g}"
