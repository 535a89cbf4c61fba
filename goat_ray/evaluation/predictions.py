"""Predictions of other systems, in the form of GOAT's published code: ``[{query, api_path, final_response}]``.

A step of ``api_path`` is ``{"docid", "llm_generation", "server_response"}`` or just the function; for RestBench the
function is a title such as ``GET /search/movie``, for API-Bank a tool's name.
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from goat_ray.evaluation.benchmark import Benchmark, MadeCall, Solution
from goat_ray.evaluation.foreign import entry_at, json_list, member, optional_text
from goat_ray.storable import unquoted


def read_predictions(path: Path, benchmark: Benchmark) -> tuple[dict[str, Solution], list[str]]:
    """The solution of each task by its id, and remarks; raises ``DocumentError`` on another format.

    Entries find their tasks by the query; of equal queries the first entry is for the first task. A task without
    an entry is scored as an empty solution, and said so.
    """
    waiting: dict[str, list[Solution]] = defaultdict(list)
    for number, entry in enumerate(json_list(path)):
        query, solution = _solution(entry, f"{path}#{number}", benchmark.normalised)
        waiting[query].append(solution)
    found, remarks = {}, []
    for task in benchmark.tasks:
        if entries := waiting[task.query.strip()]:
            found[task.id] = entries.pop(0)
        else:
            found[task.id] = Solution(problems=("no-prediction",))
            remarks.append(f"no prediction for: {task.query}")
    remarks += [f"no such task: {query}" for query, entries in waiting.items() for _ in entries]
    return found, remarks


def step_of(step: Any, normalised: Callable[[str], str]) -> MadeCall:
    """One call of an ``api_path``; raises ``KeyError`` or ``TypeError``."""
    if isinstance(step, str | int):
        return MadeCall(normalised(str(step)))
    # Arguments stay as they are, text or not: the published metric code compares them so.
    body = unquoted(step.get("server_response"))
    return MadeCall(normalised(str(step["docid"])), step.get("llm_generation", {}), body)


def _solution(entry: Any, place: str, normalised: Callable[[str], str]) -> tuple[str, Solution]:
    with entry_at(place, "is no prediction", "{query, api_path, final_response}"):
        query = member(entry, "query", str).strip()
        calls = tuple(step_of(step, normalised) for step in member(entry, "api_path", list))
        return query, Solution(calls, optional_text(entry, "final_response"))
