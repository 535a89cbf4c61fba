"""The ``llm`` executor: a teacher plays the API, for documents without usable schemas."""

import asyncio
from typing import Any

from goat_ray.executors.executor import CallResult, Executor, Session, counted
from goat_ray.records import ApiFunction
from goat_ray.rows import Json
from goat_ray.storable import parsed
from goat_ray.teacher.simulation import SimulatedCall, SimulatedResponse, SimulateResponse
from goat_ray.teacher.task import Failure, Teacher


class LlmExecutor(Executor):
    """Asks a teacher for each response. Calls that run at the same time are asked about together."""

    name = "llm"

    def __init__(self, teacher: Teacher) -> None:
        self._teacher = teacher
        self._waiting: list[tuple[SimulatedCall, asyncio.Future[SimulatedResponse | Failure]]] = []
        self._asking: asyncio.Task[None] | None = None

    def settings(self) -> Json:
        return {"teacher": self._teacher.settings(), "task": [SimulateResponse.name, SimulateResponse.version]}

    def prepare(self) -> None:
        self._teacher.prepare()

    def session(self) -> Session:
        return _LlmSession(self)

    async def ask(self, call: SimulatedCall) -> SimulatedResponse | Failure:
        """One answer. While a batch is out, further calls gather for the next one."""
        answer: asyncio.Future[SimulatedResponse | Failure] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, answer))
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._ask_all())
        return await answer

    async def _ask_all(self) -> None:
        await asyncio.sleep(0)  # let others of the same moment join
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    answers = await asyncio.to_thread(
                        self._teacher.answer, SimulateResponse(), [call for call, _ in batch]
                    )
                except BaseException as error:
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                    continue
                for (_, future), answer in zip(batch, answers, strict=True):
                    if not future.done():
                        future.set_result(answer)
        finally:
            self._asking = None


class _LlmSession(Session):
    """Shows the teacher what it said before, so that a session agrees with itself."""

    def __init__(self, executor: LlmExecutor) -> None:
        self._executor = executor
        self._before: list[tuple[str, dict[str, Any], Any]] = []

    @counted("llm")
    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        answer = await self._executor.ask(SimulatedCall(function, arguments, tuple(self._before)))
        if isinstance(answer, Failure):  # of an answer that fitted at last the teacher has made sure
            problem = "invalid-simulation" if answer.reason == "invalid-answer" else "no-simulation"
            return CallResult.failed(502, f"{answer.reason}: {answer.detail}", problem, "simulated")
        body = parsed(answer.body)
        self._before.append((function.title, arguments, body))
        return CallResult(status=answer.status, body=body, origin="simulated", shortened=answer.shortened)
