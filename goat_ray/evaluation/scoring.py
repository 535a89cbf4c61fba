"""All scores of an evaluation, before and after training."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from goat_ray.agent.retrieval import Retriever
from goat_ray.evaluation.config import EvaluationConfig
from goat_ray.evaluation.heldout import score_agent
from goat_ray.evaluation.retrieval import Judged, judged_samples, restbench_queries, score_retriever
from goat_ray.records import Prediction, Sample, Score
from goat_ray.storage import Dataset, FunctionStore


def agent_scores(predictions: Mapping[str, Dataset[Prediction]], heldout: Dataset[Sample]) -> Iterator[Score]:
    """SA, IA and CP of each run's predictions."""
    samples = list(heldout.records())
    for run, made in predictions.items():
        if samples:
            yield from score_agent(run, list(made.records()), samples)


def retriever_scores(
    models: Mapping[str, str], heldout: Dataset[Sample], functions: FunctionStore, config: EvaluationConfig
) -> Iterator[Score]:
    """Recall@k of each retriever on the held-out samples and, where configured, on RestBench's queries."""
    samples = judged_samples(heldout.records())
    queries: Sequence[Judged] = []
    if config.queries:
        queries, _ = restbench_queries(Path(config.queries), list(functions))
    for run, model in models.items():
        retriever = Retriever(list(functions), model)
        if samples:
            yield from score_retriever(run, retriever, samples, config.recall_at)
        for score in score_retriever(run, retriever, queries, config.recall_at) if queries else ():
            name = f"{Path(config.queries).stem} {score.metric}"
            yield score.model_copy(update={"id": f"{score.id}q", "metric": name})
