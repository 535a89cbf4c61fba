"""Nearest-neighbour search spread over Ray actors: each holds some rows of the base and answers for them."""

import os
import shutil
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import ray

from goat_ray.errors import RunError
from goat_ray.graph.neighbours import Search
from goat_ray.graph.search import (
    Block,
    Clusters,
    Scores,
    SearchConfig,
    Shard,
    Vectors,
    approximate,
    check,
    clusters,
    merge,
    nearest,
    query_blocks,
    split,
)
from goat_ray.places import Place, Where

VECTORS = ".vectors"  # in a run directory: what shards read, where they cannot read the driver's disk
START_TIMEOUT_S = 300  # as long as the runner waits for a step's first worker


def search_of(run: Place) -> Search:
    """The search for a run directory, through which the driver and the shards share the vectors."""
    return nearest_on_ray if run.local else partial(nearest_on_ray, through=run / VECTORS)


def nearest_on_ray(
    queries: Vectors,
    base: Path,
    k: int,
    config: SearchConfig,
    *,
    first_row: int = 0,
    timeout_s: float = START_TIMEOUT_S,
    through: Place | None = None,
) -> Iterator[Block]:
    """What ``nearest`` gives, from ``config.shards`` actors; with one shard, from this process.

    ``base`` is a .npy file [n, d] in a folder that all nodes share, or it is laid into ``through``, a folder of an
    object store: each actor maps its own rows, and none travel. At most ``config.in_flight`` blocks of queries are out
    at once. An actor that dies is started and built again, and its blocks are asked again. Raises ``RunError`` where
    the file cannot be read, the actors find no room in ``timeout_s`` or one dies more than ``config.restarts`` times.
    """
    vectors = _mapped(base)
    check(queries, vectors, k)
    parts = split(len(vectors), config)
    if len(parts) < 2:
        yield from nearest(queries, vectors, k, config, first_row=first_row)
        return
    shared = Place.of(base) if through is None else through / f"{uuid4().hex}.npy"
    found = ray.put(clusters(queries, vectors, config) if approximate(len(vectors), config) else None)
    actors = [
        ShardActor.options(  # type: ignore[attr-defined]
            max_restarts=config.restarts, max_task_retries=config.restarts, **config.placement.options(config.cpus)
        ).remote(shared, part, found, first_row, max(1, int(config.cpus)))
        for part in parts
    ]
    try:
        if through is not None:
            with shared.written() as file, base.open("rb") as vectors_file:
                shutil.copyfileobj(vectors_file, file)
        _await_room(actors, timeout_s, config)
        waiting: deque[tuple[int, list[Any]]] = deque()
        for start, block in query_blocks(queries, config):
            if len(waiting) == config.in_flight:
                yield _collected(*waiting.popleft(), k, base)
            sent = ray.put(block)
            waiting.append((start, [actor.top.remote(sent, k) for actor in actors]))
        while waiting:
            yield _collected(*waiting.popleft(), k, base)
    finally:
        for actor in actors:
            ray.kill(actor)
        if through is not None:
            shared.remove()


@ray.remote
class ShardActor:
    """Holds one shard. It is built with the first question, so that starting an actor stays quick."""

    def __init__(self, base: Place, rows: range, found: Clusters | None, first_row: int, threads: int) -> None:
        self._arguments = base, rows, found, first_row, threads
        self._shard: Shard | None = None

    def process(self) -> int:
        """The process id; answers as soon as the actor runs."""
        return os.getpid()

    def top(self, queries: Scores, k: int) -> tuple[Scores, Any]:
        """The shard's own best ``k`` of each query; the first call builds the shard."""
        if self._shard is None:
            base, rows, found, first_row, threads = self._arguments
            self._shard = Shard(_mapped(base), rows, found, first_row=first_row, threads=threads)
        return self._shard.top(queries, k)


def _mapped(base: Where) -> Vectors:
    try:
        vectors: Vectors = np.load(Place.of(base).fetch(), mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise RunError(
            f"the vectors cannot be read: {error}",
            place=str(base),
            remedy="Write them with numpy.save, in a folder that all nodes of the cluster share",
        ) from error
    return vectors


def _await_room(actors: list[Any], timeout_s: float, config: SearchConfig) -> None:
    running, _ = ray.wait([actor.process.remote() for actor in actors], num_returns=len(actors), timeout=timeout_s)
    if len(running) < len(actors):
        raise RunError(
            f"the cluster has room for {len(running)} of {len(actors)} search shards of {config.cpus:g} CPUs",
            place="nearest-neighbour search",
            remedy="Lower the search's shards or cpus, or give the cluster more nodes",
        )


def _collected(start: int, answers: list[Any], k: int, base: Path) -> Block:
    try:
        return Block(start, *merge(ray.get(answers), k))
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        raise (cause if isinstance(cause, RunError) else error) from error
    except ray.exceptions.RayActorError as error:
        raise RunError(
            f"a search shard was lost for good: {' '.join(str(error).split())[:300]}",
            place=str(base),
            remedy="Give the shards more memory (more shards, or bigger nodes), then run the same command again",
        ) from error
