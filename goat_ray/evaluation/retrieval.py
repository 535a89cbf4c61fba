"""Recall of the retriever, on held-out samples or on the human queries of RestBench."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from goat_ray.agent.retrieval import Retriever
from goat_ray.errors import DocumentError
from goat_ray.evaluation.metrics import mean, recall_at
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

    Some gold entries carry stray blanks or another parameter name than the document; both are matched by
    method and path with the parameter names blanked out. Raises ``DocumentError`` on another format.
    """
    by_title = {_blank_names(function.title): function.id for function in functions}
    judged, remarks = [], []
    try:
        entries = [(entry["query"], entry["solution"]) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DocumentError(
            f"is no RestBench query file ({error!r})", place=str(path), remedy="Expected [{query, solution: [titles]}]"
        ) from error
    titles = {function.title for function in functions}
    for query, solution in entries:
        for step in solution:
            if step not in titles:
                known = _blank_names(step) in by_title
                remarks.append(f"{step!r} {'read as the documented path' if known else 'is in no document'}: {query}")
        gold = frozenset(by_title[_blank_names(step)] for step in solution if _blank_names(step) in by_title)
        if gold:
            judged.append(Judged(query, gold))
    return judged, remarks


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


def _blank_names(title: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", title.strip())
