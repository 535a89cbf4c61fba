"""Memory and speed of sampling: a made-up graph of 100,000 functions and 10 M edges, beside reading its Parquet.

.venv/bin/python -m tests.benchmarks.bench_sampling [functions] [edges]
"""

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from goat_ray.graph.adjacency import EDGE_COLUMNS, CallGraph, build_graph
from goat_ray.records import ApiFunction, Parameter, PlanOrder
from goat_ray.synthesis.config import SamplingConfig
from goat_ray.synthesis.orders import configured_mix, plan_orders
from goat_ray.synthesis.sampling import PlanSampler
from goat_ray.synthesis.shapes import LONGEST

PARAMETERS = 4
FIELDS = 30  # of a function
BATCH = 65_536
DRAWN = 4000


def made_up_functions(count: int) -> Iterator[ApiFunction]:
    """Every third function can be called at once, the others need what another one gives."""
    for number in range(count):
        yield ApiFunction(
            id=f"{number:016x}",
            service=f"service {number // 50}",
            name=f"function {number}",
            method="POST" if number % 10 == 0 else "GET",
            parameters=[
                Parameter(name=f"p{p}_id", location="query", type="string", required=p == 0 and number % 3 > 0)
                for p in range(PARAMETERS)
            ],
        )


def write_edges(file: Path, functions: int, edges: int) -> None:
    """Edges whose sources follow a power law, so that there are hubs."""
    random = np.random.default_rng(0)
    schema = pa.schema([(name, pa.string()) for name in EDGE_COLUMNS])
    with pq.ParquetWriter(file, schema) as writer:
        for start in range(0, edges, BATCH):
            size = min(BATCH, edges - start)
            source = (functions * random.random(size) ** 2).astype(int)
            columns = [
                [f"{number:016x}" for number in source],
                [f"$.results[*].f{number}" for number in random.integers(0, FIELDS, size)],
                [f"{number:016x}" for number in random.integers(0, functions, size)],
                [f"p{number}_id" for number in random.integers(0, PARAMETERS, size)],
            ]
            writer.write_table(pa.table(columns, schema=schema))


def peak() -> float:
    """Of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(functions: int, edges: int) -> None:
    """Print one line for each part, in seconds of CPU time: others may share the machine."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "edges.parquet"
        write_edges(file, functions, edges)
        started = time.process_time()
        for _ in pq.ParquetFile(file).iter_batches(BATCH):
            pass
        raw = time.process_time() - started
        print(f"read Parquet into Arrow   {raw:7.1f} s, peak {peak():.2f} GiB")

        started = time.process_time()
        graph = build_graph(made_up_functions(functions), pq.ParquetFile(file).iter_batches(BATCH))
        seconds = time.process_time() - started
        print(f"build the graph           {seconds:7.1f} s, {seconds / raw:.1f} of reading, peak {peak():.2f} GiB")
        graph.save(Path(folder) / "graph")
        size = sum(part.stat().st_size for part in (Path(folder) / "graph").iterdir()) / 2**20
        del graph
        started = time.process_time()
        graph = CallGraph.open(Path(folder) / "graph")
        print(f"map it                    {time.process_time() - started:7.3f} s, {size:,.0f} MiB, shared by workers")

        config = SamplingConfig(lengths=dict.fromkeys(range(1, LONGEST + 1), 1))
        started = time.process_time()
        sampler = PlanSampler(graph, config)
        mix = sampler.possible(configured_mix(config))
        tables = list(plan_orders(graph, mix, config, 0, 1_000_000))
        print(f"1 M orders                {time.process_time() - started:7.1f} s, peak {peak():.2f} GiB")
        orders = [PlanOrder.from_row(row) for row in tables[7].slice(0, DRAWN).to_pylist()]
        started = time.process_time()
        plans = [plan for order in orders if (plan := sampler.draw(order)) is not None]
        seconds = time.process_time() - started
        calls = sum(len(plan.calls) for plan in plans) / max(len(plans), 1)
        print(
            f"draw                      {len(orders) / seconds:7,.0f} orders/s and core, {len(plans):,} of "
            f"{len(orders):,} with a plan, {calls:.1f} calls each, peak {peak():.2f} GiB"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3] or (100_000, 10_000_000)))
