"""The contract for running API calls."""

import asyncio
import atexit
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar, cast

from goat_ray import metering
from goat_ray.records import ApiFunction, Origin
from goat_ray.rows import Json, Part

T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., Awaitable["CallResult"]])

READS = ("GET", "HEAD")
"""Methods that change nothing and may be called again (RFC 9110, section 9.2.1)."""

TRANSIENT = frozenset((408, 429, 502, 503, 504))
"""Statuses of services that cannot answer for now. 500 is not among them: it may be all that an API says to a wrong
value, or what a tool always breaks with."""

UNANSWERED = frozenset(
    {
        "circuit-open", "connection-failed", "deadline", "insecure-server", "invalid-simulation", "no-process",
        "no-simulation", "no-token", "not-recorded", "rate-limited", "refused-address", "refused-host",
        "refused-method", "session-lost", "timeout", "unknown-server", "unreachable-server",
    }
)  # fmt: skip
"""Problems of executors themselves, under which no answer of the API was heard."""


class CallResult(Part):
    """What one call gave."""

    status: int  # HTTP status, or its nearest equivalent
    body: Json
    origin: Origin
    problem: str = ""  # a short constant where the executor, not the API, says no, e.g. "refused-address"
    shortened: bool = False  # by a teacher, on a part of the document

    @property
    def ok(self) -> bool:
        """Whether the call succeeded (2xx)."""
        return 200 <= self.status < 300

    @property
    def heard(self) -> bool:
        """Whether it is the API that answered. Otherwise a failure says nothing about the call."""
        return self.problem not in UNANSWERED

    @classmethod
    def failed(cls, status: int, message: str, problem: str, origin: Origin = "real") -> Self:
        """A call that the executor, not the API, has an answer to."""
        return cls(status=status, body={"error": message}, origin=origin, problem=problem)


def mark_unanswered(function: ApiFunction) -> None:
    """Count a call that the API did not answer: manifests name the functions that records were lost by."""
    metering.count("unanswered", f"{function.service}: {function.title}")


def count_status(backend: str, result: CallResult) -> CallResult:
    """Count an answer by who gave it, for Ray's metrics; executors over HTTP count each attempt by its host instead."""
    metering.count(f"status {result.problem or result.status}", backend)
    return result


def counted(backend: str) -> Callable[[Method], Method]:
    """Counts what a session's ``call`` gives."""

    def decorate(call: Method) -> Method:
        @wraps(call)
        async def counting(*given: Any) -> CallResult:
            return count_status(backend, await call(*given))

        return cast(Method, counting)

    return decorate


class Session(ABC):
    """A conversation with the API whose writes are visible to its own later calls. ``async with`` closes it."""

    @abstractmethod
    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        """Run one call. A failing call is a result with its status, never an exception."""

    async def close(self) -> None:
        """Release what the session alone holds. It makes no calls afterwards."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Executor(ABC):
    """A backend that runs calls."""

    name: ClassVar[str]
    starts_anew: ClassVar[bool] = True
    """Whether each session begins with the same state, and forgets what others have written."""
    _runner: asyncio.Runner | None = None

    def prepare(self) -> None:
        """Called once on the driver, before workers start: for what a whole cluster shares."""

    def settings(self) -> Json:
        """What answers depend on beside the configuration's ``executor`` section, as JSON."""
        return None

    @abstractmethod
    def session(self) -> Session:
        """A fresh session. Backends that hold state (the sandbox) start it anew; others share one client."""

    async def close(self) -> None:
        """Release connections and processes. No session makes calls afterwards."""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run calls from synchronous code, always on the executor's one event loop.

        Pooled connections belong to the loop that opened them, so the loop lives as long as the executor: until
        ``shutdown``, which the end of the process calls if nobody did before.
        """
        if self._runner is None:
            self._runner = asyncio.Runner()
            atexit.register(self.shutdown)
        return self._runner.run(work)

    def shutdown(self) -> None:
        """Close the executor and its event loop, where ``run`` was used."""
        if self._runner is not None:
            atexit.unregister(self.shutdown)
            runner, self._runner = self._runner, None
            with runner:
                runner.run(self.close())


class SharedExecutor(Executor):
    """One whose sessions have no state of their own: all of them call the same service by the same connections."""

    starts_anew = False

    def session(self) -> Session:
        """A session; what it writes is in the real service and stays there."""
        return _SharedSession(self)

    @abstractmethod
    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        """See ``Session.call``."""

    @abstractmethod
    async def settle(self) -> None:
        """Told of the end of each session."""


class _SharedSession(Session):
    def __init__(self, executor: SharedExecutor) -> None:
        self._executor = executor

    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        return await self._executor.call(function, arguments)

    async def close(self) -> None:
        await self._executor.settle()
