"""From solutions to results: which measure applies where, and how it is taken."""

from collections import Counter
from collections.abc import Callable, Mapping

from goat_ray.evaluation.benchmark import Benchmark, BenchmarkTask, Solution
from goat_ray.evaluation.judging import Verdict
from goat_ray.evaluation.metrics import correct_path, invocation_accuracy, rouge_l, set_accuracy
from goat_ray.evaluation.results import SECONDS, Result, TaskResult, task_result
from goat_ray.teacher.task import Failure

Verdicts = Mapping[str, Verdict | Failure]


def score(
    benchmark: Benchmark,
    run: str,
    solutions: Mapping[str, Solution],
    verdicts: Verdicts,
    checks: Mapping[str, float],
    remarks: list[str],
) -> Result:
    """The result of a run.

    ``verdicts`` are the judge's, and ``checks`` what API-Bank's tools say of calls, both by task id. A task without
    one has no SR or no correctness; how many those are is a remark, so that nobody takes a part for the whole.
    """
    tasks = [_scored(task, solutions[task.id], verdicts.get(task.id), checks) for task in benchmark.tasks]
    failures = Counter(verdict.reason for verdict in verdicts.values() if isinstance(verdict, Failure))
    unjudged = [f"SR leaves out {count} tasks that were not judged ({reason})" for reason, count in failures.items()]
    return Result(benchmark.name, run, tasks, [*benchmark.remarks, *remarks, *unjudged])


def _scored(
    task: BenchmarkTask, solution: Solution, verdict: Verdict | Failure | None, checks: Mapping[str, float]
) -> TaskResult:
    measured = {metric: measure(task, solution) for metric, measure in _MEASURES.items() if metric in task.measures}
    if "CP" in measured and solution.planned is not None:
        measured["CP of the plan"] = float(correct_path(solution.planned, _path(task)))
    if task.id in checks:
        measured["correct"] = checks[task.id]
    succeeded = bool(measured.get("CP"))
    if isinstance(verdict, Verdict):
        measured["SR"] = float(verdict.success)
        succeeded = verdict.success
    if "extra calls" in task.measures and succeeded:
        measured["extra calls"] = float(len(solution.calls) - len(task.gold))
    if solution.seconds is not None:
        measured[SECONDS] = solution.seconds
    return task_result(task, solution, measured, verdict.reason if isinstance(verdict, Verdict) else "")


def _correct_path(task: BenchmarkTask, solution: Solution) -> float:
    return float(correct_path([call.function for call in solution.calls], _path(task)))


def _path(task: BenchmarkTask) -> list[str]:
    return [function for function, _ in task.gold]


_MEASURES: dict[str, Callable[[BenchmarkTask, Solution], float]] = {
    "SA": lambda task, solution: set_accuracy(solution.pairs, task.gold),
    "IA": lambda task, solution: invocation_accuracy(solution.pairs, task.gold),
    "CP": _correct_path,
    "ROUGE-L": lambda task, solution: rouge_l(solution.response, task.response),
}
"""Measures that need nothing but task and solution.

Beside them, ``CP of the plan`` takes the functions that were chosen before any call, whatever came of them: where a
sandbox does not know what is searched for, what should follow cannot be called. ``SR`` is the judge's and ``correct``
the tool's. ``extra calls`` is RestBench's delta of solution length: calls made beyond the gold path's, over tasks that
succeeded (by the judge, or by the path where nobody judged).
"""
