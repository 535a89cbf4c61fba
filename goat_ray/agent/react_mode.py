"""ReAct mode: think, act, observe, in turns, until the model answers (Yao et al. 2023, arXiv 2210.03629)."""

from collections.abc import Sequence

from goat_ray.agent import prompts, reading
from goat_ray.agent.episode import Episode, exchange, user
from goat_ray.agent.turns import take_turns
from goat_ray.executors.executor import CallResult
from goat_ray.records import ApiFunction
from goat_ray.teacher.client import Tools
from goat_ray.teacher.task import Message


async def think_and_act(episode: Episode) -> str:
    """Attempt the episode's query in turns of thought and action; returns the model's answer."""
    await episode.retrieve()
    return await take_turns(episode, _ReAct(episode))


class _ReAct:
    """Turns as text, observations as the user's messages."""

    tools: Tools = ()

    def __init__(self, episode: Episode) -> None:
        self._episode = episode
        self._config = episode.config.prompt

    def opening(self) -> list[Message]:
        return [user(prompts.react_prompt(self._episode.query, self._episode.candidates, self._config))]

    def read(self, text: str) -> reading.Act | reading.Reply:
        return reading.read_turn(text)

    def find(self, name: str) -> ApiFunction | None:
        return self._episode.find(name)

    def unknown(self, name: str) -> str:
        return prompts.no_such([name], self._episode.candidates)

    def told(self, turn: reading.Act, result: CallResult) -> list[Message]:
        if not result.ok:
            return self.corrected(turn.written, prompts.failure(result.status, result.body, self._config))
        number = len(self._episode.calls)
        observed = prompts.react_observation(number, result.status, result.body, self._config)
        return exchange(turn.written, observed)

    def corrected(self, text: str, flaw: str) -> list[Message]:
        return exchange(text, f"Observation: {flaw}")

    async def answer(self, chat: Sequence[Message]) -> str:
        return await self._episode.answer()
