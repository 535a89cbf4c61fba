"""What a step counts reaches Ray's metrics endpoint, under the names that the dashboard asks for."""

import re
import time
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from goat_ray import metering
from goat_ray.console import Console
from goat_ray.records import Document, Reject
from goat_ray.runner import Runner
from goat_ray.step import Step
from goat_ray.tally import METRICS
from tests.steps import Shout
from tests.test_runner import source

pytestmark = pytest.mark.ray

COUNTED = {
    ("requests", "judge"): 3,
    ("prompt tokens", "judge"): 500,
    ("cached prompt tokens", "judge"): 200,
    ("cache hits", "judge"): 4,
    ("queue wait ms", "judge"): 2500,
    ("permit wait ms", "api.example"): 1500,
    ("status 200", "api.example"): 7,
    ("redacted", "email"): 2,
}


class Costly(Shout):
    """Counts as a teacher and an executor would, once."""

    name = "costly"

    def process(self, batch):  # type: ignore[no-untyped-def]
        if any(record.path == "1" for record in batch):
            for (what, whom), amount in COUNTED.items():
                metering.count(what, whom, amount)
        yield from super().process(batch)


def test_counts_reach_rays_metrics(ray_cluster: None, tmp_path: Path) -> None:
    import ray

    step: Step = Costly()
    runner = Runner(tmp_path / "run", Console())
    runner.bulk(step, source(runner), into="costly")
    dropped = [Reject(id=f"r{number}", reason="too-many", detail="") for number in range(5)]
    made = [Document(id="kept", path="p", root="r"), *dropped]
    runner.gather("gathered", Document, lambda: made, settings=None)
    (port,) = {node["MetricsExportPort"] for node in ray.nodes() if node["Alive"]}
    wanted = {
        ("rows_total", ("kept", "costly")): 90,
        ("rows_total", ("rejected", "costly")): 10,
        ("rejects_total", ("tenth", "costly")): 10,
        ("rows_total", ("kept", "gathered")): 1,
        ("rows_total", ("rejected", "gathered")): 5,
        ("rejects_total", ("too-many", "gathered")): 5,
        ("requests_total", ("judge",)): 3,
        ("tokens_total", ("prompt", "judge")): 500,
        ("tokens_total", ("cached prompt", "judge")): 200,
        ("answers_total", ("cache hits", "judge")): 4,
        ("queue_wait_seconds_total", ("judge",)): 2.5,
        ("permit_wait_seconds_total", ("api.example",)): 1.5,
        ("executor_calls_total", ("api.example", "200")): 7,
        ("redactions_total", ("email",)): 2,
    }
    deadline = time.monotonic() + 60  # Ray's workers report every ten seconds
    while not (found := exported(port)).items() >= wanted.items() and time.monotonic() < deadline:
        time.sleep(1)
    assert {key: found.get(key) for key in wanted} == wanted


def exported(port: int) -> dict[tuple[str, tuple[str, ...]], float]:
    """The project's metrics: (name, values of its tags in alphabetical order) -> value, of all processes."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for name, labels, value in re.findall(r"^ray_(goat_\w+)\{(.*)\} (\S+)$", text, re.MULTILINE):
        tags = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        key = tuple(tags[tag] for tag in sorted(METRICS[name][1]))
        found[name.removeprefix("goat_"), key] += float(value)
    return dict(found)
