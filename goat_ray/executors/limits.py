"""How much of a host may be used at a time, and when to give up on it for a while.

``HostLimits`` is the whole logic for one host: a token bucket, a number of slots, the pause that the host asks
for, and a circuit breaker. One instance serves the cluster. Processes talk to it through ``Gate``, which puts
what many calls want and report into one exchange, so that nobody waits for it once per request.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from goat_ray import metering
from goat_ray.executors.http.config import LimitsConfig

MAX_BATCH = 64  # permits per exchange
MAX_WAIT_S = 1.0  # between exchanges, so that a pause that somebody cut short is noticed
POLL_S = 0.05  # between exchanges of a process that waits for others' slots
HEARTBEAT_S = 10.0  # between exchanges of a process that only holds permits
BUSY_S = 1.0  # refusals within so long are one: what was in flight is refused together
LEASE_S = 3 * HEARTBEAT_S  # a process that holds permits and is not heard of for so long is dead


@dataclass(frozen=True)
class Report:
    """What became of a process's permits since its last exchange."""

    done: int = 0  # permits that are free again
    succeeded: int = 0
    failed: int = 0
    pause_s: float = 0.0  # the longest that the host asked for
    busy: int = 0  # refused because the host has too much to do


@dataclass(frozen=True)
class Grant:
    """The answer: so many permits now; or how long to wait; or that the host is given up on."""

    permits: int = 0
    wait_s: float = 0.0
    is_open: bool = False


class HostLimits:
    """Limits of one host for all processes: of several configurations, the strictest that is in use."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._configs: dict[LimitsConfig, float] = {}  # when a process last came with it
        self._tokens: float | None = None  # full at first
        self._filled = clock()
        self._paused_until = self._open_until = self._busy_until = float("-inf")
        self._failures = 0  # in a row
        self._openings = 0  # of the circuit, in a row
        self._probing: str | None = None  # the process that tries whether the host is back
        self._held: dict[str, tuple[int, float]] = {}  # process -> (permits, time of its last exchange)

    def exchange(self, process: str, config: LimitsConfig, report: Report, want: int) -> Grant:
        """Take note of a report and grant some of the permits that a process wants."""
        now = self._clock()
        self._forget_the_dead(now)
        if config not in self._configs:
            self._config = _strictest([*self._configs, config])
        self._configs[config] = now
        held = max(0, self._held.get(process, (0, now))[0] - report.done)
        self._held[process] = (held, now)
        self._note(process, report, now)
        grant = self._grant(now, process, want) if want else Grant()
        self._held[process] = (held + grant.permits, now)
        if not held + grant.permits:
            del self._held[process]
        return grant

    def _forget_the_dead(self, now: float) -> None:
        dead = [process for process, (_, seen) in self._held.items() if now - seen > LEASE_S]
        for process in dead:
            del self._held[process]
        unused = [config for config, seen in self._configs.items() if now - seen > LEASE_S]
        for config in unused:
            del self._configs[config]
        if unused and self._configs:
            self._config = _strictest(self._configs)
        if self._probing not in self._held:
            self._probing = None

    def _note(self, process: str, report: Report, now: float) -> None:
        self._paused_until = max(self._paused_until, now + report.pause_s)
        failed = report.failed
        if report.busy and now >= self._busy_until:
            failed += 1
            self._busy_until = max(self._paused_until, now + BUSY_S)
        if report.succeeded:  # in which order they came is unknown, and one success shows that the host works
            self._failures = self._openings = 0
            self._open_until = float("-inf")
        else:
            self._failures += failed
        if failed and self._failures >= self._config.failures:
            self._openings += now >= self._open_until  # else it is open, and these were under way
            self._open_until = now + self._config.cool_down_s
        if report.done and self._probing == process:
            self._probing = None

    def _grant(self, now: float, process: str, want: int) -> Grant:
        is_broken = self._failures >= self._config.failures
        if is_broken and (now < self._open_until or self._probing):
            # A short outage costs nobody a call: all wait for the first probe, and only when it fails as well is
            # the host given up on.
            is_hopeless = self._openings > 1
            return Grant(is_open=is_hopeless, wait_s=0.0 if is_hopeless else max(POLL_S, self._open_until - now))
        if now < self._paused_until:
            return Grant(wait_s=self._paused_until - now)
        free = self._config.concurrency - sum(permits for permits, _ in self._held.values())
        count = min(want, MAX_BATCH, free, 1 if is_broken else want)
        if count <= 0:
            return Grant(wait_s=POLL_S)
        if rate := self._config.rate_per_s:
            capacity = max(1.0, rate)
            tokens = capacity if self._tokens is None else self._tokens + (now - self._filled) * rate
            self._tokens = min(capacity, tokens)
            self._filled = now
            if self._tokens < 1:
                return Grant(wait_s=(1 - self._tokens) / rate)
            count = min(count, int(self._tokens))
            self._tokens -= count
        if is_broken:
            self._probing = process
        return Grant(permits=count)


def _strictest(configs: Iterable[LimitsConfig]) -> LimitsConfig:
    configs = list(configs)
    rates = [config.rate_per_s for config in configs if config.rate_per_s is not None]
    return LimitsConfig(
        rate_per_s=min(rates, default=None),
        concurrency=min(config.concurrency for config in configs),
        failures=min(config.failures for config in configs),
        cool_down_s=max(config.cool_down_s for config in configs),
    )


class Limits(Protocol):
    """The limits of all hosts as a process reaches them."""

    async def exchange(self, host: str, config: LimitsConfig, process: str, report: Report, want: int) -> Grant:
        """See ``HostLimits.exchange``."""


class LocalLimits:
    """Limits for this process alone, or the shared ones inside the process that keeps them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._hosts: dict[str, HostLimits] = {}

    async def exchange(self, host: str, config: LimitsConfig, process: str, report: Report, want: int) -> Grant:
        if host not in self._hosts:
            self._hosts[host] = HostLimits(self._clock)
        return self._hosts[host].exchange(process, config, report, want)


