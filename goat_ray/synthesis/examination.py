"""What curation needs to know of each sample, found in parallel: then whole columns decide."""

import json
from collections.abc import Iterator, Sequence

from goat_ray.identity import canonical_json, digest
from goat_ray.records import ExecutedCall, Reject, Sample, Traits, without_failures
from goat_ray.rows import Json
from goat_ray.step import Resources, Step
from goat_ray.storage import FunctionStore
from goat_ray.synthesis import near_duplicates
from goat_ray.synthesis.contamination import Benchmarks, Match
from goat_ray.synthesis.shapes import shape_of
from goat_ray.synthesis.splits import SplitsConfig, split_of

CONTAMINATED = "contaminated"


class Examine(Step[Sample, Traits]):
    """Gives each sample its traits and rejects what a benchmark asks."""

    name = "examine"
    version = 4
    takes = Sample
    gives = Traits
    resources = Resources(batch_size=1024)

    def __init__(self, functions: str, splits: SplitsConfig, benchmarks: Benchmarks) -> None:
        self.functions = functions  # Parquet folder of the functions dataset
        self.splits = splits
        self.benchmarks = benchmarks

    def settings(self) -> Json:
        return {
            "splits": self.splits.model_dump(mode="json"),
            "benchmarks": self.benchmarks.settings(),
            "signatures": [near_duplicates.ALGORITHM, near_duplicates.HASHES, near_duplicates.SHINGLE],
        }

    def start(self) -> None:
        self.store = FunctionStore.open(self.functions)
        self.benchmarks.start()

    def process(self, batch: Sequence[Sample]) -> Iterator[Traits | Reject]:
        signatures = near_duplicates.signatures([sample.query for sample in batch])
        matches = self.benchmarks.matches([(sample.query, *sample.paraphrases) for sample in batch])
        for sample, signature, match in zip(batch, signatures, matches, strict=True):
            if match is not None:
                yield contaminated(sample.id, match, sample.query)
                continue
            yield Traits(
                id=sample.id,
                query=_key(" ".join(sample.query.lower().split())),
                calls=_key(_in_any_order(sample.calls)),
                length=len({call.planned for call in sample.calls}),
                shape=shape_of(sample),
                service=self.store[sample.calls[-1].function].service,
                split=split_of(sample.calls, self.splits),
                signature=signature.tolist(),
            )


def contaminated(sample: str, match: Match, query: str) -> Reject:
    """What becomes of a sample that a benchmark asks; the detail is JSON, as any mark could stand in a query."""
    detail = json.dumps({"match": str(match), "query": query}, ensure_ascii=False)
    return Reject(id=sample, reason=CONTAMINATED, detail=detail)


def _in_any_order(calls: Sequence[ExecutedCall]) -> list[str]:
    """What was called, alike whichever of two calls that do not depend on each other came first."""
    return sorted(canonical_json([call.function, call.values]) for call in without_failures(calls))


def _key(value: object) -> int:
    """Equal for equal values, and within Arrow's 64 signed bits."""
    return digest(value) - (1 << 63)
