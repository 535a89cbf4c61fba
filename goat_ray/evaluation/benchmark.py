"""What every benchmark is to the rest: tasks with gold, the measures that apply, and its own names of functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from goat_ray.evaluation.metrics import Calls
from goat_ray.identity import content_id
from goat_ray.records import ApiFunction, Lineage, Prediction, Sample


@dataclass(frozen=True)
class BenchmarkTask:
    """One query with what a right solution is known to hold. Functions go by the benchmark's names."""

    query: str
    measures: tuple[str, ...]  # names in scoring.py
    group: str  # for the breakdown, e.g. "2 calls" or "level 3"
    gold: Calls = ()
    response: str = ""
    results: tuple[Any, ...] = ()  # of gold calls, where they are known
    occurrence: int = 0  # among tasks with the same query

    @property
    def id(self) -> str:
        """Stable, and different for each occurrence of a query."""
        return content_id(self.query, self.occurrence)


@dataclass(frozen=True)
class MadeCall:
    """A call of a solution, under the benchmark's name of the function."""

    function: str
    arguments: Any = field(default_factory=dict)  # an object, unless another system wrote something else
    body: Any = None


@dataclass(frozen=True)
class Solution:
    """What somebody did with a task."""

    calls: tuple[MadeCall, ...] = ()
    response: str = ""
    planned: tuple[str, ...] | None = None  # functions chosen before any call; None where none were asked for
    problems: tuple[str, ...] = ()
    seconds: float | None = None  # of one worker, which may answer several together

    @property
    def pairs(self) -> Calls:
        """The calls as the metrics take them."""
        return [(call.function, call.arguments) for call in self.calls]


@dataclass(frozen=True)
class Benchmark:
    """Tasks, and how functions are named in them."""

    name: str
    tasks: Sequence[BenchmarkTask]
    names: dict[str, str]  # ApiFunction.id -> the benchmark's name
    normalised: Callable[[str], str]  # a function as a predictions file writes it -> the benchmark's name
    remarks: Sequence[str] = ()  # quirks of the gold, and what was left out

    def samples(self) -> list[Sample]:
        """The queries as the agent takes them. No gold is in them."""
        lineage = Lineage(teacher=self.name, prompts="", fingerprint=content_id(self.name), seed=0)
        return [
            Sample(id=task.id, query=task.query, subqueries=[], calls=[], response="", split="test", lineage=lineage)
            for task in self.tasks
        ]

    def solution(self, prediction: Prediction) -> Solution:
        """What the agent did, in the benchmark's names."""
        calls = tuple(MadeCall(self.names[call.function], call.values, call.body) for call in prediction.calls)
        planned = None if prediction.planned is None else tuple(self.names[id_] for id_ in prediction.planned)
        return Solution(calls, prediction.response, planned, tuple(prediction.problems), prediction.seconds)


def counted(tasks: Sequence[BenchmarkTask]) -> list[BenchmarkTask]:
    """The tasks with their occurrences numbered."""
    seen: dict[str, int] = {}
    numbered = []
    for task in tasks:
        number = seen[task.query] = seen.get(task.query, -1) + 1
        numbered.append(replace(task, occurrence=number))
    return numbered


def by_length(gold: Sequence[object]) -> str:
    """The group of a task: its number of gold calls."""
    return f"{len(gold)} call{'s' * (len(gold) != 1)}"


def names_of(functions: Sequence[ApiFunction], name: Callable[[ApiFunction], str]) -> dict[str, str]:
    """The benchmark's name of each function id."""
    return {function.id: name(function) for function in functions}