class CircuitOpen(Exception):
    """The host has failed so often in a row, and again when it was tried anew, that nothing is sent for a while."""


class Gate:
    """This process's way to one host's limits, for calls in one event loop."""

    def __init__(self, host: str, config: LimitsConfig, limits: Limits, process: str) -> None:
        self._host, self._config, self._limits, self._process = host, config.limits(), limits, process
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._report = Report()
        self._in_flight = 0
        self._changed = asyncio.Event()
        self._exchanging: asyncio.Task[None] | None = None

    async def enter(self) -> None:
        """Wait for a permit; raises ``CircuitOpen``. Each permit is given back by ``leave``."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        began = time.monotonic()
        self._waiting.append(turn)
        self._wake()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and not turn.exception():
                self.leave()  # granted and cancelled at once
            raise
        finally:
            metering.count("permit wait ms", self._host, round((time.monotonic() - began) * 1000))

    def leave(self, *, succeeded: bool = False, failed: bool = False, busy: bool = False, pause_s: float = 0.0) -> None:
        """Give a permit back, and say what was learnt about the host's health."""
        was = self._report
        self._report = Report(
            was.done + 1, was.succeeded + succeeded, was.failed + failed, max(was.pause_s, pause_s), was.busy + busy
        )
        self._in_flight -= 1
        self._wake()

    async def settle(self) -> None:
        """Report what is not reported yet, unless calls that wait will do it."""
        if self._exchanging is not None and not self._waiting and not self._in_flight:
            await asyncio.shield(self._exchanging)

    def _wake(self) -> None:
        self._changed.set()
        if self._exchanging is None:
            self._exchanging = asyncio.get_running_loop().create_task(self._exchange())

    async def _exchange(self) -> None:
        try:
            while self._waiting or self._in_flight or self._report != Report():
                self._changed.clear()  # changes from here on end the pause below
                report, self._report = self._report, Report()
                grant = await self._limits.exchange(self._host, self._config, self._process, report, len(self._waiting))
                self._hand_out(grant)
                if grant.wait_s and self._waiting:
                    await self._pause(min(grant.wait_s, MAX_WAIT_S))
                elif self._in_flight and not self._waiting and self._report == Report():
                    await self._pause(HEARTBEAT_S)
        except Exception as error:  # whoever waits must hear of it, or would wait for ever
            for turn in self._waiting:
                if not turn.done():
                    turn.set_exception(error)
            self._waiting.clear()
        finally:
            self._exchanging = None

    def _hand_out(self, grant: Grant) -> None:
        permits = grant.permits
        while self._waiting and (permits or grant.is_open):
            turn = self._waiting.popleft()
            if turn.done():
                continue
            if grant.is_open:
                turn.set_exception(CircuitOpen())
            else:
                permits -= 1
                self._in_flight += 1
                turn.set_result(None)
        if permits:  # those who wanted them were cancelled meanwhile
            self._report = replace(self._report, done=self._report.done + permits)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until somebody enters or leaves."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
