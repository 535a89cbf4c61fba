"""The teacher that asks a chat model, whatever serves it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from goat_ray.identity import rng
from goat_ray.teacher.structured import json_schema, parse_answer
from goat_ray.teacher.task import Ans, Failure, Message, Request, Task, Teacher

T = TypeVar("T")
Schema = dict[str, Any]

_ECHO_CHARACTERS = 4000  # of a wrong answer shown back to the model; a runaway answer must not fill its context


class ChatClient(Protocol):
    """One connection to a served chat model. It retries what is worth retrying."""

    async def complete(self, messages: Sequence[Message], schema: Schema, seed: int) -> str | Failure:
        """The model's text, held to the schema where the endpoint can.

        A request that fails is a ``Failure``. Raises ``GoatError`` for what no other request would
        survive either, such as a wrong key: going on would turn every record into a reject.
        """

    async def close(self) -> None:
        """Release connections."""


class ChatTeacher(Teacher):
    """Turns tasks into messages and a model's text into answers. Picklable; ``start`` connects."""

    def __init__(self, label: str, connect: Callable[[], ChatClient], *, concurrency: int) -> None:
        self._label = label
        self._connect = connect  # picklable
        self._concurrency = concurrency
        self._session: _Session | None = None

    @property
    def label(self) -> str:
        return self._label

    def start(self) -> None:
        if self._session is None:
            self._session = _Session(self._connect, self._concurrency)

    def answer(self, task: Task[Request, Ans], requests: Sequence[Request]) -> list[Ans | Failure]:
        self.start()
        assert self._session is not None
        return self._session.run(self._session.answer(task, requests))

    def close(self) -> None:
        """Disconnect; ``start`` may follow."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_session": None}


class _Session:
    """A client and the event loop it lives in. The loop outlasts each call, and so do pooled connections."""

    def __init__(self, connect: Callable[[], ChatClient], concurrency: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="teacher", daemon=True)
        self._thread.start()
        self._slots = asyncio.Semaphore(concurrency)
        try:
            self._client = self.run(self._open(connect))
        except BaseException:
            self._stop()
            raise

    async def _open(self, connect: Callable[[], ChatClient]) -> ChatClient:
        return connect()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:  # also Ctrl-C: do not leave requests in flight
            future.cancel()
            raise

    def close(self) -> None:
        try:
            self.run(self._client.close())
        finally:
            self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def answer(self, task: Task[Request, Ans], requests: Sequence[Request]) -> list[Ans | Failure]:
        schema = json_schema(task.answer)
        tasks = [asyncio.create_task(self._answer_one(task, request, schema)) for request in requests]
        try:
            return await asyncio.gather(*tasks)
        except BaseException:
            for other in tasks:
                other.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _answer_one(self, task: Task[Request, Ans], request: Request, schema: Schema) -> Ans | Failure:
        async with self._slots:
            messages = task.messages(request)
            text = await self._ask(messages, schema)
            if isinstance(text, Failure):
                return text
            answer = parse_answer(text, task.answer)
            if not isinstance(answer, Failure):
                return answer
            text = await self._ask([*messages, *_repair(text, answer)], schema)
            return text if isinstance(text, Failure) else parse_answer(text, task.answer)

    async def _ask(self, messages: list[Message], schema: Schema) -> str | Failure:
        # The seed derives from what is asked, so that a rerun asks for the same answer.
        return await self._client.complete(messages, schema, rng(schema["title"], messages).getrandbits(31))


def _repair(text: str, failure: Failure) -> list[Message]:
    """The turns that show a model its wrong answer and what is wrong with it."""
    return [
        {"role": "assistant", "content": text[:_ECHO_CHARACTERS]},
        {
            "role": "user",
            "content": f"This is not a valid answer. {failure.detail}\n"
            "Answer the request again with one JSON object that follows the schema, and nothing else.",
        },
    ]
