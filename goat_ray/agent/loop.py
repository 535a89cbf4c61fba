"""The agent in plan mode: retrieve, plan, fill, execute, answer (paper: section 3.3, inference).

Queries go through the stages together, so that each stage is one batch for the language model.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from goat_ray.agent import prompts
from goat_ray.agent.config import AgentConfig
from goat_ray.agent.model import LanguageModel
from goat_ray.agent.retrieval import Retriever
from goat_ray.executors.executor import CallResult, Executor, Session
from goat_ray.records import ApiFunction, Argument, ExecutedCall


@dataclass
class Attempt:
    """One query on its way through the agent."""

    query: str
    session: Session
    plan: list[ApiFunction] = field(default_factory=list)
    made: list[prompts.Made] = field(default_factory=list)
    results: list[CallResult] = field(default_factory=list)
    response: str = ""
    problems: list[str] = field(default_factory=list)

    def executed(self) -> list[ExecutedCall]:
        """The calls that were made, as records."""
        return [
            ExecutedCall(
                function=made.function.id,
                arguments=[
                    Argument(parameter=name, value=value, provenance="user") for name, value in made.arguments.items()
                ],
                status=result.status,
                body=result.body,
                origin=result.origin,
            )
            for made, result in zip(self.made, self.results, strict=True)
        ]


class Agent:
    """Runs queries with one model, one retriever and one executor."""

    def __init__(self, model: LanguageModel, retriever: Retriever, executor: Executor, config: AgentConfig) -> None:
        self.model = model
        self.retriever = retriever
        self.executor = executor
        self.config = config

    def run(self, queries: Sequence[str]) -> list[Attempt]:
        """Attempt all queries; what goes wrong is noted in the attempt, never raised."""
        attempts = [Attempt(query, self.executor.session()) for query in queries]
        try:
            self._plan(attempts)
            for number in range(self.config.max_calls):
                self._call([attempt for attempt in attempts if number < len(attempt.plan)], number)
            self._answer(attempts)
        finally:
            self.executor.run(_close_all(attempts))
        return attempts

    def _plan(self, attempts: list[Attempt]) -> None:
        found = self.retriever.search([attempt.query for attempt in attempts], self.config.candidates)
        asked = [
            prompts.plan_prompt(attempt.query, candidates, self.config.prompt)
            for attempt, candidates in zip(attempts, found, strict=True)
        ]
        texts = self.model.generate(asked, self.config.plan_tokens)
        by_name = {function.name: function for function in reversed(self.retriever.functions)}
        for attempt, candidates, text in zip(attempts, found, texts, strict=True):
            near = {function.name: function for function in reversed(candidates)}
            for name in prompts.read_plan(text)[: self.config.max_calls]:
                function = near.get(name) or by_name.get(name)
                if function is None:
                    attempt.problems.append(f"unknown-function: {name[:80]}")
                else:
                    attempt.plan.append(function)

    def _call(self, attempts: list[Attempt], number: int) -> None:
        asked = [
            prompts.call_prompt(attempt.query, attempt.made, attempt.plan[number], self.config.prompt)
            for attempt in attempts
        ]
        texts = self.model.generate(asked, self.config.call_tokens)
        arguments = [self._arguments(attempt, text) for attempt, text in zip(attempts, texts, strict=True)]
        results = self.executor.run(_call_all(attempts, number, arguments))
        for attempt, given, result in zip(attempts, arguments, results, strict=True):
            function = attempt.plan[number]
            attempt.made.append(prompts.Made(function, given, result.body))
            attempt.results.append(result)
            if not result.ok:
                attempt.problems.append(f"call-failed: {function.name} {result.status}")

    def _arguments(self, attempt: Attempt, text: str) -> dict[str, Any]:
        try:
            return prompts.read_arguments(text, [made.body for made in attempt.made])
        except ValueError as error:
            attempt.problems.append(f"bad-arguments: {error}")
            return {}

    def _answer(self, attempts: list[Attempt]) -> None:
        asked = [prompts.answer_prompt(attempt.query, attempt.made, self.config.prompt) for attempt in attempts]
        for attempt, text in zip(attempts, self.model.generate(asked, self.config.answer_tokens), strict=True):
            attempt.response = text.strip()


async def _call_all(attempts: list[Attempt], number: int, arguments: list[dict[str, Any]]) -> list[CallResult]:
    return await asyncio.gather(
        *(attempt.session.call(attempt.plan[number], given) for attempt, given in zip(attempts, arguments, strict=True))
    )


async def _close_all(attempts: list[Attempt]) -> None:
    await asyncio.gather(*(attempt.session.close() for attempt in attempts))
