"""The embedded teacher: no model, no network, the same answer every time."""

from collections.abc import Sequence

from goat_ray.teacher.task import Ans, Failure, Request, Task, Teacher


class RulesTeacher(Teacher):
    """Answers each task by its own rule."""

    @property
    def label(self) -> str:
        return "rules"

    def answer(self, task: Task[Request, Ans], requests: Sequence[Request]) -> list[Ans | Failure]:
        return [task.rule(request) for request in requests]
