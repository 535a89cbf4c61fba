"""The limits' logic with a clock that stands still unless it is told to go."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from goat_ray import metering
from goat_ray.executors.http.config import LimitsConfig
from goat_ray.executors.http.sending import MAX_PAUSE_S, retry_after
from goat_ray.executors.limits import LEASE_S, POLL_S, CircuitOpen, Gate, Grant, HostLimits, Report


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class OneConfig:
    """A host's limits for processes that all have the same configuration."""

    def __init__(self, clock: Clock, config: LimitsConfig) -> None:
        self._limits = HostLimits(clock)
        self._config = config

    def exchange(self, process: str, report: Report, want: int) -> Grant:
        return self._limits.exchange(process, self._config, report, want)


def limits(clock: Clock, **config: float) -> OneConfig:
    return OneConfig(clock, LimitsConfig.model_validate(config))


def test_slots_are_shared_by_all_processes(clock: Clock) -> None:
    host = limits(clock, concurrency=5)
    assert host.exchange("a", Report(), 3).permits == 3
    assert host.exchange("b", Report(), 9).permits == 2
    assert host.exchange("a", Report(), 1).permits == 0
    assert host.exchange("b", Report(done=2), 9).permits == 2


def test_tokens_come_back_with_time_and_as_many_as_a_second_holds_at_once(clock: Clock) -> None:
    host = limits(clock, rate_per_s=4, concurrency=100)
    assert host.exchange("a", Report(), 10).permits == 4
    assert host.exchange("b", Report(), 10) == Grant(wait_s=0.25)
    clock.now += 0.5
    assert host.exchange("b", Report(), 10).permits == 2
    clock.now += 60
    assert host.exchange("b", Report(), 10).permits == 4


def test_a_dead_process_gives_its_slots_back(clock: Clock) -> None:
    host = limits(clock, concurrency=2)
    host.exchange("dead", Report(), 2)
    clock.now += LEASE_S - 1
    assert host.exchange("b", Report(), 1).permits == 0
    clock.now += 2
    assert host.exchange("b", Report(), 2).permits == 2


def test_everybody_waits_for_what_the_host_asks(clock: Clock) -> None:
    host = limits(clock)
    host.exchange("a", Report(), 1)
    host.exchange("a", Report(done=1, pause_s=30), 0)
    assert host.exchange("b", Report(), 1) == Grant(wait_s=30)
    clock.now += 31
    assert host.exchange("b", Report(), 1).permits == 1


def test_the_breaker_opens_probes_and_closes(clock: Clock) -> None:
    host = limits(clock, failures=3, cool_down_s=10)
    host.exchange("a", Report(), 4)
    host.exchange("a", Report(done=2, failed=2), 0)
    assert host.exchange("a", Report(), 1).permits == 1, "not enough failures yet"
    host.exchange("a", Report(done=1, failed=1), 0)
    assert host.exchange("b", Report(), 5) == Grant(wait_s=10), "a short outage costs no call"
    host.exchange("a", Report(done=1, failed=1), 0)  # was under way
    clock.now += 11
    assert host.exchange("b", Report(), 5).permits == 1, "one probe"
    assert host.exchange("c", Report(), 5) == Grant(wait_s=POLL_S)
    host.exchange("b", Report(done=1, failed=1), 0)
    assert host.exchange("c", Report(), 5) == Grant(is_open=True), "the probe failed"
    clock.now += 11
    assert host.exchange("c", Report(), 5).permits == 1
    host.exchange("c", Report(done=1, succeeded=1), 0)
    assert host.exchange("a", Report(), 5).permits == 5


def test_of_several_configurations_the_strictest_in_use_counts(clock: Clock) -> None:
    host = HostLimits(clock)
    loose, strict = LimitsConfig(concurrency=9, rate_per_s=None), LimitsConfig(concurrency=50, rate_per_s=2)
    assert host.exchange("a", loose, Report(), 4).permits == 4
    assert host.exchange("b", strict, Report(), 50).permits == 2
    clock.now += 1
    assert host.exchange("a", loose, Report(), 5).permits == 2, "the rate holds for all"
    clock.now += LEASE_S + 1
    assert host.exchange("a", loose, Report(), 50).permits == 9, "nobody has asked under the other one for long"


