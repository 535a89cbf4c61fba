"""The embedded teacher: no model, no network, the same answer every time."""

from collections.abc import Sequence

from pydantic import ValidationError

from goat_ray.teacher.structured import explain
from goat_ray.teacher.task import Ans, Failure, Request, Task, Teacher


class RulesTeacher(Teacher):
    """Answers each task by its own rule."""

    @property
    def label(self) -> str:
        return "rules"

    def answer(self, task: Task[Request, Ans], requests: Sequence[Request]) -> list[Ans | Failure]:
        return [_ruled(task, request) for request in requests]


def _ruled(task: Task[Request, Ans], request: Request) -> Ans | Failure:
    try:
        return task.rule(request)
    except ValidationError as error:  # a text beyond what its answer allows, as from names of hundreds of words
        return Failure("invalid-answer", explain(error))
