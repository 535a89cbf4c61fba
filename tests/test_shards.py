"""The search on Ray actors gives what it gives in one process, also when an actor is killed on the way."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import ray

from goat_ray import shards
from goat_ray.errors import RunError
from goat_ray.graph.search import SearchConfig
from goat_ray.shards import nearest_on_ray
from tests.graph.test_search import clustered, found, joined, same

pytestmark = pytest.mark.ray

EXACT = SearchConfig(exact_up_to=10**9, shards=3, cpus=0.5, block=16)
LISTS = SearchConfig(exact_up_to=0, shards=2, cpus=0.5, block=16)


@pytest.fixture
def base(tmp_path: Path, ray_cluster: None) -> Path:
    np.save(tmp_path / "base.npy", clustered(2000, seed=1))
    return tmp_path / "base.npy"


@pytest.mark.parametrize("config", [EXACT, LISTS])
def test_actors_answer_like_one_process(base, config) -> None:
    queries = clustered(100, seed=2)

    spread = joined(list(nearest_on_ray(queries, base, 10, config)))

    assert same(spread, found(queries, np.load(base), 10, config.model_copy(update={"shards": 1})))


def test_a_killed_shard_is_built_again_and_its_blocks_asked_again(base, monkeypatch) -> None:
    started = []
    await_room = shards._await_room
    monkeypatch.setattr(
        shards, "_await_room", lambda actors, *rest: (started.extend(actors), await_room(actors, *rest))
    )
    queries = clustered(200, seed=2)
    blocks = nearest_on_ray(queries, base, 10, EXACT)
    answers = [next(blocks)]
    victim = ray.get(started[1].process.remote())
    os.kill(victim, signal.SIGKILL)
    answers += blocks_until_new_process(blocks, started[1], victim)

    assert same(joined(answers), found(queries, np.load(base), 10, EXACT))


def blocks_until_new_process(blocks, actor, victim):
    """The other blocks; on the way, proof that the actor lives on in another process."""
    yield next(blocks)
    assert ray.get(actor.process.remote()) != victim
    yield from blocks


def test_shards_without_room_are_an_error_not_a_wait(base) -> None:
    with pytest.raises(RunError, match=r"room for \d of 3 search shards of 1000 CPUs.*Lower"):
        list(nearest_on_ray(clustered(5, seed=2), base, 3, EXACT.model_copy(update={"cpus": 1000.0}), timeout_s=2))


def test_a_broken_vector_is_named_across_processes(tmp_path, ray_cluster) -> None:
    vectors = clustered(100, seed=1)
    vectors[77, 0] = np.inf
    np.save(tmp_path / "base.npy", vectors)

    with pytest.raises(RunError, match="base vector 77 is not finite"):
        list(nearest_on_ray(clustered(5, seed=2), tmp_path / "base.npy", 3, EXACT))


def test_a_missing_or_foreign_file_is_named(tmp_path, ray_cluster) -> None:
    (tmp_path / "text.npy").write_text("no vectors")
    for name in ("missing.npy", "text.npy"):
        with pytest.raises(RunError, match=rf"{name}: the vectors cannot be read"):
            list(nearest_on_ray(clustered(5, seed=2), tmp_path / name, 3, EXACT))
