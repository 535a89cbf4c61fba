"""Tokens per second of agent training on Ray Train and DeepSpeed, over those of a plain loop in one process.

    python -m tests.benchmarks.bench_training [--gpus N] [--base MODEL]

The model is made on the spot and trained whole, or adapters are trained on MODEL, such as that of
``tests.benchmarks.pretrained``. Both make the same steps of the same model on the same batches with the same number of
threads. Time is that of the steps, with collating them and with what feeding them takes from the cores; the feed's
start is told apart. The plain loop runs before and after, because other programs disturb both.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from goat_ray.cluster import ClusterConfig, connect
from goat_ray.training.agent import base_model, train_agent
from goat_ray.training.batches import micro_batches, summed_loss
from goat_ray.training.config import TINY, AgentTrainingConfig, LoraConfig, TinyModelConfig
from goat_ray.training.feed import Source, data_context, epoch
from goat_ray.training.models import with_adapters
from goat_ray.training.progress import LOSSES
from goat_ray.training.tokenization import PackedTokenizer, load_tokenizer
from tests.training.conftest import make_example, write_parquet

BATCH = 32
STEPS, STEPS_OF_BASE = 60, 25
WINDOW = 5  # steps; the first waits for the feed and warms up
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def configuration(precision: str, gpus: float, base: str) -> AgentTrainingConfig:
    """A model large enough that its steps, not their overhead, take the time."""
    tiny = TinyModelConfig(hidden=384, layers=6, heads=6, vocabulary=1024, context=512)
    return AgentTrainingConfig(
        base_model=base, tiny=tiny, method="full" if base == TINY else "lora", lora=LoraConfig(dropout=0.0),
        epochs=1, batch_size=BATCH, gradient_accumulation=1, max_length=512, zero_stage=0,
        precision=precision, gpus_per_worker=gpus, checkpoint_every=10**6, trackers=[], log_every=WINDOW,
    )  # fmt: skip


def plain_rate(examples: str, base: str, count: int, config: AgentTrainingConfig) -> float:
    """Tokens per second of the plain loop over ``count`` examples."""
    tokenizer = load_tokenizer(base)
    source = Source(examples, PackedTokenizer.pack(tokenizer), config.max_length, config.kinds, config.seed, blocks=1)
    device = torch.device("cuda" if config.gpus_per_worker else "cpu")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=DTYPES[config.precision]).to(device)
    if config.adapters:
        model = with_adapters(model, config)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    masters = [weight.detach().float().clone() for weight in weights]  # what bf16 needs, and DeepSpeed has as well
    optimizer = torch.optim.AdamW(masters, lr=config.learning_rate)
    with data_context():
        batches = epoch(source, 0, count, config.batch_size, window=config.window).iter_batches(
            batch_size=config.batch_size, batch_format="pyarrow"
        )
        tables = list(batches)
    tokens = 0
    for number, table in enumerate(tables):
        if number == WINDOW:
            tokens, started = 0, time.perf_counter()
        (batch,) = micro_batches(table, 1, int(tokenizer.pad_token_id))
        loss = summed_loss(model, batch, device) / batch.trained
        model.zero_grad()
        loss.backward()
        for master, weight in zip(masters, weights, strict=True):
            assert weight.grad is not None
            master.grad = weight.grad.float()
        torch.nn.utils.clip_grad_norm_(masters, config.gradient_clipping)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_copy_(weights, masters)
        tokens += batch.tokens
    loss.item()  # waits for a GPU
    return tokens / (time.perf_counter() - started)


def steady(output: str) -> tuple[float, float]:
    """Tokens per second of a training's steps after the first window, and the seconds that window took."""
    lines = (Path(output) / LOSSES).read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    first, last = rows[0], rows[-1]
    return (last["tokens"] - first["tokens"]) / (last["seconds"] - first["seconds"]), first["seconds"]


def main() -> None:
    """Print a row for each precision."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gpus", type=float, default=0.0)
    parser.add_argument("--base", default=TINY)
    options = parser.parse_args()
    count = BATCH * (STEPS if options.base == TINY else STEPS_OF_BASE)
    connect(ClusterConfig(local_cpus=4))
    with tempfile.TemporaryDirectory() as folder:
        examples = write_parquet(Path(folder) / "examples", (make_example(number) for number in range(count)))
        for precision in DTYPES if options.gpus else ["fp32"]:  # CPUs without instructions for bf16 only emulate it
            config = configuration(precision, options.gpus, options.base)
            output, storage = str(Path(folder) / precision / "model"), str(Path(folder) / "runs")
            Path(output).parent.mkdir()
            base = base_model(examples, output, config)
            before = plain_rate(examples, base, count, config)
            train_agent(examples, output, config, storage=storage, name=precision, say=lambda line: None)
            rate, first_s = steady(output)
            plain = (before + plain_rate(examples, base, count, config)) / 2
            print(f"{precision}  plain {plain:,.0f} tokens/s  Ray Train {rate:,.0f} tokens/s  ratio {rate / plain:.3f}")
            print(f"      the first {WINDOW} steps took {first_s:.1f} s, most of it the start of the feed")


if __name__ == "__main__":
    main()
