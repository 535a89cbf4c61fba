"""The sandbox executor: a deterministic, stateful simulator of documented APIs."""

from collections.abc import Sequence
from typing import Any

from goat_ray.executors.executor import CallResult, Executor, Session, counted
from goat_ray.executors.sandbox.answering import Answering
from goat_ray.executors.sandbox.answers import Answers
from goat_ray.executors.sandbox.config import SandboxConfig
from goat_ray.executors.sandbox.examples import Examples
from goat_ray.executors.sandbox.faults import Faults
from goat_ray.executors.sandbox.model import infer
from goat_ray.executors.sandbox.state import State
from goat_ray.executors.sandbox.world import World
from goat_ray.records import ApiFunction
from goat_ray.rows import Json


class SandboxExecutor(Executor):
    """Simulates all functions of a corpus from their documents alone.

    Known ids work and unknown ones give 404; wrong arguments give 422; writes create what later reads of
    the same session return. Nothing here looks at embeddings, similarities or verdicts: that a value of
    one answer is accepted by another function is independent evidence.
    """

    name = "sandbox"

    def __init__(self, functions: Sequence[ApiFunction], config: SandboxConfig) -> None:
        self.config = config
        model = infer(functions)
        world = World(model, config)
        examples = Examples(model, world.rolls)
        for function in model.functions:
            examples.read(function)
        examples.finish(world)
        world.population.populate()
        self._model, self._world, self._listed = model, world, examples.listed
        self._functions = {function.id: function for function in model.functions}
        self._answering: dict[str, Answering] = {}
        self.answers = Answers()

    def session(self) -> "SandboxSession":
        """A fresh session, in which nothing was written yet."""
        return SandboxSession(self, State(self._world))

    def answering(self, function_id: str) -> Answering | None:
        """What answers the calls of a function, prepared at its first call; None for a foreign function."""
        found = self._answering.get(function_id)
        if found is None and function_id in self._functions:
            found = Answering(self._functions[function_id], self._model, self._world, self._listed)
            self._answering[function_id] = found
        return found


class SandboxSession(Session):
    """One conversation with the sandbox."""

    def __init__(self, executor: SandboxExecutor, state: State) -> None:
        self._executor = executor
        self._state = state
        self._faults = Faults(executor.config.faults, executor.config.seed)

    @counted("sandbox")
    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        answering = self._executor.answering(function.id)
        if answering is None:
            body = {"error": "not found", "message": f"there is no operation {function.title}"}
            return simulated(404, body)
        fault = self._faults.strike(function.id, arguments)
        if fault is not None:
            return simulated(*fault)
        if self._state.writes or not answering.reads:
            return simulated(*answering.answer(self._state, arguments))
        answers = self._executor.answers
        key = answers.key(function.id, arguments)
        known = answers.get(key)
        if known is None:
            known = answering.answer(self._state, arguments)
            answers.keep(key, *known)
        return simulated(*known)


def simulated(status: int, body: Json) -> CallResult:
    """The result of a call that no real service answered."""
    # The values are made here; validating them again would take longer than making them.
    return CallResult(status=status, body=body, origin="simulated")
