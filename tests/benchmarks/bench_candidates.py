"""Filter 1 of a big corpus: reading the ends, neighbours and candidates, with time and peak memory of each.

.venv/bin/python -m tests.benchmarks.bench_candidates --functions 100000

The functions are made up: about five parameters and ten output fields each, services of a hundred functions, and nearly
all texts distinct. So are the vectors, like those of ``bench_search``; what embedding costs is measured in
``bench_road``.
"""

import argparse
import random
import resource
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from goat_ray.graph.candidates import find_candidates
from goat_ray.graph.config import CandidatesConfig
from goat_ray.graph.ends import distinct_texts
from goat_ray.graph.neighbours import find_neighbours
from goat_ray.identity import content_id
from goat_ray.records import ApiFunction, CandidateEdge, Embedding, Neighbours, OutputField, Parameter
from goat_ray.rows import Record
from goat_ray.storage import Dataset, FunctionStore, write_tables
from tests.benchmarks.bench_search import ATTRIBUTES, ENTITIES, TEMPLATES, WIDTH, Clock, field_vectors

PER_SERVICE = 100
CHUNK = 20_000


def functions(count: int) -> Iterator[pa.Table]:
    """Made-up functions, a table for every twenty services."""
    made: list[dict[str, Any]] = []
    for number in range(count):
        choose = random.Random(number)
        service = f"service-{number // PER_SERVICE:05d}"
        main = ENTITIES[(number // PER_SERVICE) % len(ENTITIES)]
        parameters = [
            Parameter(name=f"{entity}_id", location="query", type="integer", description=_said(choose, entity, "id"))
            for entity in choose.sample(ENTITIES, 5)
        ]
        outputs = [
            OutputField(
                path=f"$.{main}.{attribute}" if place % 2 else f"$.{other}s[*].{attribute}",
                type=choose.choice(("string", "integer")),
                description=_said(choose, other, attribute),
            )
            for place, (other, attribute) in enumerate(
                zip(choose.sample(ENTITIES, 10), choose.sample(ATTRIBUTES, 10), strict=True)
            )
        ]
        path = f"/{main}s/{number}"
        function = ApiFunction.create(
            service=service, name=f"f{number}", path=path, parameters=parameters, outputs=outputs
        )
        made.append(function.to_row())
        if len(made) == CHUNK or number == count - 1:
            yield pa.Table.from_pylist(made, schema=ApiFunction.arrow_schema())
            made = []


def _said(choose: random.Random, entity: str, attribute: str) -> str:
    words = " ".join(choose.sample(ENTITIES, 4))
    return choose.choice(TEMPLATES).format(e=entity, a=attribute, q=choose.choice(ENTITIES)) + " " + words


def dataset(folder: Path, kind: type[Record], tables: Callable[[], Iterator[pa.Table]]) -> Dataset[Any]:
    """Write it, and say what that took."""
    with Clock() as clock:
        write_tables(folder, kind, tables())
    found: Dataset[Any] = Dataset(folder, kind, content_id(folder.name), 0, {})
    rows = sum(batch.num_rows for batch in found.batches(["id"]))
    print(f"{folder.name:<12}{rows:>12,} rows{clock.seconds:>9.1f} s   peak {clock.peak:.2f} GiB", flush=True)
    return found


def vectors(texts: Dataset[Embedding], folder: Path) -> Iterator[pa.Table]:
    """The texts with made-up vectors."""
    count = sum(batch.num_rows for batch in texts.batches(["id"]))
    made = field_vectors(folder, "made", count, seed=3)
    start = 0
    for batch in texts.batches(["id", "text", "asked", "carried"], rows=CHUNK):
        flat = np.array(made[start : start + batch.num_rows]).ravel()
        offsets = np.arange(batch.num_rows + 1, dtype=np.int32) * WIDTH
        yield pa.table(batch).append_column("vector", pa.ListArray.from_arrays(offsets, flat))
        start += batch.num_rows


def main() -> None:
    """One line for each stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--functions", type=int, default=100_000)
    parser.add_argument("--floor", type=float, default=CandidatesConfig().floor)
    given = parser.parse_args()
    config = CandidatesConfig(floor=given.floor)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        made = dataset(folder / "functions", ApiFunction, lambda: functions(given.functions))
        store = FunctionStore.open(made.data)
        texts = dataset(folder / "texts", Embedding, lambda: distinct_texts(store))
        embeddings = dataset(folder / "embeddings", Embedding, lambda: vectors(texts, folder))
        near = dataset(folder / "neighbours", Neighbours, lambda: find_neighbours(embeddings, config, folder))
        facts: dict[str, int] = {}
        dataset(folder / "candidates", CandidateEdge, lambda: find_candidates(store, near, config, facts))
        print(f"of {facts['pairs']:,} pairs")
    print(f"peak of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
