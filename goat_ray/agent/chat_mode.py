"""Chat mode: the same turns as in ReAct mode, as tool calls in the model's own chat template."""

import json
from collections.abc import Sequence
from typing import cast

from goat_ray.agent import prompts, reading
from goat_ray.agent.chat_form import call_turn, named_tools, read_turn, result_turn
from goat_ray.agent.episode import Episode, Unanswered, exchange, user
from goat_ray.agent.turns import take_turns
from goat_ray.executors.executor import CallResult
from goat_ray.records import ApiFunction
from goat_ray.teacher.client import Tools
from goat_ray.teacher.task import Message


async def converse(episode: Episode) -> str:
    """Attempt the episode's query in a chat with tool calls; returns the model's answer."""
    await episode.retrieve()
    return await take_turns(episode, _Chat(episode))


class _Chat:
    """The retrieved functions as tools, results as the tools' messages: what ``chat_form.chat_of`` trains."""

    def __init__(self, episode: Episode) -> None:
        self._episode = episode
        self._config = episode.config.prompt
        self.tools: Tools
        self.tools, names = named_tools(episode.candidates, self._config)
        self._functions = {names[function.id]: function for function in episode.candidates}

    def opening(self) -> list[Message]:
        return [user(self._episode.query)]

    def read(self, text: str) -> reading.Act | reading.Reply:
        return read_turn(text)

    def find(self, name: str) -> ApiFunction | None:
        return self._functions.get(name) or self._episode.find(name)

    def unknown(self, name: str) -> str:
        return f"there is no tool named {name}, only {', '.join(self._functions)}"

    def told(self, turn: reading.Act, result: CallResult) -> list[Message]:
        number = len(self._episode.calls) - 1
        shown = prompts.observation(result.body, self._config)
        turns = [
            call_turn(turn.thought, turn.function, json.loads(turn.arguments), number),
            result_turn(turn.function, shown, number),
        ]
        return cast(list[Message], turns)  # with more than a client for endpoints takes

    def corrected(self, text: str, flaw: str) -> list[Message]:
        return exchange(text, flaw)

    async def answer(self, chat: Sequence[Message]) -> str:
        """Without tools there is nothing left to do but to answer, from the calls alone where the chat gives none."""
        try:
            answer = await self._episode.answer(chat)
            if _is_call(answer):
                raise Unanswered("bad-answer", answer[: reading.SHOWN])
            return answer
        except Unanswered as unanswered:
            self._episode.trouble(unanswered.reason, unanswered.detail, again=True)
            return await self._episode.answer()


def _is_call(answer: str) -> bool:
    """Whether a model calls a tool, or tries to, where it is to answer."""
    try:
        return bool(answer) and isinstance(read_turn(answer), reading.Act)
    except reading.Unreadable:
        return True
