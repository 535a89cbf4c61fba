"""Speed of the embedded writer, and how various its queries are beside human ones.

    python -m tests.benchmarks.bench_language RUN QUERIES.json

RUN is the directory of a finished ``goat synthesize`` on the documents that the human queries are about.
Human queries are measured only; no form of the writer was made after them.
"""

import json
import random
import sys
import time
from itertools import islice
from pathlib import Path

from goat_ray.records import ApiFunction, CallTrace, Sample
from goat_ray.storage import open_dataset
from goat_ray.synthesis.config import SynthesisConfig
from goat_ray.synthesis.narration import Narrate
from goat_ray.synthesis.variety import distinct, self_bleu
from goat_ray.teacher.rules import RulesTeacher

TRACES = 1000
MEASURED = 100  # queries; the measures depend on the number


def main() -> None:
    """Print both."""
    run, human = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    traces = list(islice(open_dataset(run / "traces", CallTrace).records(), TRACES))
    narrate = Narrate(RulesTeacher(), open_dataset(run / "functions", ApiFunction).data, SynthesisConfig(), "traces")
    narrate.start()
    start = time.process_time()
    outcomes = list(narrate.process(traces))
    taken = time.process_time() - start
    print(f"{len(traces)} traces narrated in {taken:.2f} s of CPU time: {len(traces) / taken:.0f}/s")
    queries = [one.query for one in outcomes if isinstance(one, Sample)]
    _print("human", [one["query"] for one in human][:MEASURED])
    _print("generated", random.Random(0).sample(queries, MEASURED))


def _print(name: str, queries: list[str]) -> None:
    ones, twos = distinct(queries, 1), distinct(queries, 2)
    words = sum(len(query.split()) for query in queries) / len(queries)
    print(
        f"{name:10} {len(queries)} queries  {words:.1f} words  distinct-1 {ones:.3f}  distinct-2 {twos:.3f}"
        f"  self-BLEU {self_bleu(queries):.3f}"
    )


if __name__ == "__main__":
    main()
