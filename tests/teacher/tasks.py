"""A small task for tests of the backends."""

from typing import Literal

from pydantic import Field

from goat_ray.teacher.task import Answer, Failure, Message, Task


class Verdict(Answer):
    """Whether a film is worth seeing."""

    accept: bool
    genre: Literal["drama", "comedy"]


class JudgeFilm(Task[str, Verdict]):
    name = "judge-film"
    version = 1
    answer = Verdict

    def messages(self, request: str) -> list[Message]:
        return [{"role": "system", "content": "Judge the film."}, {"role": "user", "content": request}]

    def rule(self, request: str) -> Verdict | Failure:
        return Verdict(accept=True, genre="drama")


class Essay(Answer):
    text: str = Field(min_length=4000)


class WriteEssay(Task[str, Essay]):
    name = "write-essay"
    version = 1
    answer = Essay

    def messages(self, request: str) -> list[Message]:
        return [{"role": "user", "content": request}]

    def rule(self, request: str) -> Essay | Failure:
        return Failure("no-rule")
