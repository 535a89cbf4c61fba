"""The teacher that asks a chat model, whatever serves it."""

import asyncio
import gc
import hashlib
import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

from goat_ray.identity import canonical_json
from goat_ray.metering import count
from goat_ray.places import Place
from goat_ray.rows import Json
from goat_ray.step import BATCH_SIZE
from goat_ray.teacher.answers import KEY_BYTES, AnswerCache, compact
from goat_ray.teacher.asking import Asker
from goat_ray.teacher.background import BackgroundLoop
from goat_ray.teacher.client import TOO_LONG, Completion, Schema
from goat_ray.teacher.journal import StoredAnswer
from goat_ray.teacher.structured import json_schema, parse_answer
from goat_ray.teacher.task import Ans, Failure, Message, Request, Task, Teacher

T = TypeVar("T")

_BATCH_PER_SLOT = 4  # records for each request in flight: the end of a batch, where fewer are, is short
_LEAST_BATCH = 32  # records; each batch is a task and a file
_COLLECT_AFTER = 20_000  # objects
_ECHO_CHARACTERS = 4000  # of a wrong answer shown back to the model; a runaway answer must not fill its context


class ChatTeacher(Teacher):
    """Turns tasks into messages and a model's text into answers. Picklable; ``start`` connects."""

    def __init__(
        self,
        label: str,
        connect: Callable[[], Asker],
        concurrency: int,
        cache: Place | None = None,
        context: int | None = None,
    ) -> None:
        """``concurrency`` is how many requests are in flight at most; ``context`` the bound on a prompt and its answer,
        where it is set and not the model's own."""
        self._label = label
        self._connect = connect  # picklable
        self._concurrency = concurrency
        self._cache = cache
        self._context = context
        self._session: _Session | None = None

    @property
    def label(self) -> str:
        return self._label

    @property
    def waits(self) -> bool:
        return True

    @property
    def batch_size(self) -> int:
        return min(BATCH_SIZE, max(_LEAST_BATCH, _BATCH_PER_SLOT * self._concurrency))

    def prepare(self) -> None:
        if self._cache is not None:
            compact(self._cache)

    def start(self) -> None:
        if self._session is None:
            # Hundreds of requests come and go in bursts that the collector takes for growth: at its default it
            # looks through them again and again, for a quarter of the time that a request takes, and finds nothing.
            gc.set_threshold(max(_COLLECT_AFTER, gc.get_threshold()[0]))
            cache = AnswerCache(self._cache) if self._cache is not None else None
            self._session = _Session(self._connect, cache, self.settings(), self._context)

    def answer(self, task: Task[Request, Ans], requests: Sequence[Request]) -> list[Ans | Failure]:
        self.start()
        assert self._session is not None
        return self._session.answer(task, requests)

    def release(self) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect; ``start`` may follow."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_session": None}


