"""What every served chat model looks like to the teacher: one attempt in, a completion or a failure out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from goat_ray.teacher.task import Failure, Message

Schema = dict[str, Any]
Tools = Sequence[dict[str, Any]]
"""What a model may call, in the form of OpenAI's ``tools``; its own chat template writes them."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's text and what it cost; an endpoint that does not tell counts 0 tokens."""

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0  # of the prompt's, those that the engine's prefix cache knew
    truncated: bool = False  # the limit of tokens cut it


@dataclass(frozen=True)
class Setback(Failure):
    """A failed attempt after which another one may succeed."""

    busy: bool = False  # the endpoint has too much to do; nothing is wrong with the request
    retry_after_s: float | None = None  # what the endpoint asks for
    healed: bool = False  # the client has waited until the endpoint was there again, however long it took

    def plain(self) -> Failure:
        """The same as a final failure."""
        return Failure(self.reason, self.detail)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is sent at each attempt."""

    messages: Sequence[Message]
    schema: Schema | None
    seed: int
    max_tokens: int | None = None  # of this answer; None takes the configured bound
    tools: Tools = ()


class ChatClient(Protocol):
    """One connection to a served chat model. It makes single attempts; ``Asker`` decides about others."""

    async def attempt(self, request: ChatRequest) -> Completion | Failure:
        """The model's text, held to the schema where there is one and the endpoint can.

        Of ``tools`` the model may call one: its call is then in the text, as a JSON object with name and arguments.
        Some models call several all the same, and then all are there.

        A ``Setback`` may be tried again, any other ``Failure`` is final; ``TOO_LONG`` as its reason asks for
        a shorter prompt. Raises ``GoatError`` for what no other request would survive either, such as a wrong
        key: going on would turn every record into a reject.
        """

    async def close(self) -> None:
        """Release connections."""


TOO_LONG = "too-long"  # the reason of a prompt that leaves no room for an answer in the model's context
TIMEOUT = "timeout"
ENDPOINT_ERROR = "endpoint-error"  # the endpoint does not accept the request, or breaks on it
