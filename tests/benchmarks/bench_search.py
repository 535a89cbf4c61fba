"""The neighbour search beside raw faiss and raw torch on the same vectors: time, memory, recall, pairs/s.

.venv/bin/python -m tests.benchmarks.bench_search --base 100000 --queries 20000
.venv/bin/python -m tests.benchmarks.bench_search --base 1000000 --queries 500000   # 100,000 functions
"""

import argparse
import random
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch

from goat_ray.graph.embedding import load_embedder
from goat_ray.graph.search import SearchConfig, clusters, nearest
from goat_ray.shards import nearest_on_ray

WIDTH = 384
CHUNK = 50_000
SAMPLE = 1000  # queries on which recall and the raw engines are measured
ENTITIES = (
    "movie person artist album track order invoice payment customer account user team channel message file".split()
)
ENTITIES += "event flight hotel booking city country address product price stock company league match player".split()
ATTRIBUTES = "id name title description status type date time url code count total amount rating image email".split()
ATTRIBUTES += "phone language currency latitude longitude created updated start end owner category score".split()
ENTITIES += "ticket vehicle driver route station weather forecast sensor device loan card wallet coin exchange".split()
ENTITIES += "recipe ingredient restaurant menu patient doctor drug course lesson student job salary news author".split()
TEMPLATES = (
    "{e} {a}",
    "{e} {a}: the {a} of the {e}",
    "{e} {a}: unique {a} for this {q}",
    "{e} {a}: {a} in the {q} {e}",
)
TEXTS = 6000


class Clock:
    """Wall seconds of a block of code, and the peak of resident memory while it ran, in GiB."""

    def __enter__(self) -> "Clock":
        self.peak, self._running = 0.0, True
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        self.started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self.started
        self._running = False
        self._watcher.join()

    def _watch(self) -> None:
        while self._running:
            status = Path("/proc/self/status").read_text()
            resident = int(status.partition("VmRSS:")[2].split()[0]) / 2**20
            self.peak = max(self.peak, resident)
            time.sleep(0.2)


def field_vectors(folder: Path, name: str, count: int, seed: int) -> np.ndarray:
    """A memory-mapped file [count, 384] of what field texts embed to.

    6,000 texts are embedded; each vector joins one (what it is about) with half of another (how it is
    described) and a little noise.
    """
    cache = folder / "texts.npy"
    if not cache.exists():
        texts = sorted({_text(random.Random(number)) for number in range(TEXTS)})
        model = load_embedder()
        np.save(cache, model.encode(texts, batch_size=128, normalize_embeddings=True, show_progress_bar=False))
    texts = np.load(cache)
    vectors = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (count, WIDTH))
    generator = np.random.default_rng(seed)
    for start in range(0, count, CHUNK):
        rows = min(CHUNK, count - start)
        mixed = texts[generator.integers(0, len(texts), rows)] + 0.5 * texts[generator.integers(0, len(texts), rows)]
        mixed += 0.3 / WIDTH**0.5 * generator.standard_normal((rows, WIDTH), dtype=np.float32)
        vectors[start : start + rows] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    vectors.flush()
    return np.load(folder / f"{name}.npy", mmap_mode="r")


def _text(choose: random.Random) -> str:
    things = choose.sample(ENTITIES, choose.choice((1, 2, 2, 3)))
    return choose.choice(TEMPLATES).format(e=" ".join(things), a=choose.choice(ATTRIBUTES), q=choose.choice(ENTITIES))


def search(name: str, find: Callable[[], Iterator[Any]], queries: int, base: int) -> tuple[np.ndarray, float]:
    """Rows of the first ``SAMPLE`` queries and pairs/s, printed with progress, time and memory."""
    kept, done, told = [], 0, time.perf_counter()
    with Clock() as clock:
        for block in find():
            if block.start < SAMPLE:
                kept.append(block.rows)
            if not done:
                print(f"  {name}: first block after {time.perf_counter() - clock.started:.1f} s", flush=True)
            done += len(block.rows)
            if time.perf_counter() - told > 20:
                told = time.perf_counter()
                print(f"  {name}: {done:,} of {queries:,} queries, {told - clock.started:.0f} s", flush=True)
    rate = queries * base / clock.seconds
    print(f"{name:<28}{clock.seconds:>9.1f} s{rate / 1e6:>10,.0f} M pairs/s   peak {clock.peak:.2f} GiB", flush=True)
    return np.concatenate(kept)[:SAMPLE], rate


