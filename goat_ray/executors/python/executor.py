"""Runs Python tools, in processes of their own: API-Bank's tool classes, and plain functions.

Which file a function comes from is told by its service and name, as the documents' reader gives them. The nearest
HTTP statuses stand for what can happen:

- 200: the body is what the function returned, or the ``output`` of a tool class.
- 400: a tool class gave an ``exception``. Of these only a text is left, in which wrong arguments, unknown ids and
  bad tokens look alike, so that no status can be closer; API-Bank's tools raise them to refuse a request.
- 422: the arguments do not fit the signature, its annotations or the types that a tool class declares.
- 500: the tool raised an error that it did not answer for.
- 501: ``root`` has no such tool, or more than one, or it cannot be imported.
- 502: the result is no JSON or too long, or the process ended: out of memory or processor time, or crashed.
- 503: the session's state was lost with an earlier call, or no process can be had.
- 504: the call took longer than ``timeout_s``.
"""

import asyncio
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from goat_ray.errors import GoatError
from goat_ray.executors.executor import CallResult, Executor, Session, counted
from goat_ray.executors.nesting import nested
from goat_ray.executors.python.config import PythonConfig
from goat_ray.executors.python.processes import Process, Server
from goat_ray.hiding import Secrets
from goat_ray.records import ApiFunction

_PROBLEM = {422: "bad-arguments", 501: "unknown-tool", 502: "bad-result"}  # said by the worker, not by the tool


class PythonExecutor(Executor):
    """Each session is a process with limits, forked at its first call; its state is reset with it.

    Raises ``ConfigError`` if the interpreter or a module of ``preload`` cannot be used.
    """

    name = "python"

    def __init__(self, config: PythonConfig) -> None:
        self._server = Server(config)
        self._timeout_s = config.timeout_s
        self._secrets = Secrets(os.environ.get(name, "") for name in config.env)
        self._threads = ThreadPoolExecutor(config.workers, thread_name_prefix="python-tools")

    def session(self) -> "PythonSession":
        return PythonSession(self._server, self._threads, self._secrets, self._timeout_s)

    async def close(self) -> None:
        """End all processes."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._server.close()  # which ends the calls that the threads wait for
        self._threads.shutdown()


class PythonSession(Session):
    """See ``PythonExecutor``."""

    def __init__(self, server: Server, threads: ThreadPoolExecutor, secrets: Secrets, timeout_s: float) -> None:
        self._server = server
        self._threads = threads
        self._secrets = secrets
        self._timeout_s = timeout_s
        self._process: Process | None = None
        self._asked: Future[CallResult] | None = None  # a call has nobody who waits for it once it is cancelled
        self._is_closed = False
        self._lost = ""

    @counted("python")
    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        request = {"service": function.service, "name": function.name, "arguments": nested(arguments)}
        return await self._answer(request)

    async def check(self, function: ApiFunction, arguments: dict[str, Any], gold: Any) -> bool:
        """Whether API-Bank's tool finds that a call of it gives the same as the gold call, whose result is given."""
        request = {"service": function.service, "name": function.name, "arguments": arguments, "gold": gold}
        answer = await self._answer(request)
        return answer.ok and answer.body is True

    async def close(self) -> None:
        """Let the process go; a call that is still under way is ended with it, and not waited for."""
        self._is_closed = True
        if self._asked is not None and not self._asked.done():
            if self._process is not None:
                self._process.kill()
            await asyncio.wait([asyncio.wrap_future(self._asked)])
        if self._process is not None:
            self._process.close()

    async def _answer(self, request: dict[str, Any]) -> CallResult:
        self._asked = self._threads.submit(self._ask, request)
        return await asyncio.wrap_future(self._asked)

    def _ask(self, request: dict[str, Any]) -> CallResult:
        if self._lost:
            return CallResult.failed(503, f"the session ended with an earlier call, which {self._lost}", "session-lost")
        try:
            self._process = self._process or self._server.fork()
            if self._is_closed:  # while the process was made, so that close() did not know it
                raise EOFError
            answer = self._process.ask(request)
        except TimeoutError:
            return self._end(504, f"took longer than {self._timeout_s:g} s", "timeout")
        except EOFError:
            return self._end(502, "ended the process: out of memory or processor time, or crashed", "process-ended")
        except (OSError, GoatError) as error:
            return self._end(503, f"got no process: {error}", "no-process")
        status, body = answer["status"], self._secrets.hide_in(answer["body"])
        return CallResult(status=status, body=body, origin="real", problem=_PROBLEM.get(status, ""))

    def _end(self, status: int, why: str, problem: str) -> CallResult:
        self._lost = why
        if self._process is not None:
            self._process.kill()
            self._process.close()
        return CallResult.failed(status, f"the call {why}", problem)
