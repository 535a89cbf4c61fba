"""What becomes of accepted samples: duplicates go, and each one gets its split."""

from collections.abc import Iterator

from goat_ray.identity import content_id, rng
from goat_ray.records import ExecutedCall, Reject, Sample, Split
from goat_ray.storage import Dataset
from goat_ray.synthesis.config import SynthesisConfig


def curate(samples: Dataset[Sample], config: SynthesisConfig) -> Iterator[Sample | Reject]:
    """Samples without duplicates by query or by calls, each with its split.

    Of duplicates the one with the smallest id stays, so that the outcome does not depend on the order
    in which parallel workers wrote them. All samples of one subgraph share a split: a test sample's
    plan is never trained on. Memory grows by three 16-character ids a sample.
    """
    duplicates = _duplicates(samples)
    for sample in samples.records():
        if sample.id in duplicates:
            yield Reject(id=sample.id, reason=duplicates[sample.id], detail=sample.query)
        else:
            yield sample.model_copy(update={"split": _split(sample.calls, config)})


def _duplicates(samples: Dataset[Sample]) -> dict[str, str]:
    """Ids of the samples to drop, with the reason."""
    keys = sorted(
        (
            sample.id,
            content_id(" ".join(sample.query.lower().split())),
            content_id([(call.function, call.values) for call in sample.calls]),
        )
        for sample in samples.records()
    )
    queries: set[str] = set()
    calls: set[str] = set()
    duplicates = {}
    for sample_id, query, called in keys:
        if query in queries:
            duplicates[sample_id] = "duplicate-query"
        elif called in calls:
            duplicates[sample_id] = "duplicate-calls"
        else:
            queries.add(query)
            calls.add(called)
    return duplicates


def _split(calls: list[ExecutedCall], config: SynthesisConfig) -> Split:
    """By the functions and the links between them, so that equal subgraphs fall together."""
    links = sorted(
        (call.function, argument.parameter, calls[argument.step].function)
        for call in calls
        for argument in call.arguments
        if argument.step is not None
    )
    at = rng("split", sorted(call.function for call in calls), links).random()
    if at < config.test_share:
        return "test"
    return "validation" if at < config.test_share + config.validation_share else "train"
