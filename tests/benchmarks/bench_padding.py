"""The share of padding in what an agent training computes, by the steps that share their examples by length.

    python -m tests.benchmarks.bench_padding [PLANS]

Examples of the demo's documents, in the paper's prompts. Nothing is trained: lengths are all that counts.
"""

import sys
import tempfile
from pathlib import Path

from goat_ray.agent.config import AgentConfig
from goat_ray.records import Example
from goat_ray.training.config import AgentTrainingConfig, TinyModelConfig
from goat_ray.training.examples import ExamplesConfig, FormatExamples
from goat_ray.training.tiny import make_tiny_model
from goat_ray.training.tokenization import Tokens
from tests.conftest import ROOT
from tests.training.conftest import write_parquet
from tests.training.plain_loop import cut, steps
from tests.world import make_samples, make_world

WINDOWS = (1, 4, 8, 16, 64)
PASSES = ((8, 1), (4, 4))  # batch_size, gradient_accumulation


def padding(batches: list[list[Tokens]], config: AgentTrainingConfig) -> float:
    """Of all places in the batches of a worker's pass, those without a token."""
    tokens = places = 0
    for step in batches:
        lengths = [len(one.input_ids) for one in step]
        for own in cut(lengths, config.batch_size * config.gradient_accumulation):
            for batch in cut(sorted(own), config.batch_size):
                tokens += sum(batch)
                places += max(batch) * len(batch)
    return 1 - tokens / places


def main(plans: int) -> None:
    """Print a row for each division of a step."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = make_world(ROOT / "configs" / "demo" / "documents", folder / "world")
        step = FormatExamples(world.data, ExamplesConfig(), AgentConfig())
        step.start()
        examples = [one for one in step.process(make_samples(world, plans)) if isinstance(one, Example)]
        stored = write_parquet(folder / "examples", examples)
        tiny = TinyModelConfig(context=4096)
        texts = [text for one in examples for text in (one.prompt, one.target)]
        base = make_tiny_model(folder / "base", texts, **tiny.model_dump(), seed=0)
        print(f"{len(examples):,} examples; windows of {', '.join(map(str, WINDOWS))} steps")
        for batch_size, accumulation in PASSES:
            shares = []
            for window in WINDOWS:
                config = AgentTrainingConfig(
                    tiny=tiny, epochs=1, workers=2, max_length=4096, group_by_length=window,
                    batch_size=batch_size, gradient_accumulation=accumulation,
                )  # fmt: skip
                shares.append(padding(steps(stored, str(base), config), config))
            print(f"batch_size {batch_size}, {accumulation} passes: {'  '.join(f'{share:.3f}' for share in shares)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
