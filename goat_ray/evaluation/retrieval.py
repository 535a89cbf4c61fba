"""Recall of the retriever, on held-out samples or on the human queries of RestBench."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from goat_ray.agent.retrieval import Retriever
from goat_ray.evaluation.metrics import mean, recall_at
from goat_ray.evaluation.restbench import restbench
from goat_ray.identity import content_id
from goat_ray.records import ApiFunction, Sample, Score


@dataclass(frozen=True)
class Judged:
    """A query and the ids of the functions that it needs."""

    query: str
    gold: frozenset[str]


def judged_samples(samples: Iterable[Sample]) -> list[Judged]:
    """Samples as retrieval queries."""
    return [Judged(sample.query, frozenset(call.function for call in sample.calls)) for sample in samples]


def restbench_queries(path: Path, functions: Sequence[ApiFunction]) -> tuple[list[Judged], list[str]]:
    """RestBench's queries with gold function ids, and what had to be normalised or left out.

    Raises ``DocumentError`` on another format.
    """
    benchmark = restbench(path, functions)
    ids = {name: function_id for function_id, name in reversed(benchmark.names.items())}
    gold = [(task.query, frozenset(ids[name] for name, _ in task.gold if name in ids)) for task in benchmark.tasks]
    return [Judged(query, wanted) for query, wanted in gold if wanted], list(benchmark.remarks)


def score_retriever(run: str, retriever: Retriever, judged: Sequence[Judged], ks: Sequence[int]) -> list[Score]:
    """Mean Recall@k for each k."""
    ranked = retriever.search([item.query for item in judged], max(ks))
    ids = [[function.id for function in row] for row in ranked]
    return [
        Score(
            id=content_id(run, f"Recall@{k}"),
            run=run,
            metric=f"Recall@{k}",
            value=mean(recall_at(k, row, item.gold) for row, item in zip(ids, judged, strict=True)),
            count=len(judged),
        )
        for k in ks
    ]
