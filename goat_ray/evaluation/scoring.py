"""All scores of an evaluation: the agent's and the retriever's, before and after training."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from goat_ray.agent.retrieval import Retriever
from goat_ray.evaluation.config import EvaluationConfig
from goat_ray.evaluation.heldout import score_agent
from goat_ray.evaluation.retrieval import judged_samples, restbench_queries, score_retriever
from goat_ray.records import Prediction, Sample, Score
from goat_ray.storage import Dataset, FunctionStore


def all_scores(
    contenders: Mapping[str, tuple[str, str]],
    predictions: Mapping[str, Dataset[Prediction]],
    heldout: Dataset[Sample],
    functions: FunctionStore,
    config: EvaluationConfig,
) -> Iterator[Score]:
    """Scores of each contender, given as name -> (agent model, retriever model)."""
    samples = list(heldout.records())
    if not samples:
        return
    for run, (_, model) in contenders.items():
        yield from score_agent(run, list(predictions[run].records()), samples)
        retriever = Retriever(list(functions), model)
        yield from score_retriever(run, retriever, judged_samples(samples), config.recall_at)
        if config.queries:
            judged, _ = restbench_queries(Path(config.queries), list(functions))
            for score in score_retriever(run, retriever, judged, config.recall_at):
                name = f"{Path(config.queries).stem} {score.metric}"
                yield score.model_copy(update={"id": f"{score.id}q", "metric": name})
