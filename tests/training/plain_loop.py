"""Agent training without Ray, DeepSpeed, packing, padding or passes: the losses that all of these must not change."""

import hashlib

import pyarrow.parquet as pq
import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, get_scheduler

from goat_ray.records import Example
from goat_ray.training.config import AgentTrainingConfig
from goat_ray.training.tokenization import IGNORED, Tokens, load_tokenizer, tokenize


def plain_losses(examples: str, base: str, config: AgentTrainingConfig) -> list[float]:
    """The mean loss over the trained tokens of each step."""
    batches = steps(examples, base, config)
    torch.manual_seed(config.seed)
    model = AutoModelForCausalLM.from_pretrained(base).train()
    if config.method == "lora":
        names = config.lora.target_modules
        model = get_peft_model(model, LoraConfig(r=config.lora.r, lora_alpha=config.lora.alpha, target_modules=names))
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = get_scheduler(config.schedule, optimizer, round(config.warmup_fraction * len(batches)), len(batches))
    losses = []
    for batch in batches:
        loss = sum((summed(model, tokens) for tokens in batch), torch.zeros(()))
        loss /= sum(tokens.trained for tokens in batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, config.gradient_clipping)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def summed(model: torch.nn.Module, tokens: Tokens) -> torch.Tensor:
    """The loss of one example, summed over its trained tokens."""
    logits = model(input_ids=torch.tensor([tokens.input_ids])).logits[0, :-1]
    return cross_entropy(logits, torch.tensor(tokens.labels[1:]), ignore_index=IGNORED, reduction="sum")


def steps(examples: str, base: str, config: AgentTrainingConfig) -> list[list[Tokens]]:
    """The training examples of each step of each epoch, in the order that ``feed`` promises."""
    tokenizer = load_tokenizer(base)
    rows = [Example.from_row(row) for row in pq.read_table(examples).to_pylist() if row["split"] == "train"]
    batches = []
    for number in range(config.epochs):
        prefix = f"{config.seed}:{number}:"
        rows.sort(key=lambda row, prefix=prefix: hashlib.sha256(f"{prefix}{row.id}".encode()).digest())
        tokens = [tokenize(row, tokenizer, config.max_length) for row in rows]
        places = list(range(len(tokens)))
        size = config.examples_per_step
        for window in cut(places, config.window * size):
            groups = cut(sorted(window, key=lambda place, of=tokens: (len(of[place].input_ids), place)), size)
            groups.sort(key=lambda group: (len(group) < size, min(group)))
            batches += [[tokens[place] for place in group] for group in groups]
    return batches


def cut(places: list[int], size: int) -> list[list[int]]:
    """Parts of so many; the last may be smaller."""
    return [places[start : start + size] for start in range(0, len(places), size)]
