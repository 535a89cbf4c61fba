"""How fast each part is on one core, beside what the raw engine does on the same input.

.venv/bin/python -m tests.benchmarks.bench_road ../shared/data/restbench/tmdb_oas.json
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.executors.config import ExecutorConfig
from goat_ray.graph.config import EmbeddingConfig
from goat_ray.graph.embedding import Embed
from goat_ray.graph.ends import distinct_texts
from goat_ray.records import ApiFunction, CallPlan, CallTrace, Embedding, Sample
from goat_ray.synthesis.calling import Call
from goat_ray.synthesis.config import SamplingConfig, SynthesisConfig
from goat_ray.synthesis.narration import Narrate
from goat_ray.teacher.rules import RulesTeacher
from tests.world import make_world, sample_plans

PLANS = 1000


def timed(what: Callable[[], Any]) -> tuple[Any, float]:
    """(result, seconds of this process's CPU time and of the wall, whichever is less): others share the machine."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = what()
    return result, min(time.perf_counter() - wall, time.process_time() - cpu)


def main(document: str) -> None:
    """Print one line for each part."""
    import torch

    torch.set_num_threads(1)
    config = DocumentsConfig(paths=[document])
    documents = discover(config)
    functions, seconds = timed(lambda: [f for f in Ingest(config).process(documents) if isinstance(f, ApiFunction)])
    print(f"ingest      {len(functions) / seconds:>9,.0f} operations/s")

    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(document), Path(folder))
        texts = [Embedding.from_row(row) for table in distinct_texts(world.functions) for row in table.to_pylist()]
        embed = Embed(EmbeddingConfig())
        embed.start()
        _, raw = timed(
            lambda: embed.model.encode([text.text for text in texts], batch_size=64, show_progress_bar=False)
        )
        _, step = timed(lambda: list(embed.process(texts)))
        print(f"embed       {len(texts) / step:>9,.0f} texts/s, {raw / step:.2f} of SentenceTransformer.encode")

        sampling = SamplingConfig(plans=PLANS)
        drawn, seconds = timed(lambda: list(sample_plans(world.functions, world.edges, sampling)))
        plans = [plan for plan in drawn if isinstance(plan, CallPlan)]
        print(f"sample      {len(plans) / seconds:>9,.0f} plans/s")
        call = Call(RulesTeacher(), ExecutorConfig(), world.data)
        call.start()
        outcomes, seconds = timed(lambda: list(call.process(plans)))
        traces = [outcome for outcome in outcomes if isinstance(outcome, CallTrace)]
        calls = sum(len(plan.calls) for plan in plans)
        print(f"call        {len(plans) / seconds:>9,.0f} traces/s, {calls / seconds:,.0f} calls/s")
        narrate = Narrate(RulesTeacher(), world.data, SynthesisConfig(), "traces")
        narrate.start()
        outcomes, seconds = timed(lambda: list(narrate.process(traces)))
        samples = [outcome for outcome in outcomes if isinstance(outcome, Sample)]
        print(f"narrate     {len(samples) / seconds:>9,.0f} samples/s")


if __name__ == "__main__":
    main(sys.argv[1])
