"""The contract between language tasks and the backends that answer them.

A task knows what it asks: a typed request, a typed answer, the messages for a language model, and a
rule that answers without any model. A teacher knows how to get answers. Neither knows the other's kind.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, Self, TypedDict, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr

from goat_ray.rows import Json
from goat_ray.step import BATCH_SIZE


class Message(TypedDict):
    """One chat message, in the form that OpenAI endpoints and chat templates share."""

    role: Literal["system", "user", "assistant"]
    content: str


def prompt(instructions: str, question: str) -> list[Message]:
    """The chat that tells a model what it is to do, and asks."""
    return [{"role": "system", "content": instructions}, {"role": "user", "content": question}]


MAX_REASON = 300  # characters of an answer's ``reason``


class Answer(BaseModel):
    """Base of all answers. The JSON schema of a subclass drives structured output."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    _shortened: bool = PrivateAttr(default=False)

    @property
    def shortened(self) -> bool:
        """Whether it was given on a part of the documents, all of which would not fit the model's context."""
        return self._shortened

    def on_shortened(self) -> Self:
        """The same as an answer to a shortened question."""
        copy = self.model_copy()
        copy._shortened = True
        return copy


@dataclass(frozen=True)
class Failure:
    """A request that got no usable answer. A value, not an exception: one bad answer stops nothing."""

    reason: str  # short constant to count by: "not-json", "invalid-answer", "timeout", "endpoint-error", …
    detail: str = ""


Request = TypeVar("Request")
Ans = TypeVar("Ans", bound=Answer)


class Task(ABC, Generic[Request, Ans]):
    """One language task."""

    name: ClassVar[str]
    version: ClassVar[int]  # raise it when prompt or rule change; it is part of each sample's lineage
    answer: type[Ans]

    @abstractmethod
    def messages(self, request: Request) -> list[Message]:
        """The prompt. The long part that neighbouring requests share (the document) comes first, so
        that an engine with a prefix cache reads it once."""

    def shortened(self, request: Request, level: int) -> Request | None:
        """The same question with less of the documents, for a prompt that is longer than a model's context.

        Level 1 leaves out the least useful parts, each further level more; None where nothing can go.
        """
        return None

    def flaw(self, request: Request, answer: Ans) -> str | None:
        """What is wrong with an answer that its schema cannot tell, in words for the model; None where nothing is."""
        return None

    @abstractmethod
    def rule(self, request: Request) -> Ans | Failure:
        """The embedded default's answer: deterministic, without a model."""


class Teacher(ABC):
    """A backend that answers any task."""

    @property
    @abstractmethod
    def label(self) -> str:
        """Backend and model, as written into lineage and fingerprints, e.g. ``openai:llama-3-8b``."""

    @property
    def waits(self) -> bool:
        """Whether an answer is waited for rather than worked out here, so that more threads than one do well to ask."""
        return False

    @property
    def batch_size(self) -> int:
        """Records that a step hands it at once: enough for all that it answers side by side, and not many times more,
        because the last batches of a stage are not shared out any further."""
        return BATCH_SIZE

    def settings(self) -> Json:
        """All that its answers depend on besides the questions, for fingerprints."""
        return {"teacher": self.label}

    def check(self) -> None:
        """Called once on the driver before any work; raises ``GoatError`` where the cluster cannot carry it."""

    def prepare(self) -> None:
        """Called once on the driver before any worker starts: start engines, if there are any to start."""

    def release(self) -> None:
        """Called once on the driver when no more questions will come: disconnect, give back what ``prepare`` took."""

    def start(self) -> None:
        """Connect; called once in the process that will ask, before the first ``answer``."""

    @abstractmethod
    def answer(self, task: Task[Request, Ans], requests: Sequence[Request]) -> list[Ans | Failure]:
        """Answers in the order of the requests. All requests of one call may be in flight at once."""
