"""Speed of traces and language together, and how various the embedded writer's queries are beside human ones.

    python -m tests.benchmarks.bench_language ../shared/data/restbench/tmdb_oas.json \
        ../shared/data/restbench/tmdb_queries.json

The human queries are about the document. They are measured only; no form of the writer was made after them.
"""

import gc
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goat_ray.executors.config import ExecutorConfig
from goat_ray.records import CallPlan
from goat_ray.step import Step
from goat_ray.synthesis.calling import Call
from goat_ray.synthesis.config import SamplingConfig, SynthesisConfig
from goat_ray.synthesis.narration import Narrate
from goat_ray.synthesis.variety import distinct, self_bleu
from goat_ray.teacher.rules import RulesTeacher
from tests.world import make_world, sample_plans

PLANS = 4000
BATCH = 256  # records, as the runner makes them
MEASURED = 100  # queries; the measures depend on the number


def main(document: str, human: str) -> None:
    """Print both."""
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(document), Path(folder))
        drawn = sample_plans(world.functions, world.edges, SamplingConfig(plans=PLANS))
        plans = [plan for plan in drawn if isinstance(plan, CallPlan)]
        call = Call(RulesTeacher(), ExecutorConfig(), world.data)
        narrate = Narrate(RulesTeacher(), world.data, SynthesisConfig(), "traces")
        call.start()
        narrate.start()
        gc.freeze()  # as the runner's workers do
        gc.set_threshold(50_000, *gc.get_threshold()[1:])
        for name in ("first time", "again"):
            traces, tracing = _run(call, plans)
            samples, telling = _run(narrate, traces)
            print(
                f"{name:<12}{len(plans):,} plans  traces {len(traces) / tracing:,.0f}/s  "
                f"samples {len(samples) / telling:,.0f}/s  both {len(samples) / (tracing + telling):,.0f} samples/s"
            )
    queries = [sample.query for sample in samples]
    _print("human", [one["query"] for one in json.loads(Path(human).read_text(encoding="utf-8"))][:MEASURED])
    _print("generated", random.Random(0).sample(queries, MEASURED))
    for length in (1, 2, 3, 4, 5):
        same = [sample.query for sample in samples if len({one.planned for one in sample.calls}) == length]
        _print(f"{length} calls", random.Random(0).sample(same, min(MEASURED, len(same))))


def _run(step: Step[Any, Any], records: Sequence[Any]) -> tuple[list[Any], float]:
    """What a step keeps of some records, and the seconds of CPU time that it took."""
    start = time.process_time()
    batches = (records[at : at + BATCH] for at in range(0, len(records), BATCH))
    kept = [one for batch in batches for one in step.process(batch) if isinstance(one, step.gives)]
    return kept, time.process_time() - start


def _print(name: str, queries: list[str]) -> None:
    ones, twos = distinct(queries, 1), distinct(queries, 2)
    words = sum(len(query.split()) for query in queries) / len(queries)
    print(
        f"{name:10} {len(queries)} queries  {words:.1f} words  distinct-1 {ones:.3f}  distinct-2 {twos:.3f}"
        f"  self-BLEU {self_bleu(queries):.3f}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
