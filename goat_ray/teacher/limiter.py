"""How many requests may be in flight: additive increase, multiplicative decrease, as TCP does it."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

_BUSY_FACTOR = 0.5  # after a refusal or a timeout
_TIMER_S = 0.001
_SLOW_FACTOR = 0.9  # after an answer that came dangerously late


class AdaptiveLimit:
    """Slots for requests, at most ``most`` and at least one; fewer while the endpoint is overloaded.

    It starts full, because an engine that batches wants many requests at once, and gives way at the first sign
    of overload: a refusal, a timeout, or an answer later than ``slow_s``. An endpoint that queues for so long
    would soon work on requests that nobody waits for any more. Requests that were sent before the latest
    decrease say nothing about the new limit and do not lower it again.
    """

    def __init__(self, most: int, slow_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = float(most)
        self._most = most
        self._slow_s = slow_s
        self._clock = clock
        self._in_flight = 0
        self._lowered = float("-inf")
        self._open_at = float("-inf")
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> float:
        """Wait for a slot and, after ``pause``, for its end; returns the time of entry for ``leave``."""
        if self._in_flight >= int(self.limit) or self._waiting or self._clock() < self._open_at:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():  # woken and cancelled at once: the slot goes on
                    self._in_flight -= 1
                    self._wake()
                raise
        else:
            self._in_flight += 1
        return self._clock()

    def leave(self, entered: float, *, busy: bool = False, counts: bool = True) -> None:
        """Give the slot back; ``busy`` after a refusal or timeout, ``counts=False`` where nothing was learnt."""
        now = self._clock()
        self._in_flight -= 1
        if counts:
            late = now - entered > self._slow_s
            if not (busy or late):
                self.limit = min(self._most, self.limit + 1 / self.limit)
            elif entered >= self._lowered:
                self.limit = max(1.0, self.limit * (_BUSY_FACTOR if busy else _SLOW_FACTOR))
                self._lowered = now
        self._wake()

    def pause(self, seconds: float) -> None:
        """Let nobody enter for so long, as an endpoint asks with Retry-After."""
        until = self._clock() + seconds
        if until > self._open_at:
            self._open_at = until
            asyncio.get_running_loop().call_later(seconds, self._wake)

    def _wake(self) -> None:
        wait = self._open_at - self._clock()
        if wait > 0:  # another call comes when the pause ends; a timer may be early by its resolution
            if wait < _TIMER_S:
                asyncio.get_running_loop().call_later(_TIMER_S, self._wake)
            return
        while self._waiting and self._in_flight < int(self.limit):
            turn = self._waiting.popleft()
            if not turn.done():
                self._in_flight += 1  # the slot is the woken one's from now on
                turn.set_result(None)
