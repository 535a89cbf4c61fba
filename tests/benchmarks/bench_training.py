"""Tokens per second of agent training on Ray Train and DeepSpeed, over those of a plain loop in one process.

    python -m tests.benchmarks.bench_training [GPUS]

Both make the same steps of the same model on the same batches with the same number of threads; time is that of the
steps, with reading and collating. The plain loop runs before and after, because other programs disturb both.
"""

import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from goat_ray.cluster import ClusterConfig, connect
from goat_ray.training.agent import base_model, train_agent
from goat_ray.training.batches import micro_batches, summed_loss
from goat_ray.training.config import AgentTrainingConfig, TinyModelConfig
from goat_ray.training.feed import Source, data_context, epoch
from goat_ray.training.tokenization import PackedTokenizer, load_tokenizer
from tests.training.conftest import make_example, write_parquet

EXAMPLES = 400
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def configuration(precision: str, gpus: float) -> AgentTrainingConfig:
    """A model large enough that its steps, not their overhead, take the time."""
    tiny = TinyModelConfig(hidden=384, layers=6, heads=6, vocabulary=1024, context=512)
    return AgentTrainingConfig(
        tiny=tiny, method="full", epochs=1, batch_size=8, gradient_accumulation=1, max_length=512, zero_stage=0,
        precision=precision, gpus_per_worker=gpus, checkpoint_every=10**6, trackers=[],
    )  # fmt: skip


def plain_rate(examples: str, base: str, config: AgentTrainingConfig) -> float:
    """Tokens per second of the plain loop."""
    tokenizer = load_tokenizer(base)
    source = Source(examples, PackedTokenizer.pack(tokenizer), config.max_length, config.kinds, config.seed, blocks=1)
    device = torch.device("cuda" if config.gpus_per_worker else "cpu")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=DTYPES[config.precision]).to(device)
    weights = list(model.parameters())
    masters = [weight.detach().float().clone() for weight in weights]  # what bf16 needs, and DeepSpeed has as well
    optimizer = torch.optim.AdamW(masters, lr=config.learning_rate)
    with data_context():
        batches = epoch(source, 0, EXAMPLES, config.batch_size, window=config.window).iter_batches(
            batch_size=config.batch_size, batch_format="pyarrow"
        )
        tables = list(batches)
    tokens, started = 0, time.perf_counter()
    for table in tables:
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
    float(loss)  # waits for a GPU
    return tokens / (time.perf_counter() - started)


def main(gpus: float) -> None:
    """Print a row for each precision."""
    connect(ClusterConfig(local_cpus=4))
    with tempfile.TemporaryDirectory() as folder:
        examples = write_parquet(Path(folder) / "examples", (make_example(number) for number in range(EXAMPLES)))
        for precision in DTYPES:
            config = configuration(precision, gpus)
            output, storage = str(Path(folder) / precision / "model"), str(Path(folder) / "runs")
            Path(output).parent.mkdir()
            base = base_model(examples, output, config)
            before = plain_rate(examples, base, config)
            ray = train_agent(examples, output, config, storage=storage, name=precision, say=lambda line: None)
            plain = (before + plain_rate(examples, base, config)) / 2
            rate = ray.tokens_per_second
            print(f"{precision}  plain {plain:,.0f} tokens/s  Ray Train {rate:,.0f} tokens/s  ratio {rate / plain:.3f}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0)
