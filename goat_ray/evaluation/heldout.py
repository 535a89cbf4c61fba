"""The agent on held-out samples: does it make the calls that the samples hold?"""

import heapq
import time
from collections.abc import Iterator, Sequence

from goat_ray.agent.config import AgentConfig
from goat_ray.agent.equipment import Equipment
from goat_ray.evaluation.config import EvaluationConfig
from goat_ray.evaluation.metrics import Calls, correct_path, invocation_accuracy, mean, set_accuracy
from goat_ray.executors.build import ALONE, Outside
from goat_ray.executors.config import ExecutorConfig
from goat_ray.identity import content_id
from goat_ray.records import ExecutedCall, Prediction, Reject, Sample, Score, Split, without_failures
from goat_ray.rows import Json
from goat_ray.step import Resources, Step
from goat_ray.storage import Dataset


class Predict(Step[Sample, Prediction]):
    """Runs the agent on each sample's query."""

    name = "predict"
    version = 6
    takes = Sample
    gives = Prediction

    def __init__(
        self,
        model: str,
        retriever: str,
        functions: str,
        executor: ExecutorConfig,
        agent: AgentConfig,
        config: EvaluationConfig,
        fingerprints: Sequence[str],
        outside: Outside = ALONE,
        adapter: str = "",
    ) -> None:
        unhurried = agent.model_copy(update={"timeout_s": None})  # queries wait for each other, and scores for none
        self.equipment = Equipment(model, retriever, functions, executor, unhurried, outside, adapter)
        self.fingerprints = list(fingerprints)  # of model, retriever and functions: folders keep their names
        self.resources = Resources(
            cpus=config.cpus, gpus=config.gpus, workers=config.workers, batch_size=config.concurrency
        )

    def settings(self) -> Json:
        equipment = self.equipment
        return {
            "inputs": self.fingerprints,
            "executor": equipment.outside.settings(equipment.executor),
            "agent": equipment.agent.decisive(),
            "concurrency": self.resources.batch_size,  # for the seconds, which are a result as well
        }

    def prepare(self) -> None:
        self.equipment.prepare()

    def shares_engines(self, other: "Predict") -> bool:
        """Whether the same engines serve both models."""
        return self.equipment.engines == other.equipment.engines

    def release(self) -> None:
        """Called on the driver when it is done: the next model may need the engines' place."""
        self.equipment.release()

    def start(self) -> None:
        self.runner = self.equipment.open()

    def process(self, batch: Sequence[Sample]) -> Iterator[Prediction | Reject]:
        began = time.perf_counter()
        attempts = self.runner.run([sample.query for sample in batch])
        seconds = (time.perf_counter() - began) / len(batch)
        for sample, attempt in zip(batch, attempts, strict=True):
            yield Prediction(
                id=sample.id,
                query=sample.query,
                calls=attempt.executed(),
                response=attempt.response,
                planned=attempt.planned if self.equipment.agent.mode == "plan" else None,
                problems=attempt.problems,
                seconds=seconds,
            )


def held_out(samples: Dataset[Sample], count: int, split: Split = "test") -> Iterator[Sample]:
    """The samples of a split with the smallest ids, at most ``count``."""
    found = (sample for sample in samples.records() if sample.split == split)
    yield from heapq.nsmallest(count, found, key=lambda sample: sample.id)


def score_agent(run: str, predictions: Sequence[Prediction], samples: Sequence[Sample]) -> list[Score]:
    """SA, IA and CP, averaged over the samples."""
    gold = {sample.id: sample for sample in samples}
    pairs = [(_calls(p.calls), _calls(without_failures(gold[p.id].calls))) for p in predictions]
    values = {
        "SA": mean(set_accuracy(predicted, wanted) for predicted, wanted in pairs),
        "IA": mean(invocation_accuracy(predicted, wanted) for predicted, wanted in pairs),
        "CP": mean(correct_path([f for f, _ in predicted], [f for f, _ in wanted]) for predicted, wanted in pairs),
    }
    return [
        Score(id=content_id(run, metric), run=run, metric=metric, value=value, count=len(pairs))
        for metric, value in values.items()
    ]


def _calls(calls: Sequence[ExecutedCall]) -> Calls:
    return [(call.function, call.values) for call in calls]
