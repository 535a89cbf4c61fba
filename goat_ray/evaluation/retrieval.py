"""How well the retriever finds what is needed, on held-out samples or on the human queries of RestBench."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from goat_ray.agent.retrieval import Retriever
from goat_ray.evaluation.metrics import complete_at, mean, ndcg_at, recall_at
from goat_ray.evaluation.restbench import restbench
from goat_ray.identity import content_id
from goat_ray.records import ApiFunction, Sample, Score

MEASURES = {"Recall": recall_at, "Complete": complete_at, "nDCG": ndcg_at}


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


def by_sight(judged: Sequence[Judged], unseen: Callable[[str], bool]) -> dict[str, list[Judged]]:
    """The queries whose gold training has seen, and those that need a function which it was kept from."""
    groups: dict[str, list[Judged]] = {"seen": [], "unseen": []}
    for item in judged:
        groups["unseen" if any(map(unseen, item.gold)) else "seen"].append(item)
    return groups


def score_retriever(
    run: str, retriever: Retriever, judged: Sequence[Judged], ks: Sequence[int], group: str = ""
) -> list[Score]:
    """Means over the queries of each measure at each k; ``group`` goes before the measures' names."""
    ranked = [[one.id for one in row] for row in retriever.search([item.query for item in judged], max(ks))]
    scores = []
    for measure, at in MEASURES.items():
        for k in ks:
            metric = f"{group} {measure}@{k}".strip()
            value = mean(at(k, row, item.gold) for row, item in zip(ranked, judged, strict=True))
            scores.append(Score(id=content_id(run, metric), run=run, metric=metric, value=value, count=len(judged)))
    return scores