def raw(name: str, what: Callable[[], Any], pairs: int) -> float:
    """Pairs/s of an engine called directly."""
    with Clock() as clock:
        what()
    print(f"{name:<28}{clock.seconds:>9.1f} s{pairs / clock.seconds / 1e6:>10,.0f} M pairs/s", flush=True)
    return pairs / clock.seconds


def torch_products(queries: np.ndarray, base: np.ndarray) -> None:
    """All products in float32, without choosing any: less than what a search must do."""
    left = torch.from_numpy(queries)
    for start in range(0, len(base), 2048):
        left @ torch.from_numpy(np.array(base[start : start + 2048])).T


def flat_search(queries: np.ndarray, base: np.ndarray, k: int) -> float:
    """Pairs/s of faiss's exact index, once it is filled."""
    index = faiss.IndexFlatIP(WIDTH)
    index.add(np.asarray(base))
    return raw("faiss IndexFlatIP", lambda: index.search(queries, k), len(queries) * len(base))


def inverted_file(queries: np.ndarray, base: np.ndarray, k: int, config: SearchConfig) -> float:
    """Queries x rows/s of faiss's own inverted file with the clusters that ours found, clustering included."""

    def build_and_search() -> None:
        found = clusters(queries, base, config)
        index = faiss.index_factory(WIDTH, f"IVF{len(found.centres)},Flat", faiss.METRIC_INNER_PRODUCT)
        index.quantizer.add(found.centres)
        index.is_trained, index.nprobe = True, found.probes
        for start in range(0, len(base), CHUNK):
            index.add(np.array(base[start : start + CHUNK]))
        for start in range(0, len(queries), CHUNK):
            index.search(np.array(queries[start : start + CHUNK]), k)

    return raw("faiss IVFFlat, all of it", build_and_search, len(queries) * len(base))


def main() -> None:
    """Print one line for each way to search."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--k", type=int, default=64)
    parser.add_argument("--shards", type=int, default=1, help="more than 1: on a local Ray cluster")
    parser.add_argument("--exact-queries", type=int, default=4096, help="how many of the queries are searched exactly")
    given = parser.parse_args()
    lists = SearchConfig(exact_up_to=0, shards=given.shards)
    exact = SearchConfig(exact_up_to=given.base)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        base = field_vectors(folder, "base", given.base, seed=1)
        queries = field_vectors(folder, "queries", given.queries, seed=2)
        print(f"{given.queries:,} queries, {given.base:,} base vectors, k={given.k}", flush=True)
        if given.shards > 1:
            from goat_ray.cluster import ClusterConfig, connect

            connect(ClusterConfig())
        count = given.queries
        near, rate = search(
            "ours, approximate",
            lambda: nearest_on_ray(queries, folder / "base.npy", given.k, lists),
            count,
            given.base,
        )
        some = np.array(queries[: given.exact_queries])
        truth, exact_rate = search("ours, exact", lambda: nearest(some, base, given.k, exact), len(some), given.base)
        recall = [
            np.mean([len(set(a[:k]) & set(b[:k])) / k for a, b in zip(near, truth, strict=True)])
            for k in (1, 10, given.k)
        ]
        print(f"recall of the approximate    @1 {recall[0]:.4f}   @10 {recall[1]:.4f}   @{given.k} {recall[2]:.4f}")

        pairs = len(some) * given.base
        flat_rate = flat_search(some, base, given.k)
        torch_rate = raw("torch matmul alone", lambda: torch_products(some, base), pairs)
        print(f"exact / IndexFlatIP {exact_rate / flat_rate:.2f}, exact / torch {exact_rate / torch_rate:.2f}")
        print(f"approximate / IndexFlatIP {rate / flat_rate:.2f}")
        print(f"approximate / raw IVFFlat {rate / inverted_file(queries, base, given.k, lists):.2f}")
    print(f"peak of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
