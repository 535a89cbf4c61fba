"""What an evaluation on a benchmark leaves: a row for each task, and estimates over all tasks and over groups."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from goat_ray.errors import RunError
from goat_ray.evaluation.benchmark import Benchmark, BenchmarkTask, Solution
from goat_ray.evaluation.confidence import interval
from goat_ray.evaluation.metrics import mean
from goat_ray.places import Place, Where
from goat_ray.rows import Part, Record
from goat_ray.storage import read_book, read_parquet, write_json, write_parquet

ALL = "all"
SCORES, ESTIMATES, TASKS, PREDICTIONS = "scores.json", "scores.parquet", "tasks.parquet", "predictions.json"
SECONDS = "seconds per task"


class Measured(Part):
    """One measure of one task."""

    metric: str
    value: float


class TaskResult(Record):
    """One task and what a contender did with it; ``id`` is the task's."""

    query: str
    group: str
    gold: list[str]  # functions
    made: list[str]
    measured: list[Measured]  # without those that do not apply
    note: str = ""  # the judge's reason
    problems: list[str] = []


class Estimate(Part):
    """The mean of a measure over the tasks of a group, with its 95 % bootstrap interval."""

    metric: str
    group: str
    value: float
    low: float
    high: float
    count: int  # tasks that the measure applies to


@dataclass(frozen=True)
class Result:
    """One contender on one benchmark."""

    benchmark: str
    run: str
    tasks: list[TaskResult]
    remarks: list[str] = field(default_factory=list)

    def estimates(self) -> list[Estimate]:
        """Over all tasks, then over each group ("10 calls" after "9 calls"), measures in the order they come in."""
        found: dict[tuple[str, str], list[float]] = defaultdict(list)
        groups = sorted({task.group for task in self.tasks}, key=lambda group: (len(group.split()[0]), group))
        for group in (ALL, *groups) if len(groups) > 1 else (ALL,):
            for task in self.tasks:
                for one in task.measured if group in (ALL, task.group) else ():
                    found[one.metric, group].append(one.value)
        return [self._estimate(metric, group, values) for (metric, group), values in found.items()]

    def _estimate(self, metric: str, group: str, values: list[float]) -> Estimate:
        low, high = interval(values, self.benchmark, self.run, metric, group)
        return Estimate(metric=metric, group=group, value=mean(values), low=low, high=high, count=len(values))

    def values(self, metric: str) -> dict[str, float]:
        """The measure by task id, for tasks that it applies to."""
        return {task.id: one.value for task in self.tasks for one in task.measured if one.metric == metric}

    def write(self, folder: Where, predictions: Sequence[dict[str, Any]]) -> None:
        """Scores as JSON and Parquet, the tasks as Parquet, and the predictions in the published form."""
        folder = Place.of(folder)
        rows = [estimate.model_dump() for estimate in self.estimates()]
        named = [{"benchmark": self.benchmark, "run": self.run, **row} for row in rows]
        write_parquet(folder / ESTIMATES, pa.Table.from_pylist(named))
        table = pa.Table.from_pylist([task.to_row() for task in self.tasks], schema=TaskResult.arrow_schema())
        write_parquet(folder / TASKS, table)
        write_json(folder / PREDICTIONS, list(predictions))
        scores = {"benchmark": self.benchmark, "run": self.run, "scores": rows, "remarks": self.remarks}
        write_json(folder / SCORES, scores)

    @classmethod
    def read(cls, folder: Where) -> "Result":
        """What ``write`` left; raises ``RunError`` where nothing is."""
        folder = Place.of(folder)
        scores = read_book(folder / SCORES)
        if scores is None:
            raise RunError(
                "holds no results of a benchmark",
                place=str(folder),
                remedy="Give a folder that 'goat evaluate' named, e.g. runs/demo/benchmarks/restbench-tmdb/graph",
            )
        rows = read_parquet(folder / TASKS).to_pylist()
        tasks = [TaskResult.from_row(row) for row in rows]
        return cls(scores["benchmark"], scores["run"], tasks, scores["remarks"])


def as_predictions(benchmark: Benchmark, solutions: dict[str, Solution]) -> Iterator[dict[str, Any]]:
    """Solutions in the form that ``predictions.py`` reads."""
    for task in benchmark.tasks:
        solution = solutions[task.id]
        yield {
            "query": task.query,
            "api_path": [
                {
                    "docid": call.function,
                    "llm_generation": call.arguments,
                    "server_response": json.dumps(call.body, ensure_ascii=False),
                }
                for call in solution.calls
            ],
            "final_response": solution.response,
        }


def task_result(task: BenchmarkTask, solution: Solution, measured: dict[str, float], note: str) -> TaskResult:
    """The row of a task."""
    return TaskResult(
        id=task.id,
        query=task.query,
        group=task.group,
        gold=[function for function, _ in task.gold],
        made=[call.function for call in solution.calls],
        measured=[Measured(metric=metric, value=value) for metric, value in measured.items()],
        note=note,
        problems=list(solution.problems),
    )
