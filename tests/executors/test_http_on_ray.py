"""Real HTTP on the cluster: limits that two processes share."""

import asyncio
import time
from collections import Counter

import pytest

from goat_ray.executors.http.config import HttpConfig, LimitsConfig
from goat_ray.executors.http.executor import HttpExecutor
from goat_ray.executors.limits import Report
from goat_ray.records import ApiFunction
from goat_ray.shared_limits import NAME, NAMESPACE, SharedLimits
from tests.executors.servers import moody_app, serving

pytestmark = pytest.mark.ray


def test_two_processes_share_a_hosts_limits(ray_cluster: None) -> None:
    import ray

    @ray.remote(num_cpus=0)
    class Worker:
        def __init__(self, limits: SharedLimits, config: HttpConfig) -> None:
            self.executor = HttpExecutor(config, limits)

        def call(self, function: ApiFunction, count: int) -> list[tuple[int, str]]:
            async def calls() -> list[tuple[int, str]]:
                async with self.executor.session() as session:
                    results = await asyncio.gather(*(session.call(function, {}) for _ in range(count)))
                return [(result.status, result.problem) for result in results]

            return self.executor.run(calls())

    limits = SharedLimits()
    limits.start()
    app = moody_app()
    with serving(app) as port:
        host = {"host": f"127.0.0.1:{port}", "allow_private": True, "failures": 3, "cool_down_s": 1, "concurrency": 1}
        config = HttpConfig.model_validate({"hosts": [host], "retries": 0})
        server = f"http://127.0.0.1:{port}"
        failing = ApiFunction.create(service="moody", name="failing", path="/status/503", server=server)
        fine = ApiFunction.create(service="moody", name="fine", path="/echo", server=server)
        first, second = Worker.remote(limits, config), Worker.remote(limits, config)
        found = ray.get([first.call.remote(fine, 10), second.call.remote(fine, 10)])
        assert found == [[(200, "")] * 10] * 2
        assert ray.get(first.call.remote(failing, 3)) == [(503, "")] * 3
        # what one process has seen makes the other one wait: a host that comes back has lost no call
        began = time.monotonic()
        assert ray.get(second.call.remote(fine, 2)) == [(200, "")] * 2
        assert time.monotonic() - began > 0.5
        # and keeps it away where the host has not come back
        assert ray.get(first.call.remote(failing, 6)) == [(503, "")] * 4 + [(503, "circuit-open")] * 2
        assert (503, "circuit-open") in ray.get(second.call.remote(failing, 2))
    assert Counter(seen["path"] for seen in app.state.seen)["/echo"] == 22


def test_the_rate_holds_for_all_and_outlives_the_actor(ray_cluster: None) -> None:
    import ray

    wait_until_gone()
    config = LimitsConfig(rate_per_s=0.001)
    limits = SharedLimits()
    limits.start()

    async def ask(limits: SharedLimits, process: str) -> int:
        return (await limits.exchange("api.example", config, process, Report(), 5)).permits

    assert asyncio.run(ask(limits, "a")) == 1
    assert asyncio.run(ask(SharedLimits(), "b")) == 0, "another way to the same limits"
    ray.kill(limits._keeper)
    deadline = time.monotonic() + 30
    while (granted := asyncio.run(ask(limits, "a"))) == 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert granted == 1, "limits that were lost start afresh"


def wait_until_gone() -> None:
    """An actor of an earlier test may still be on its way out, and would be found by its name."""
    import ray

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            ray.kill(ray.get_actor(NAME, NAMESPACE))
        except ValueError:
            return
        time.sleep(0.1)
