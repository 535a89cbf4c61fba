"""All scores of an evaluation, before and after training."""

from collections.abc import Iterator, Mapping, Sequence

from goat_ray.agent.documents import DocumentPart
from goat_ray.agent.retrieval import Retriever
from goat_ray.evaluation.config import EvaluationConfig
from goat_ray.evaluation.heldout import score_agent
from goat_ray.evaluation.retrieval import Judged, by_sight, judged_samples, restbench_queries, score_retriever
from goat_ray.places import Place
from goat_ray.records import Prediction, Sample, Score
from goat_ray.storage import Dataset, FunctionStore
from goat_ray.synthesis.splits import SplitsConfig, is_unseen


def agent_scores(predictions: Mapping[str, Dataset[Prediction]], heldout: Dataset[Sample]) -> Iterator[Score]:
    """SA, IA and CP of each run's predictions."""
    samples = list(heldout.records())
    for run, made in predictions.items():
        if samples:
            yield from score_agent(run, list(made.records()), samples)


def retrieval_groups(
    heldout: Dataset[Sample],
    unseen: Dataset[Sample] | None,
    functions: FunctionStore,
    config: EvaluationConfig,
    splits: SplitsConfig,
) -> dict[str, list[Judged]]:
    """What retrieval is measured on, by name: held-out samples and, where configured, RestBench's queries.

    With ``unseen`` samples, which call functions that training was kept from, those as well, and the queries in
    two parts: by whether their gold needs such a function.
    """
    groups = {"": judged_samples(heldout.records())}
    if unseen is not None:
        groups["unseen"] = judged_samples(unseen.records())
    if config.queries:
        file = Place.of(config.queries).fetch()
        name = file.stem
        groups[name], _ = restbench_queries(file, list(functions))
        if unseen is not None:
            hidden = {one for one in functions.ids if is_unseen(one, splits.unseen_functions, splits.seed)}
            parts = by_sight(groups[name], hidden.__contains__)
            groups.update({f"{name} {part}": judged for part, judged in parts.items()})
    return {name: judged for name, judged in groups.items() if judged}


def retriever_scores(
    models: Mapping[str, str],
    groups: Mapping[str, Sequence[Judged]],
    functions: FunctionStore,
    ks: Sequence[int],
    parts: Sequence[DocumentPart],
) -> Iterator[Score]:
    """All measures of each retriever on each group of queries."""
    for run, model in models.items():
        retriever = Retriever(list(functions), model, parts=parts)
        for name, judged in groups.items():
            yield from score_retriever(run, retriever, judged, ks, name)
