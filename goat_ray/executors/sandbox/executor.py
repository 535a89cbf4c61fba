"""The sandbox executor: a deterministic, stateful simulator of documented APIs."""

from collections.abc import Sequence
from typing import Any

from goat_ray.executors.config import ExecutorConfig
from goat_ray.executors.executor import CallResult, Executor, Session
from goat_ray.executors.sandbox.answering import Answering
from goat_ray.executors.sandbox.examples import Examples
from goat_ray.executors.sandbox.model import infer
from goat_ray.executors.sandbox.state import State
from goat_ray.executors.sandbox.world import World
from goat_ray.records import ApiFunction


class SandboxExecutor(Executor):
    """Simulates all functions of a corpus from their documents alone.

    Known ids work and unknown ones give 404; wrong arguments give 422; writes create what later reads of
    the same session return. Nothing here looks at embeddings, similarities or verdicts: that a value of
    one answer is accepted by another function is independent evidence.
    """

    name = "sandbox"

    def __init__(self, functions: Sequence[ApiFunction], config: ExecutorConfig) -> None:
        self.config = config
        model = infer(functions)
        world = World(model, config)
        examples = Examples(model, world.rolls)
        for function in model.functions:
            examples.read(function)
        examples.finish(world)
        world.population.populate()
        self._world = world
        self._answering = {
            function.id: Answering(function, model, world, examples.listed) for function in model.functions
        }

    def session(self) -> "SandboxSession":
        """A fresh session, in which nothing was written yet."""
        return SandboxSession(self._world, self._answering)


class SandboxSession(Session):
    """One conversation with the sandbox."""

    def __init__(self, world: World, answering: dict[str, Answering]) -> None:
        self._state = State(world)
        self._answering = answering

    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        answering = self._answering.get(function.id)
        if answering is None:
            body = {"error": "not found", "message": f"there is no operation {function.title}"}
            return CallResult(status=404, body=body, origin="simulated")
        return answering.answer(self._state, arguments)
