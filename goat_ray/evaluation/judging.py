"""SR: whether a solution does what its query asks, as a language model judges it (paper: section 4.1)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from goat_ray.evaluation.benchmark import Benchmark, MadeCall, Solution
from goat_ray.teacher.narration import Judgement
from goat_ray.teacher.task import Failure, Message, Task, Teacher, prompt

CHARACTERS = 1500  # of one response in a prompt, halved where a prompt is too long
LEVELS = 3


@dataclass(frozen=True)
class Attempted:
    """A solution as the judge sees it."""

    query: str
    calls: tuple[MadeCall, ...]
    response: str
    room: int = CHARACTERS


class JudgeSuccess(Task[Attempted, Judgement]):
    """Success is an answer to the whole request that the calls' outputs bear out."""

    name = "judge-success"
    version = 1
    answer = Judgement

    def messages(self, request: Attempted) -> list[Message]:
        calls = "\n".join(f"{number}. {_told(call, request.room)}" for number, call in enumerate(request.calls, 1))
        return prompt(
            "You check whether an assistant that calls APIs has done what a user asked for. Accept only if (1) every "
            "part of the request is dealt with, (2) the calls that were made can do that, and (3) the response says "
            "what their outputs hold and nothing that they do not. An apology or a promise is no success. "
            "Answer in JSON.",
            f"Request: {request.query}\n\nCalls and outputs:\n{calls or 'none'}\n\nResponse: {request.response}",
        )

    def shortened(self, request: Attempted, level: int) -> Attempted | None:
        return replace(request, room=CHARACTERS >> level) if level <= LEVELS else None

    def rule(self, request: Attempted) -> Judgement | Failure:
        return Failure("no-model", "no rule can tell whether a request is fulfilled")


class Verdict(NamedTuple):
    """A judge's answer."""

    success: bool
    reason: str


def judge(teacher: Teacher, benchmark: Benchmark, solutions: Mapping[str, Solution]) -> dict[str, Verdict | Failure]:
    """The verdict on each task that SR applies to, by task id. A solution without a response fails unasked."""
    tasks = [task for task in benchmark.tasks if "SR" in task.measures]
    verdicts: dict[str, Verdict | Failure] = {
        task.id: Verdict(False, "there is no response") for task in tasks if not solutions[task.id].response.strip()
    }
    asked = [task for task in tasks if task.id not in verdicts]
    requests = [Attempted(task.query, solutions[task.id].calls, solutions[task.id].response) for task in asked]
    for task, answer in zip(asked, teacher.answer(JudgeSuccess(), requests), strict=True):
        verdicts[task.id] = answer if isinstance(answer, Failure) else Verdict(answer.accept, answer.reason)
    return verdicts


def _told(call: MadeCall, room: int) -> str:
    text = json.dumps(call.body, ensure_ascii=False)
    returned = text if len(text) <= room else text[:room] + "…"
    return f"{call.function} {json.dumps(call.arguments, ensure_ascii=False)}\n   returned: {returned}"
