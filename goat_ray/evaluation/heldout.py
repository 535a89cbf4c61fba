"""The agent on held-out samples: does it make the calls that the samples hold?"""

import heapq
from collections.abc import Iterator, Sequence

from goat_ray.agent.config import AgentConfig
from goat_ray.agent.loop import Agent
from goat_ray.agent.retrieval import Retriever
from goat_ray.agent.served import open_model, start_engines, stop_engines
from goat_ray.evaluation.config import EvaluationConfig
from goat_ray.evaluation.metrics import Calls, correct_path, invocation_accuracy, mean, set_accuracy
from goat_ray.executors.build import ALONE, Outside, build_executor
from goat_ray.executors.config import ExecutorConfig
from goat_ray.identity import content_id
from goat_ray.records import ExecutedCall, Prediction, Reject, Sample, Score, without_failures
from goat_ray.rows import Json
from goat_ray.step import Resources, Step
from goat_ray.storage import Dataset, FunctionStore


class Predict(Step[Sample, Prediction]):
    """Runs the agent on each sample's query."""

    name = "predict"
    version = 1
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
    ) -> None:
        self.model = model
        self.retriever = retriever
        self.functions = functions
        self.executor = executor
        self.outside = outside
        self.agent = agent
        self.fingerprints = list(fingerprints)  # of model, retriever and functions: folders keep their names
        self.resources = Resources(cpus=config.cpus, gpus=config.gpus, workers=config.workers, batch_size=32)

    def settings(self) -> Json:
        return {
            "inputs": self.fingerprints,
            "executor": self.outside.settings(self.executor),
            "agent": self.agent.model_dump(mode="json", exclude={"batch_size", "concurrency"}, exclude_none=True),
        }

    def prepare(self) -> None:
        self.outside.prepare()
        start_engines(self.model, self.agent)

    def release(self) -> None:
        """Called on the driver when it is done: the next model may need the engines' place."""
        stop_engines(self.model, self.agent)

    def start(self) -> None:
        functions = list(FunctionStore.open(self.functions))
        self.runner = Agent(
            open_model(self.model, self.agent),
            Retriever(functions, self.retriever),
            build_executor(self.executor, functions, self.outside),
            self.agent,
        )

    def process(self, batch: Sequence[Sample]) -> Iterator[Prediction | Reject]:
        for sample, attempt in zip(batch, self.runner.run([sample.query for sample in batch]), strict=True):
            yield Prediction(
                id=sample.id,
                query=sample.query,
                calls=attempt.executed(),
                response=attempt.response,
                problems=attempt.problems,
            )


def held_out(samples: Dataset[Sample], count: int) -> Iterator[Sample]:
    """The test samples with the smallest ids, at most ``count``."""
    chosen = heapq.nsmallest(
        count, (sample for sample in samples.records() if sample.split == "test"), key=lambda sample: sample.id
    )
    yield from chosen


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