class _Session:
    """A connection and the event loop it lives in."""

    def __init__(
        self, connect: Callable[[], Asker], cache: AnswerCache | None, settings: Json, context: int | None
    ) -> None:
        self._cache = cache
        self._settings = settings
        self._context = context
        self._asking: dict[bytes, asyncio.Future[Any]] = {}  # answers of batches at work, by key; None: called off
        self._loop = BackgroundLoop("teacher")
        try:
            self._asker = self.run(self._open(connect))
        except BaseException:
            self._loop.close()
            raise

    async def _open(self, connect: Callable[[], Asker]) -> Asker:
        return connect()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run(work)

    def close(self) -> None:
        try:
            self.run(self._asker.close())
        finally:
            self._loop.close()

    def answer(self, task: Task[Request, Ans], requests: Sequence[Request]) -> list[Ans | Failure]:
        """Answers in order; equal questions are asked once, and those that were answered before not at all."""
        work = _Work(task, self._settings)
        # Written in the caller's thread: the loop has the answers of other callers to receive meanwhile.
        return self.run(self._answer(work, [work.question(request) for request in requests]))

    async def _answer(
        self, work: "_Work[Request, Ans]", questions: Sequence["_Question[Request]"]
    ) -> list[Ans | Failure]:
        answers: dict[bytes, Ans | Failure] = dict(self._remembered(work, questions))
        new = {question.key: question for question in questions if question.key not in answers}
        count("cache hits", work.task.name, sum(question.key in answers for question in questions))
        todo = iter(new.values())

        async def take_turns() -> None:
            for question in todo:
                answers[question.key] = await self._answer_once(work, question)

        # Not a task for each question: tens of thousands that wait cost more than those that work. Twice as many
        # as may be in flight, because some wait for another try.
        tasks = min(len(new), 2 * self._asker.concurrency)
        running = [asyncio.create_task(take_turns()) for _ in range(tasks)]
        try:
            await asyncio.gather(*running)
        except BaseException:
            for other in running:
                other.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            raise
        finally:
            for key in new:
                self._asking.pop(key, None)
            if self._cache is not None:  # also when the run ends here: what was paid for is kept
                self._cache.flush()
            if new:
                await self._asker.settle()
        return [answers[question.key] for question in questions]

    def _remembered(self, work: "_Work[Request, Ans]", questions: Sequence["_Question[Request]"]) -> dict[bytes, Ans]:
        if self._cache is None:
            return {}
        requests = {question.key: question.request for question in questions}
        parts = {self._part(key): key for key in requests}
        found: dict[bytes, Ans] = {}
        for place, stored in self._cache.find([*dict.fromkeys([*requests, *parts])]).items():
            key = parts.get(place) if stored.shortened else place
            if key is None or (stored.shortened and key in found):
                continue
            answer = work.read(requests[key], stored.text)
            if not isinstance(answer, Failure):
                found[key] = answer.on_shortened() if stored.shortened else answer
        return found

    def _part(self, key: bytes) -> bytes:
        """The key of an answer to a part of the documents: in another context the model may read more of them."""
        return key if self._context is None else hashlib.sha256(b"%b %d" % (key, self._context)).digest()[:KEY_BYTES]

    async def _answer_once(self, work: "_Work[Request, Ans]", question: "_Question[Request]") -> Ans | Failure:
        """Ask, or wait for another batch that is asking the same."""
        if (asking := self._asking.get(question.key)) is not None:
            await asyncio.wait([asking])
            if (found := asking.result()) is not None:
                return found  # type: ignore[no-any-return]
        asking = self._asking[question.key] = asyncio.get_running_loop().create_future()
        answer = None
        try:
            answer = await self._answer_one(work, question)
        finally:
            asking.set_result(answer)
        return answer

    async def _answer_one(self, work: "_Work[Request, Ans]", question: "_Question[Request]") -> Ans | Failure:
        """Ask, with less and less of the documents where all of it is more than the model can read."""
        answer = await self._answer_at(work, question.key, question.request, question.messages)
        level = 0
        while isinstance(answer, Failure) and answer.reason == TOO_LONG:
            level += 1
            shorter = work.task.shortened(question.request, level)
            if shorter is None:
                break
            answer = await self._answer_at(work, question.key, shorter, work.task.messages(shorter))
        if isinstance(answer, Failure):
            count("failures", work.task.name)
            return answer
        if level:
            count("shortened", work.task.name)
            answer = answer.on_shortened()
        if self._cache is not None:
            key = self._part(question.key) if answer.shortened else question.key
            self._cache.add(StoredAnswer(key, work.task.name, answer.model_dump_json(), answer.shortened))
        return answer

    async def _answer_at(
        self, work: "_Work[Request, Ans]", key: bytes, request: Request, messages: list[Message]
    ) -> Ans | Failure:
        """Ask, and once more with the mistake shown."""
        completion = await self._ask(work, messages, key)
        if isinstance(completion, Failure):
            return completion
        answer = work.read(request, completion.text)
        if not isinstance(answer, Failure):
            return answer
        count("repairs", work.task.name)
        completion = await self._ask(work, [*messages, *_repair(completion.text, answer)], key)
        return completion if isinstance(completion, Failure) else work.read(request, completion.text)

    async def _ask(self, work: "_Work[Request, Ans]", messages: list[Message], key: bytes) -> Completion | Failure:
        # The seed derives from what is asked, so that a rerun asks for the same answer.
        seed = int.from_bytes(key[:4], "big") >> 1
        completion = await self._asker.ask(messages, work.schema, seed, work.task.name)
        if isinstance(completion, Completion) and completion.truncated:
            return Failure("truncated", "The answer reached teacher.max_tokens.")
        return completion


class _Question(Generic[Request]):
    """One request as it will be asked, under the key of all that its answer depends on."""

    __slots__ = ("key", "messages", "request")

    def __init__(self, request: Request, messages: list[Message], key: bytes) -> None:
        self.request = request
        self.messages = messages
        self.key = key


class _Work(Generic[Request, Ans]):
    """A task in the form that asking needs, made once for many requests."""

    def __init__(self, task: Task[Request, Ans], settings: Json) -> None:
        self.task = task
        self.schema: Schema = json_schema(task.answer)
        self._hash = hashlib.sha256(canonical_json([task.name, task.version, self.schema, settings]).encode())

    def question(self, request: Request) -> _Question[Request]:
        messages = self.task.messages(request)
        hash_ = self._hash.copy()
        hash_.update(json.dumps(messages).encode())  # messages are built in one order; sorting keys would take longer
        return _Question(request, messages, hash_.digest()[:KEY_BYTES])

    def read(self, request: Request, text: str) -> Ans | Failure:
        """The typed answer in a model's text, if it is one to this request."""
        answer = parse_answer(text, self.task.answer)
        if isinstance(answer, Failure):
            return answer
        flaw = self.task.flaw(request, answer)
        return answer if flaw is None else Failure("invalid-answer", flaw)


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
