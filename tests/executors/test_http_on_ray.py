"""Real HTTP on the cluster: limits that two processes share, and a road that is recorded and replayed."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from goat_ray.config import GoatConfig
from goat_ray.documents.config import DocumentsConfig
from goat_ray.executors.http.config import HttpConfig, LimitsConfig
from goat_ray.executors.http.executor import HttpExecutor
from goat_ray.executors.limits import Report
from goat_ray.hiding import _forms
from goat_ray.pipeline import Road
from goat_ray.records import ApiFunction, Sample
from goat_ray.shared_limits import NAME, NAMESPACE, SharedLimits
from tests.conftest import BOOKSHOP_TOKEN
from tests.executors.servers import api_app, moody_app, serving
from tests.world import World

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


def road(directory: Path, document: Path, port: int, cassette: dict[str, Any]) -> Road:
    host = {"host": "bookshop.example", "server": f"http://127.0.0.1:{port}/v1", "allow_private": True}
    host |= {"auth": {"type": "bearer", "env": "BOOKSHOP_TOKEN"}}
    http = {"hosts": [host], "allow_methods": ["GET", "POST"], "backoff_s": 0.01, "retries": 8}
    return Road(
        GoatConfig.model_validate(
            {
                "run": {"directory": str(directory)},
                "documents": DocumentsConfig(paths=[str(document)]).model_dump(),
                "sampling": {"plans": 30},
                "executor": {"backend": "http", "http": http, "cassette": cassette},
            }
        )
    )


def by_id(samples: Any) -> dict[str, Sample]:
    return {sample.id: sample for sample in samples.records()}


@pytest.mark.slow
def test_a_road_over_http_is_recorded_and_replayed_with_the_server_down(
    ray_cluster: None, tmp_path: Path, world: World, demo_documents: Path
) -> None:
    import ray

    document = demo_documents / "bookshop.yaml"
    """The server wants a credential, repeats it, and fails now and then; the credential is in nothing that is kept."""
    shop = [function for function in world.functions if function.server == "https://bookshop.example/v1"]
    app = api_app(shop, "/v1", BOOKSHOP_TOKEN)
    tape = str(tmp_path / "tape")
    with serving(app) as port:
        real = by_id(road(tmp_path / "real", document, port, {"path": tape, "mode": "record"}).synthesize())
    assert app.state.calls.total() > 100 and app.state.failed > 20
    assert len(real) >= 10
    assert {call.origin for sample in real.values() for call in sample.calls} == {"real"}

    asked = app.state.calls.total()
    replayed = by_id(road(tmp_path / "replayed", document, port, {"path": tape, "mode": "replay"}).synthesize())
    assert app.state.calls.total() == asked
    assert replayed.keys() == real.keys()
    assert {call.origin for sample in replayed.values() for call in sample.calls} == {"recorded"}
    assert [bodies(sample) for _, sample in sorted(replayed.items())] == [bodies(s) for _, s in sorted(real.items())]
    assert any("sent by Bearer ***" in bodies(sample) for sample in real.values())
    kept = dict(everything(tmp_path, Path(ray._private.worker._global_node.get_session_dir_path()) / "logs"))
    assert any("traces" in name for name in kept) and any("worker" in name for name in kept)
    for form in _forms(BOOKSHOP_TOKEN):
        assert [name for name, text in kept.items() if form in text] == []


def everything(*folders: Path) -> Iterator[tuple[str, str]]:
    """All files below folders as text, Parquet unpacked."""
    for file in (file for folder in folders for file in folder.rglob("*") if file.is_file()):
        if file.suffix == ".parquet":
            yield str(file), str(pq.read_table(file, partitioning=None).to_pylist())
        else:
            yield str(file), file.read_bytes().decode("utf-8", "replace")


def bodies(sample: Sample) -> str:
    return json.dumps([call.body for call in sample.calls], sort_keys=True)
