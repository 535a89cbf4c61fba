"""One query on its way through the agent: what both modes do with model, functions and executor, within limits."""

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from goat_ray.agent import prompts
from goat_ray.agent.config import AgentConfig
from goat_ray.agent.events import Called, Event, Named, Retrieved, Trouble, Usage
from goat_ray.agent.model import LanguageModel
from goat_ray.executors.executor import CallResult, Session
from goat_ray.records import ApiFunction, Argument, ExecutedCall
from goat_ray.storable import writable
from goat_ray.teacher.client import Completion, Tools
from goat_ray.teacher.task import Failure, Message

CHARACTERS_PER_TOKEN = 3  # a cautious estimate for models that do not tell

Search = Callable[[str], Awaitable[list[ApiFunction]]]


class Stopped(Exception):
    """The query ends here, without an answer."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


class Unanswered(Stopped):
    """The model answers this prompt not at all, e.g. because it is beyond its context; others it may answer."""


class Catalogue:
    """The functions of a corpus by what a model may call them: name, as prompts show it, or title, case aside."""

    def __init__(self, functions: Iterable[ApiFunction]) -> None:
        self._known: dict[str, ApiFunction] = {}
        for function in functions:
            for name in (function.name, function.title):
                self._known.setdefault(name.casefold(), function)

    def find(self, name: str, near: Sequence[ApiFunction]) -> ApiFunction | None:
        """The function of that name, rather one of those at hand, the nearest where the name alone does not tell."""
        shown = prompts.shown_names(near)
        wanted = name.casefold()
        for function in sorted(near, key=lambda one: shown[one.id] != name):  # some names differ in case alone
            if wanted in (shown[function.id].casefold(), function.name.casefold(), function.title.casefold()):
                return function
        return self._known.get(wanted)


class Episode:
    """The state of one query. Modes ask the model, make calls and tell what happens through it."""

    def __init__(
        self,
        query: str,
        config: AgentConfig,
        model: LanguageModel,
        search: Search,
        catalogue: Catalogue,
        session: Session,
        tell: Callable[[Event], None],
    ) -> None:
        self.query = query
        self.config = config
        self.tell = tell
        self.candidates: list[ApiFunction] = []
        self.made: list[prompts.Made] = []
        self.calls: list[ExecutedCall] = []  # the same as records
        self.problems: list[str] = []
        self.usage = Usage()
        self._model = model
        self._search = search
        self._catalogue = catalogue
        self._session = session

    @property
    def bodies(self) -> list[Any]:
        """The results of the calls so far, for references to them."""
        return [made.body for made in self.made]

    async def retrieve(self) -> None:
        """Find candidates for the query."""
        self.candidates = await self._search(self.query)
        self.tell(Retrieved(functions=[Named.of(function) for function in self.candidates]))

    def find(self, name: str) -> ApiFunction | None:
        """The function that a model means; None where there is none of that name."""
        return self._catalogue.find(name, self.candidates)

    async def ask(
        self, chat: Sequence[Message], max_tokens: int, tools: Tools = (), names: Sequence[str] = ()
    ) -> Completion:
        """The model's next message; raises ``Stopped`` where the query's tokens are spent, or ``Unanswered``."""
        if self.usage.tokens >= self.config.max_tokens:
            raise Stopped("token-limit", f"{self.usage.tokens:,} tokens are spent, {self.config.max_tokens:,} allowed")
        result = await self._model.complete(chat, max_tokens, tools, names)
        if isinstance(result, Failure):
            raise Unanswered(f"model-{result.reason}", result.detail)
        self.usage = self.usage.plus(*_tokens([*chat, *tools], result))
        return replace(result, text=writable(result.text))

    async def call(self, function: ApiFunction, arguments: list[Argument], planned: int) -> CallResult:
        """Make a call; ``planned`` is the number of the step that it is for, 0 for the first."""
        values = {argument.parameter: argument.value for argument in arguments}
        result = await self._session.call(function, values)
        self.made.append(prompts.Made(function, values, result.body))
        call = ExecutedCall(
            function=function.id,
            arguments=arguments,
            status=result.status,
            body=result.body,
            origin=result.origin,
            planned=planned,
            group=len(self.calls),
        )
        self.calls.append(call)
        self.tell(Called(function=Named.of(function), call=call))
        return result

    def trouble(self, reason: str, detail: str, *, again: bool = False) -> None:
        """Tell of something that went wrong; without another try it is a problem of the answer."""
        trouble = Trouble(reason=reason, detail=writable(" ".join(detail.split())), again=again)
        if not again:
            self.problems.append(trouble.problem)
        self.tell(trouble)

    def cut(self, said: Completion, what: str, tokens: int, *, again: bool = False) -> str:
        """Tell where the limit of tokens has cut what the model said; returns what to add to the flaw it is shown."""
        if not said.truncated:
            return ""
        detail = f"{what} was cut at {tokens} tokens"
        self.trouble("token-limit", detail, again=again)
        return f"; {detail}"

    async def answer(self, chat: Sequence[Message] = ()) -> str:
        """The model's answer at the end of a chat, or from the calls that were made."""
        asked = chat or [user(prompts.answer_prompt(self.query, self.made, self.config.prompt))]
        said = await self.ask(asked, self.config.answer_tokens)
        self.cut(said, "the answer", self.config.answer_tokens)
        return said.text.strip()


def tries(repairs: int) -> Iterator[bool]:
    """For each try, whether another one may follow."""
    yield from [True] * repairs
    yield False


def is_passing(result: CallResult) -> bool:
    """Whether a failure is none of the arguments' fault, so that the same call may succeed later."""
    return result.status >= 500 or result.status in (408, 425, 429)


def user(text: str) -> Message:
    """What the agent says to its model."""
    return {"role": "user", "content": text}


def exchange(answer: str, reply: str) -> list[Message]:
    """What a model said, and what it is answered with."""
    return [{"role": "assistant", "content": answer}, user(reply)]


def _tokens(shown: Sequence[Any], completion: Completion) -> tuple[int, int]:
    """Tokens of prompt and answer; ``shown`` are messages and tools."""
    if completion.prompt_tokens or completion.completion_tokens:
        return completion.prompt_tokens, completion.completion_tokens
    asked = len(json.dumps(shown, ensure_ascii=False))
    return asked // CHARACTERS_PER_TOKEN + 1, len(completion.text) // CHARACTERS_PER_TOKEN + 1
