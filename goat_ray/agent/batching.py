"""Lets concurrent tasks share the calls of a function that works on batches."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


class Batcher(Generic[In, Out]):
    """Calls a function in a thread of its own with all that waits when it is free.

    Nothing waits for company: a lone task is served at once, and what arrives meanwhile is the next batch. Tasks
    that go through the same stages therefore stay together.
    """

    def __init__(self, work: Callable[[Sequence[In]], Sequence[Out]]) -> None:
        self._work = work
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[tuple[In, asyncio.Future[Out]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def __call__(self, item: In) -> Out:
        """The function's result for one item; raises what the function raises for it alone."""
        result: asyncio.Future[Out] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._serve())
        return await result

    async def _serve(self) -> None:
        while True:
            await asyncio.sleep(0)  # tasks that were woken together ask together
            waiting, self._waiting = self._waiting, []
            batch = [(item, result) for item, result in waiting if not result.done()]  # others gave up
            if not batch:
                return
            outcomes = await self._work_on([item for item, _ in batch])
            for (_, result), outcome in zip(batch, outcomes, strict=True):
                if result.done():
                    continue
                if isinstance(outcome, Exception):
                    result.set_exception(outcome)
                else:
                    result.set_result(outcome)

    async def _work_on(self, items: list[In]) -> Sequence[Out | Exception]:
        """What becomes of each item; those of a batch that fails are tried alone, as one may be at fault."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, items)
        except Exception as error:
            if len(items) == 1:
                return [error]  # whoever asked handles it
        # Not in the handler: the error would hold all that the batch had in memory.
        return [outcome for item in items for outcome in await self._work_on([item])]
