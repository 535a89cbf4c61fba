"""What an agent does with a query, event by event: the one stream that terminal, server and evaluation share."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from goat_ray.records import ApiFunction, ExecutedCall
from goat_ray.rows import Part


class Named(Part):
    """A function as events name it."""

    id: str  # ApiFunction.id
    name: str
    title: str

    @classmethod
    def of(cls, function: ApiFunction) -> "Named":
        """The name tag of a function."""
        return cls(id=function.id, name=function.name, title=function.title)


class Retrieved(Part):
    """These functions were found for the query, nearest first."""

    event: Literal["retrieved"] = "retrieved"
    functions: list[Named]


class Planned(Part):
    """Plan mode: these are to be called, in this order."""

    event: Literal["planned"] = "planned"
    functions: list[Named]


class Thought(Part):
    """ReAct mode: what the model says before it acts."""

    event: Literal["thought"] = "thought"
    text: str


class Called(Part):
    """A call was made, successful or not."""

    event: Literal["called"] = "called"
    function: Named
    call: ExecutedCall


class Trouble(Part):
    """Something went wrong. Either the model is shown it and asked ``again``, or it stays in the answer's problems."""

    event: Literal["trouble"] = "trouble"
    reason: str  # a short constant to count by, e.g. "bad-arguments"
    detail: str
    again: bool

    @property
    def problem(self) -> str:
        """Reason and detail on one line."""
        return f"{self.reason}: {self.detail}"


class Usage(Part):
    """What a query has cost; tokens are estimated where a model does not tell."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Of prompts and completions together."""
        return self.prompt_tokens + self.completion_tokens

    def plus(self, prompt_tokens: int, completion_tokens: int) -> "Usage":
        """After one more request."""
        return Usage(
            requests=self.requests + 1,
            prompt_tokens=self.prompt_tokens + prompt_tokens,
            completion_tokens=self.completion_tokens + completion_tokens,
        )


class Answered(Part):
    """The end of the stream."""

    event: Literal["answered"] = "answered"
    text: str  # the model's; empty where it came to none
    problems: list[str]  # what was not put right on the way
    usage: Usage
    seconds: float

    @property
    def told(self) -> str:
        """What a user is told: the answer, or why there is none."""
        return self.text or f"There is no answer. {'; '.join(self.problems)}".strip()


Event = Annotated[Retrieved | Planned | Thought | Called | Trouble | Answered, Field(discriminator="event")]


@dataclass
class Attempt:
    """One query and all that became of it."""

    query: str
    events: list[Event] = field(default_factory=list)

    @property
    def answer(self) -> Answered:
        """How it ended. Only a finished attempt has one."""
        last = self.events[-1]
        assert isinstance(last, Answered)
        return last

    @property
    def response(self) -> str:
        """The model's answer; empty where it came to none."""
        return self.answer.text

    @property
    def problems(self) -> list[str]:
        """What was not put right on the way."""
        return self.answer.problems

    @property
    def planned(self) -> list[str]:
        """Ids of the functions that were chosen before any call, in order; empty where it came to no plan."""
        return [named.id for event in self.events if isinstance(event, Planned) for named in event.functions]

    def executed(self) -> list[ExecutedCall]:
        """The calls that were made; failed ones say which call made up for them."""
        calls = [event.call for event in self.events if isinstance(event, Called)]
        success = {call.planned: number for number, call in enumerate(calls) if 200 <= call.status < 300}
        return [
            call.model_copy(update={"corrected_by": success[call.planned]})
            if success.get(call.planned, number) > number
            else call
            for number, call in enumerate(calls)
        ]
