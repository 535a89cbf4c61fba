"""Time and memory of deciding about a corpus: exact and near-duplicates, quotas, for growing numbers of samples.

python -m tests.benchmarks.bench_curation
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from goat_ray.records import Traits
from goat_ray.storage import Dataset, write_tables
from goat_ray.synthesis.curation import Selection
from goat_ray.synthesis.near_duplicates import HASHES
from goat_ray.synthesis.quotas import Quotas, QuotasConfig

SIZES = (100_000, 1_000_000)
PART = 50_000


def _tables(rows: int) -> Iterator[pa.Table]:
    """Made-up traits, a tenth of them with an earlier sample's calls and a tenth near an earlier query."""
    for start in range(0, rows, PART):
        rng = np.random.default_rng(start)
        signatures = rng.integers(0, 256, (PART, HASHES), np.uint8)
        near = np.flatnonzero(rng.random(PART) < 0.1)
        signatures[near] = signatures[rng.integers(0, PART, len(near))]
        keys = rng.integers(-(1 << 62), 1 << 62, (3, PART))
        same = np.flatnonzero(rng.random(PART) < 0.1)
        keys[2, same] = keys[2, rng.integers(0, PART, len(same))]
        yield pa.table(
            {
                "id": [f"{key & (1 << 64) - 1:016x}" for key in keys[0].tolist()],
                "query": keys[1],
                "calls": keys[2],
                "length": rng.integers(1, 6, PART),
                "shape": np.array(["chain", "tree", "join"])[rng.integers(0, 3, PART)],
                "service": ["a"] * PART,
                "split": ["train"] * PART,
                "signature": pa.ListArray.from_arrays(
                    np.arange(PART + 1, dtype=np.int32) * HASHES, signatures.reshape(-1).astype(np.int64)
                ),
            }
        )


def measure(folder: Path, rows: int) -> None:
    """One size, in a process of its own, as the peak of memory is the process's."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.monotonic()
    quotas = Quotas(rows // 2, QuotasConfig(lengths={1: 1, 2: 1, 3: 1}))
    selection = Selection.of([Dataset(folder, Traits, "f", rows, {})], 0.9, quotas)
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    kept = len(selection.kept)
    print(f"{rows:>10,} samples  {kept:>8,} kept  {seconds:6.1f} s  {peak - before:6.0f} MB more", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        for size in SIZES:
            with tempfile.TemporaryDirectory() as name:
                write_tables(Path(name), Traits, _tables(size))
                command = [sys.executable, "-m", "tests.benchmarks.bench_curation", name, str(size)]
                subprocess.run(command, check=True)
