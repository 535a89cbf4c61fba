"""The task of judging an edge: can this output field serve as that input?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import Field

from goat_ray.naming import is_identifier, words
from goat_ray.records import ApiFunction, OutputField, Parameter
from goat_ray.teacher.shortening import LEVELS, shorter
from goat_ray.teacher.task import MAX_REASON, Answer, Failure, Message, Task, prompt


@dataclass(frozen=True)
class EdgeQuestion:
    """A candidate edge with what the documents say about both ends."""

    source: ApiFunction
    field: OutputField
    carries: str  # what the field carries in the corpus's words, e.g. "movie id"
    target: ApiFunction
    parameter: Parameter
    wants: str  # what the parameter asks for, in the same words


class EdgeVerdict(Answer):
    """Whether the value can be used, and why."""

    accept: bool = Field(description="true only if the value is the very thing the parameter asks for")
    reason: str = Field(description="one sentence", max_length=MAX_REASON)


class EdgeVerdicts(Answer):
    """Verdicts in the order of the questions."""

    verdicts: list[EdgeVerdict] = Field(description="one for each numbered output field, in their order")


_INSTRUCTIONS = (
    "You check whether the output of one API call can be the input of another. "
    "Accept only if the value is exactly what the parameter asks for: the identifier or value of the "
    "same kind of thing. Reject values that merely repeat an argument of the first call, and values "
    "that only have the same type. Answer in JSON."
)


class JudgeEdge(Task[EdgeQuestion, EdgeVerdict]):
    """Filter 2 of the paper's funnel, for one output field and one parameter."""

    name = "judge-edge"
    version = 2
    answer = EdgeVerdict

    def messages(self, request: EdgeQuestion) -> list[Message]:
        # Candidates are ordered by target, so the target's description is the prefix that neighbours share.
        return prompt(
            _INSTRUCTIONS,
            f"{_target_text(request)}\n\n{_source_text(request)}\n\nCan a value of this field serve as that parameter?",
        )

    def shortened(self, request: EdgeQuestion, level: int) -> EdgeQuestion | None:
        return _shorter(request, level) if level <= LEVELS else None

    def rule(self, request: EdgeQuestion) -> EdgeVerdict | Failure:
        problem = self._problem(request)
        if problem:
            return EdgeVerdict(accept=False, reason=problem)
        return EdgeVerdict(
            accept=True, reason=f"{request.field.path} is a {request.carries}, which is what the parameter asks for"
        )

    def _problem(self, request: EdgeQuestion) -> str:
        """Why the value cannot be used; empty if it can."""
        if not set(alternatives(request.wants)) & set(alternatives(request.carries)):
            return f"the field carries a {request.carries}, not a {request.wants}"
        if request.parameter.location != "path" and not is_identifier(request.wants):
            return "the caller chooses such a value freely; nothing has to look it up"
        if repeats_argument(request.source, request.field.path, request.parameter.name, request.wants):
            return "the field only repeats an argument of the first call"
        return ""


class JudgeEdges(Task[Sequence[EdgeQuestion], EdgeVerdicts]):
    """The same for several output fields and one parameter of one target: fewer tokens, as the target is told once."""

    name = "judge-edges"
    version = 1
    answer = EdgeVerdicts

    def messages(self, request: Sequence[EdgeQuestion]) -> list[Message]:
        sources = "\n\n".join(f"{number}. {_source_text(one)}" for number, one in enumerate(request, 1))
        return prompt(
            _INSTRUCTIONS,
            f"{_target_text(request[0])}\n\n{sources}\n\n"
            f"For each of the {len(request)} fields: can a value of it serve as that parameter?",
        )

    def flaw(self, request: Sequence[EdgeQuestion], answer: EdgeVerdicts) -> str | None:
        given = len(answer.verdicts)
        return f"{len(request)} fields were asked about, and {given} judged" if given != len(request) else None

    def shortened(self, request: Sequence[EdgeQuestion], level: int) -> Sequence[EdgeQuestion] | None:
        return [_shorter(one, level) for one in request] if level <= LEVELS else None

    def rule(self, request: Sequence[EdgeQuestion]) -> EdgeVerdicts | Failure:
        found = [JudgeEdge().rule(one) for one in request]
        failure = next((one for one in found if isinstance(one, Failure)), None)
        return failure or EdgeVerdicts(verdicts=[one for one in found if isinstance(one, EdgeVerdict)])


def _shorter(question: EdgeQuestion, level: int) -> EdgeQuestion:
    return replace(
        question,
        source=shorter(question.source, level),
        field=shorter(question.field, level),
        target=shorter(question.target, level),
        parameter=shorter(question.parameter, level),
    )


def _target_text(request: EdgeQuestion) -> str:
    target, parameter = request.target, request.parameter
    return (
        f"Second API: {target.title} - {target.summary}. {target.description[:600]}\n"
        f"Its parameter: {parameter.name} ({parameter.type}, {parameter.location}) {parameter.description}\n"
        f"This parameter wants: {request.wants}"
    )


def _source_text(request: EdgeQuestion) -> str:
    source, field = request.source, request.field
    return (
        f"First API: {source.title} - {source.summary}. {source.description[:600]}\n"
        f"Its output field: {field.path} ({field.type}) {field.description}\n"
        f"Examples of the field: {field.examples[:3]}"
    )


def alternatives(meaning: str) -> list[str]:
    """The meanings that "movie id or tv id" offers."""
    return meaning.split(" or ")


def repeats_argument(source: ApiFunction, field: str, parameter: str, wants: str) -> bool:
    """Whether a field is a single value at the top of a response that was asked for by that very value."""
    if "[*]" in field or field.count(".") > 1:
        return False
    return any(
        one.location == "path" and (one.name in ("id", parameter) or " ".join(words(one.name)) == wants)
        for one in source.parameters
    )
