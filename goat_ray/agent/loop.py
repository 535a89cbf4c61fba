"""The agent: answers queries with a language model, a retriever and an executor, many of them at once."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence

from goat_ray.agent.batching import Batcher
from goat_ray.agent.chat_mode import converse
from goat_ray.agent.config import AgentConfig
from goat_ray.agent.episode import Catalogue, Episode, Stopped
from goat_ray.agent.events import Answered, Attempt, Event
from goat_ray.agent.model import LanguageModel
from goat_ray.agent.plan_mode import follow_plan
from goat_ray.agent.react_mode import think_and_act
from goat_ray.agent.retrieval import Retriever
from goat_ray.executors.executor import Executor
from goat_ray.records import ApiFunction
from goat_ray.storable import writable

_MODES = {"plan": follow_plan, "react": think_and_act, "chat": converse}


class Agent:
    """Runs queries within the limits of its configuration. Lives in one event loop, the executor's for ``run``.

    What goes wrong with a query is told in its events and never raised; ``GoatError`` is raised for what no other
    query would survive either, such as an endpoint that refuses the key.
    """

    def __init__(self, model: LanguageModel, retriever: Retriever, executor: Executor, config: AgentConfig) -> None:
        self.model = model
        self.executor = executor
        self.config = config
        self._catalogue = Catalogue(retriever.functions)
        self._search: Batcher[str, list[ApiFunction]] = Batcher(
            lambda queries: retriever.search(queries, config.candidates)
        )

    def run(self, queries: Sequence[str]) -> list[Attempt]:
        """Attempt all queries together, from synchronous code; the model works on what they ask in batches."""

        async def attempts() -> list[Attempt]:
            return await asyncio.gather(*map(self.attempt, queries))

        return self.executor.run(attempts())

    async def attempt(
        self, query: str, tell: Callable[[Event], None] | None = None, answer_tokens: int | None = None
    ) -> Attempt:
        """Attempt one query; ``tell`` hears of each event as it happens.

        ``answer_tokens`` lowers the configured bounds for this query, of turns as well: any may be the answer.
        """
        began = time.monotonic()
        query = writable(query)  # a terminal's bytes may be no text, and tokenizers refuse them
        attempt = Attempt(query)

        def told(event: Event) -> None:
            attempt.events.append(event)
            if tell is not None:
                tell(event)

        config = self._bounded(answer_tokens)
        async with self.executor.session() as session:
            episode = Episode(query, config, self.model, self._search, self._catalogue, session, told)
            text = await _within_limits(episode)
            seconds = round(time.monotonic() - began, 3)
            told(Answered(text=text, problems=episode.problems, usage=episode.usage, seconds=seconds))
        return attempt

    async def stream(self, query: str, answer_tokens: int | None = None) -> AsyncIterator[Event]:
        """The events of one query as they happen; whoever stops listening stops the query."""
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        task = asyncio.create_task(self.attempt(query, events.put_nowait, answer_tokens))
        task.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            await task
        finally:
            task.cancel()

    async def close(self) -> None:
        """Release the connections of model and executor."""
        await self.model.close()
        await self.executor.close()

    def _bounded(self, answer_tokens: int | None) -> AgentConfig:
        if answer_tokens is None:
            return self.config
        bounds = {
            "answer_tokens": min(answer_tokens, self.config.answer_tokens),
            "turn_tokens": min(answer_tokens, self.config.turn_tokens),
        }
        return self.config.model_copy(update=bounds)


async def _within_limits(episode: Episode) -> str:
    limit = asyncio.timeout(episode.config.timeout_s)
    try:
        async with limit:
            text = await _MODES[episode.config.mode](episode)
            if not text:
                episode.trouble("no-answer", "the model's answer is empty")
            return text
    except TimeoutError:
        if not limit.expired():
            raise
        episode.trouble("time-limit", f"{episode.config.timeout_s:g} s are over")
    except Stopped as stop:
        episode.trouble(stop.reason, stop.detail)
    return ""