def test_a_success_in_between_starts_the_count_anew(clock: Clock) -> None:
    host = limits(clock, failures=2)
    host.exchange("a", Report(), 3)
    for report in (Report(done=1, failed=1), Report(done=1, succeeded=1), Report(done=1, failed=1)):
        host.exchange("a", report, 0)
    assert host.exchange("a", Report(), 1).permits == 1


def test_refusals_without_end_open_the_breaker_and_a_burst_does_not(clock: Clock) -> None:
    host = limits(clock, failures=3, cool_down_s=10)
    host.exchange("a", Report(), 16)
    for _ in range(16):
        host.exchange("a", Report(done=1, busy=1, pause_s=4), 0)
    for _ in range(2):
        assert host.exchange("a", Report(), 1) == Grant(wait_s=4), "the host has said when to come back"
        clock.now += 4
        host.exchange("a", Report(), 1)
        host.exchange("a", Report(done=1, busy=1, pause_s=4), 0)
    assert host.exchange("a", Report(), 1) == Grant(wait_s=10)
    clock.now += 10
    host.exchange("a", Report(), 1)
    host.exchange("a", Report(done=1, busy=1), 0)
    assert host.exchange("b", Report(), 1) == Grant(is_open=True), "the probe was refused as well"


def test_a_lost_probe_is_replaced(clock: Clock) -> None:
    host = limits(clock, failures=1, cool_down_s=1)
    host.exchange("a", Report(), 1)
    host.exchange("a", Report(done=1, failed=1), 0)
    clock.now += 2
    assert host.exchange("dead", Report(), 1).permits == 1
    assert not host.exchange("b", Report(), 1).permits
    clock.now += LEASE_S + 1
    assert host.exchange("b", Report(), 1).permits == 1


def test_retry_after_is_seconds_or_a_date() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    assert retry_after("7", now) == 7
    assert retry_after(format_datetime(now + timedelta(seconds=90), usegmt=True), now) == 90
    assert retry_after(format_datetime(now - timedelta(days=1), usegmt=True), now) == 0
    assert [retry_after(text, now) for text in ("", "soon", "-3", "1e9")] == [0, 0, 0, 0]
    assert retry_after("99999999", now) == MAX_PAUSE_S


class Counted:
    """A host's limits that count how often they are asked."""

    def __init__(self, clock: Clock, **config: float) -> None:
        self.exchanges = 0
        self.held = self.most = 0
        self._limits = limits(clock, **config)

    async def exchange(self, host: str, config: LimitsConfig, process: str, report: Report, want: int) -> Grant:
        self.exchanges += 1
        await asyncio.sleep(0.001)
        grant = self._limits.exchange(process, report, want)
        self.held += grant.permits - report.done
        self.most = max(self.most, self.held)
        return grant


def test_many_calls_share_few_exchanges_and_never_exceed_the_slots(clock: Clock) -> None:
    counted = Counted(clock, concurrency=50)

    async def calls() -> None:
        gate = Gate("h", LimitsConfig(), counted, "p")

        async def one() -> None:
            await gate.enter()
            await asyncio.sleep(0.002)
            gate.leave(succeeded=True)

        await asyncio.gather(*(one() for _ in range(1000)))
        await gate.settle()

    metering.drain()
    asyncio.run(calls())
    assert metering.drain()["permit wait ms", "h"] > 1000  # twenty turns of 2 ms, for which most of 1,000 wait
    assert (counted.most, counted.held) == (50, 0)
    assert counted.exchanges < 200


def test_a_cancelled_call_keeps_no_permit(clock: Clock) -> None:
    counted = Counted(clock, concurrency=1)

    async def calls() -> None:
        gate = Gate("h", LimitsConfig(), counted, "p")
        await gate.enter()
        waiting = asyncio.create_task(gate.enter())
        await asyncio.sleep(0.01)
        waiting.cancel()
        gate.leave()
        await gate.enter()
        gate.leave()
        await gate.settle()

    asyncio.run(calls())
    assert counted.held == 0


def test_an_open_breaker_is_an_exception_for_all_who_wait(clock: Clock) -> None:
    counted = Counted(clock, failures=1)

    async def calls() -> list[BaseException | None]:
        gate = Gate("h", LimitsConfig(), counted, "p")
        for _ in range(2):
            clock.now += 60
            await gate.enter()
            gate.leave(failed=True)
            await gate.settle()
        return await asyncio.gather(*(gate.enter() for _ in range(3)), return_exceptions=True)

    assert [type(found) for found in asyncio.run(calls())] == [CircuitOpen] * 3
