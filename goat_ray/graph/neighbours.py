"""For each text that a parameter asks for, the carried texts that mean the most similar things."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from goat_ray.graph.config import CandidatesConfig
from goat_ray.graph.search import Block, SearchConfig, Vectors, approximate, merge, nearest
from goat_ray.places import Place, Where
from goat_ray.records import Embedding, Neighbours
from goat_ray.storage import Dataset

Search = Callable[[Vectors, Path, int, SearchConfig], Iterator[Block]]
"""Nearest neighbours of queries [q, d] in a base [n, d], the latter in a .npy file of float32."""

Mask = npt.NDArray[np.bool_]
FLAGS = ["id", "asked", "carried"]
ROWS = 65_536  # of one table


def search_here(queries: Vectors, base: Path, k: int, config: SearchConfig) -> Iterator[Block]:
    """The search in this process."""
    yield from nearest(queries, np.load(base, mmap_mode="r"), k, config)


def find_neighbours(
    embeddings: Dataset[Embedding],
    config: CandidatesConfig,
    folder: Where,
    search: Search = search_here,
    before: Dataset[Neighbours] | None = None,
) -> Iterator[pa.Table]:
    """Up to ``config.per_parameter`` neighbours of each asked text, as tables of ``Neighbours``, in order of the ids.

    ``before`` is the answer for an earlier corpus with the same settings. Where the search is exact, only the texts
    that are new are then searched, and searched for, and the result is the same. The vectors lie in files below
    ``folder`` meanwhile, or on this machine where that is in an object store; memory holds what a search looks at.
    """
    flags = pa.concat_tables([pa.table(batch) for batch in embeddings.batches(FLAGS)] or [_NO_FLAGS]).sort_by("id")
    asked = flags.filter(flags["asked"])["id"].combine_chunks()
    carried = flags.filter(flags["carried"])["id"].combine_chunks()
    answer = _Answer.empty(len(asked), min(config.per_parameter, len(carried)))
    if len(asked) and len(carried):
        with TemporaryDirectory(dir=Place.of(folder).local, prefix=".vectors-") as place:
            files = _vector_files(embeddings, asked, carried, Path(place))
            old, added = _recall(before, asked, carried, answer, config.search)
            _fill(answer, ~old, files, np.ones(len(carried), bool), config.search, search)
            _fill(answer, old, files, added, config.search, search)
    yield from _tables(flags, answer, carried)


_NO_FLAGS = Embedding.arrow_schema().empty_table().select(FLAGS)


@dataclass
class _Answer:
    """Neighbours of all asked texts, best first; places without one have row -1."""

    rows: npt.NDArray[np.int32]  # [asked, k], numbers of carried texts
    scores: npt.NDArray[np.float32]

    @classmethod
    def empty(cls, asked: int, k: int) -> "_Answer":
        return cls(np.full((asked, k), -1, np.int32), np.full((asked, k), -np.inf, np.float32))


def _vector_files(embeddings: Dataset[Embedding], asked: pa.Array, carried: pa.Array, place: Path) -> tuple[Path, Path]:
    """Files with the vectors of the asked texts [q, d] and of the carried ones [n, d], in the order of their ids."""
    files: list[tuple[Path, pa.Array, Any]] = []
    for batch in embeddings.batches(["id", "vector"], rows=8192):
        vectors = batch["vector"].flatten().to_numpy().reshape(batch.num_rows, -1)
        if not files:
            files = [
                (file, ids, _new_file(file, len(ids), vectors.shape[1]))
                for file, ids in ((place / "asked.npy", asked), (place / "carried.npy", carried))
            ]
        for _, ids, into in files:
            rows = _positions(batch["id"], ids)
            into[rows[rows >= 0]] = vectors[rows >= 0]
    for _, _, into in files:
        into.flush()
    return files[0][0], files[1][0]


def _new_file(file: Path, rows: int, width: int) -> npt.NDArray[np.float32]:
    vectors: npt.NDArray[np.float32] = np.lib.format.open_memmap(file, "w+", np.float32, (rows, width))  # type: ignore[no-untyped-call]
    return vectors


def _recall(
    before: Dataset[Neighbours] | None, asked: pa.Array, carried: pa.Array, answer: _Answer, config: SearchConfig
) -> tuple[Mask, Mask]:
    """Put into ``answer`` what an earlier one still says: (which asked texts it covers, which carried ones it lacks).

    An earlier list of neighbours holds as far as it goes if none of its members has left the corpus.
    """
    old, added = np.zeros(len(asked), bool), np.ones(len(carried), bool)
    if before is None or approximate(len(carried), config):
        return old, added
    carried_before = 0
    for batch in before.batches(["id", "carried"]):
        there = batch.filter(batch["carried"])
        carried_before += there.num_rows
        rows = _positions(there["id"], carried)
        added[rows[rows >= 0]] = False
    if approximate(carried_before, config):
        return old, np.ones(len(carried), bool)
    k = min(answer.rows.shape[1], carried_before)
    for batch in before.batches(["id", "asked", "nearest", "similarities"]):
        lengths = pc.list_value_length(batch["nearest"]).to_numpy()
        places = _positions(batch["id"], asked)
        asks = np.flatnonzero((places >= 0) & batch["asked"].to_numpy(zero_copy_only=False) & (lengths >= max(k, 1)))
        members = (np.cumsum(lengths) - lengths)[asks][:, None] + np.arange(k)
        rows = _positions(batch["nearest"].flatten(), carried)[members]
        scores = batch["similarities"].flatten().to_numpy()[members]
        true = (rows >= 0).all(axis=1)
        places = places[asks][true]
        answer.rows[places, :k], answer.scores[places, :k] = rows[true], scores[true]
        old[places] = True
    return old, added


def _fill(
    answer: _Answer, which: Mask, files: tuple[Path, Path], among: Mask, config: SearchConfig, search: Search
) -> None:
    """Add to the lists of some asked texts what is near among some carried texts."""
    if not which.any() or not among.any():
        return
    queries = np.load(files[0], mmap_mode="r")
    base, names = files[1], np.flatnonzero(among)
    if not which.all():
        queries = queries[which]
    if not among.all():
        base = base.with_name("some.npy")
        np.save(base, np.load(files[1], mmap_mode="r")[among])
    places = np.flatnonzero(which)
    k = answer.rows.shape[1]
    for block in search(queries, base, min(k, len(names)), config):
        at = places[block.start : block.start + len(block.rows)]
        found = np.where(block.rows >= 0, names[block.rows], -1)
        scores, rows = merge([(answer.scores[at], answer.rows[at].astype(np.int64)), (block.scores, found)], k)
        answer.scores[at], answer.rows[at] = scores, rows


def _tables(flags: pa.Table, answer: _Answer, carried: pa.Array) -> Iterator[pa.Table]:
    numbers = np.cumsum(flags["asked"].to_numpy()) - 1  # of each asked text in the answer
    for start in range(0, flags.num_rows, ROWS):
        part = flags.slice(start, ROWS)
        asks = part["asked"].to_numpy()
        found = np.full((part.num_rows, answer.rows.shape[1]), -1, np.int32)
        found[asks] = answer.rows[numbers[start : start + ROWS][asks]]
        scores = answer.scores[numbers[start : start + ROWS][asks]]
        offsets = pa.array(np.concatenate([[0], np.cumsum((found >= 0).sum(axis=1))]).astype(np.int32))
        nearest_ids = carried.take(pa.array(found[found >= 0]))
        similarities = pa.array(scores[found[asks] >= 0])
        yield part.append_column("nearest", pa.ListArray.from_arrays(offsets, nearest_ids)).append_column(
            "similarities", pa.ListArray.from_arrays(offsets, similarities)
        )


def _positions(values: pa.Array, among: pa.Array) -> npt.NDArray[np.int64]:
    """Where each value stands in an array without repetitions; -1 where it does not."""
    places: npt.NDArray[np.int64] = pc.fill_null(pc.index_in(values, among), -1).to_numpy(False).astype(np.int64)
    return places
