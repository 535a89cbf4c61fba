"""A stage of the road with an endpoint, on real Ray: accounts, cache, budget and a worker that is killed."""

import json
import os
import signal
import threading
import time

import psutil
import pytest

from goat_ray.console import Console
from goat_ray.errors import RunError
from goat_ray.graph.verification import Verify
from goat_ray.records import CandidateEdge
from goat_ray.runner import Runner
from goat_ray.step import Resources
from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.config import BudgetConfig, TeacherConfig
from goat_ray.teacher.fake_server import FakeServer
from tests.world import all_pairs

pytestmark = pytest.mark.ray

ROWS = 120


@pytest.fixture(scope="module")
def pairs(world):
    return all_pairs(world.functions)[:ROWS]


def verify(folder, server, world, pairs, into="verified", batch=20, workers=None, **changes):
    """One run of the stage: its dataset and its manifest."""
    config = TeacherConfig(backend="openai", model="fake", base_url=server.base_url, **changes)
    runner = Runner(folder, Console())
    candidates = runner.gather("candidates", CandidateEdge, lambda: pairs, settings={})
    step = Verify(
        build_teacher(config, folder / "answers"), world.data, resources=Resources(batch_size=batch, workers=workers)
    )
    edges = runner.bulk(step, candidates, into=into)
    return edges, json.loads((folder / into / "manifest.json").read_text())


def test_tokens_are_booked_and_a_rerun_asks_nothing(ray_cluster, tmp_path, world, pairs):
    with FakeServer() as server:
        edges, manifest = verify(tmp_path, server, world, pairs)
        prompts = {json.dumps(body["messages"]) for body in server.requests}
    assert len(prompts) == server.count
    facts = manifest["facts"]
    assert facts["judge-edge requests"] == server.count
    assert facts["judge-edge prompt tokens"] == sum(
        len(message["content"].split()) for body in server.requests for message in body["messages"]
    )
    assert facts["judge-edge completion tokens"] > 0
    with FakeServer() as unused:
        again, manifest = verify(tmp_path, unused, world, pairs, into="verified_again")
    assert unused.count == 0
    assert manifest["facts"] == {"judge-edge cache hits": ROWS}
    assert (again.rows, again.rejects) == (edges.rows, edges.rejects)


def test_the_end_of_a_batch_leaves_no_slot_empty(ray_cluster, tmp_path, world, pairs):
    with FakeServer(latency_s=0.2) as server:
        verify(tmp_path, server, world, pairs, batch=10, workers=1, concurrency=16)
    assert server.most_in_flight == 16  # of two batches


def test_a_spent_budget_stops_the_stage_and_a_bigger_one_finishes_it(ray_cluster, tmp_path, world, pairs):
    with FakeServer() as server:
        with pytest.raises(RunError, match=r"Raise teacher\.budget"):
            verify(tmp_path, server, world, pairs, budget=BudgetConfig(requests=50), concurrency=4)
        assert server.count <= 50
        edges, manifest = verify(tmp_path, server, world, pairs, budget=BudgetConfig(requests=500), concurrency=4)
    assert edges.rows + sum(edges.rejects.values()) == ROWS
    facts = manifest["facts"]
    # The account spans both runs; a request that was called off may not have arrived.
    assert server.count <= facts["judge-edge requests"] <= server.count + 4
    assert server.count <= ROWS + 2 * 4


def test_a_killed_worker_costs_no_answer_that_had_come(ray_cluster, tmp_path, world, pairs):
    killed = []

    def kill(server):
        while server.count < 50:
            time.sleep(0.005)
        for process in psutil.Process().children(recursive=True):
            if "MapWorker" in " ".join(process.cmdline()):
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process.pid)

    with FakeServer(latency_s=0.05) as server:
        thread = threading.Thread(target=kill, args=(server,), daemon=True)
        thread.start()
        edges, _ = verify(tmp_path, server, world, pairs, batch=10, concurrency=4)
        thread.join(10)
    assert killed
    assert edges.rows + sum(edges.rejects.values()) == ROWS
    assert server.count <= ROWS + 4 * len(killed)  # those on their way
