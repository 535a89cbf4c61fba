"""Nearest neighbours among unit vectors: exact with a brute-force scan, approximate with inverted lists.

Either way faiss proposes and this module decides: every proposal is scored again with one kernel, rounded,
and ordered by (score, row). So the answer does not depend on how queries are cut into blocks or the base into shards.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
from pydantic import Field

from goat_ray.errors import RunError
from goat_ray.placement import ANYWHERE, Placement
from goat_ray.settings import Settings

Vectors = npt.NDArray[np.float32] | npt.NDArray[np.float16]
Scores = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Keys = npt.NDArray[np.int64]

UNIT = 10_000  # scores are whole multiples of 1/UNIT, so that the last bits of a product never order anything
SPARE = 16  # neighbours asked for beyond k, so that k rarely ends inside a tie; where it does, eight times more
MOST_SPARE = 1024  # a wider tie is looked at row by row
SLACK = np.float32(1 / UNIT)
"""What lies this far below the k-th score cannot belong to the first k: half a unit of rounding, and the
error of a float32 product of unit vectors, which stays below 384 * 2**-24 = 0.23 units."""
SCAN_ROWS = 65_536  # base rows that are widened to float32, checked or added at once
KMEANS_ROUNDS = 10
KMEANS_ROWS = 64  # per list; more cost time and find hardly better centres
PROBED_QUERIES = 512  # are answered exactly to learn how many lists to look at ...
PROBED_NEIGHBOURS = 10  # ... for so many of their nearest
ROW_BITS = 40
NOBODY = np.int64(2**62)  # the key of an empty place; sorts behind all others


class SearchConfig(Settings):
    """How the nearest output fields of a parameter are found."""

    exact_up_to: int = Field(300_000, ge=0, description="More base vectors than this are searched approximately.")
    block: int = Field(4096, ge=1, description="Queries per block; bounds the memory beside the vectors.")
    shards: int = Field(1, ge=1, description="Parts of the base, each held by one actor. 1: in this process.")
    cpus: float = Field(1.0, gt=0, description="CPUs of one shard's actor.")
    placement: Placement = ANYWHERE
    in_flight: int = Field(3, ge=1, description="Query blocks that are out at the shards at once.")
    restarts: int = Field(3, ge=0, description="How often a lost shard is built again, and a block asked again.")
    lists: int = Field(0, ge=0, description="Clusters of the approximate search; 0: four times the root of the rows.")
    recall: float = Field(
        0.99, gt=0, le=1, description="Share of the true ten nearest that the approximate search must find."
    )


@dataclass(frozen=True)
class Block:
    """The neighbours of consecutive queries, best first, equal scores by row."""

    start: int  # row of the first query
    scores: Scores  # [b, k], multiples of 1e-4; -inf where there are fewer than k
    rows: Rows  # [b, k] of the base; -1 where there are fewer than k


def nearest(queries: Vectors, base: Vectors, k: int, config: SearchConfig, *, first_row: int = 0) -> Iterator[Block]:
    """The ``k`` base rows of greatest cosine for each query, block by block, in this process.

    ``queries`` [q, d] and ``base`` [n, d] are float32 or float16, of unit length, and may be memory-mapped. Up to
    ``config.exact_up_to`` rows the answer is exact; above, it comes from the lists that ``clusters`` says to look at.
    ``first_row`` is the number of the base's first row, for a base that is the new end of a longer one; ``merge``
    joins its answer with the old one. Raises ``RunError`` for vectors that do not fit.
    """
    check(queries, base, k)
    found = clusters(queries, base, config) if approximate(len(base), config) else None
    shards = [Shard(base, part, found, first_row=first_row) for part in split(len(base), config)]
    for start, block in query_blocks(queries, config):
        yield Block(start, *merge([shard.top(block, k) for shard in shards], k, queries=len(block)))


def check(queries: Vectors, base: Vectors, k: int) -> None:
    """Raise ``RunError`` where the two matrices cannot be compared."""
    for name, vectors in (("queries", queries), ("base", base)):
        if vectors.ndim != 2 or vectors.dtype not in (np.float32, np.float16):
            raise RunError(
                f"the {name} are {vectors.dtype}{list(vectors.shape)}, not a matrix of float32 or float16",
                place="nearest-neighbour search",
                remedy="This is a bug in the caller; please report it",
            )
    if queries.shape[1] != base.shape[1]:
        raise RunError(
            f"queries have {queries.shape[1]} dimensions and the base has {base.shape[1]}",
            place="nearest-neighbour search",
            remedy="Embed both with the same model (graph.embedding.model)",
        )
    if k < 1:
        raise RunError(f"cannot find {k} neighbours", place="nearest-neighbour search", remedy="Ask for at least one")


def query_blocks(queries: Vectors, config: SearchConfig) -> Iterator[tuple[int, Scores]]:
    """(row of the first query, checked float32 vectors) for each block."""
    for start in range(0, len(queries), config.block):
        block = np.ascontiguousarray(queries[start : start + config.block], dtype=np.float32)
        _check_lengths(block, "query", start)
        yield start, block


def merge(parts: Sequence[tuple[Scores, Rows]], k: int, *, queries: int = 0) -> tuple[Scores, Rows]:
    """The best ``k`` of several answers to the same queries, each [q, any], from bases that share no row.

    ``queries`` is their number, needed only where there may be no part.
    """
    keys = [_encode(scores, rows) for scores, rows in parts]
    joined = np.concatenate(keys, axis=1) if keys else np.empty((queries, 0), np.int64)
    return _decode(_first(joined, k))


def approximate(rows: int, config: SearchConfig) -> bool:
    """Whether a base of so many rows is searched approximately."""
    return rows > config.exact_up_to


def split(rows: int, config: SearchConfig) -> list[range]:
    """The rows of each shard; no shard is empty."""
    bounds = [rows * number // config.shards for number in range(config.shards + 1)]
    return [range(a, b) for a, b in pairwise(bounds) if a < b]


@dataclass(frozen=True)
class Clusters:
    """What the approximate search needs to know of a whole base, whichever rows of it a shard holds."""

    centres: Scores  # [c, d]; a row belongs to the list of its nearest centre
    probes: int  # lists to look at for each query


def clusters(queries: Vectors, base: Vectors, config: SearchConfig) -> Clusters:
    """Cluster a base [n, d], and find out how many lists must be looked at for ``config.recall``.

    The number is not guessed: some queries are answered exactly, and it is counted how far down each query's
    order of lists their true nearest rows lie.
    """
    # Below faiss's least of 39 rows a list, k-means finds noise.
    count = min(config.lists or round(4 * math.sqrt(len(base))), max(len(base) // 39, 1))
    means = faiss.Kmeans(
        base.shape[1], count, niter=KMEANS_ROUNDS, spherical=True, seed=1, max_points_per_centroid=KMEANS_ROWS
    )
    means.train(_float32(_spread(base, count * KMEANS_ROWS)))
    assert means.centroids is not None
    asked = _float32(_spread(queries, PROBED_QUERIES))
    _, true = _decode(_Scan(base).keys(asked, min(PROBED_NEIGHBOURS, len(base))))
    centres = faiss.IndexFlatIP(base.shape[1])
    centres.add(means.centroids)
    _, home = centres.search(_float32(base[true.ravel()]), 1)
    _, order = centres.search(asked, count)
    place = np.argsort(order, axis=1)[np.arange(len(asked))[:, None], home.reshape(true.shape)]
    enough = np.quantile(place, config.recall, method="higher") if place.size else 0
    return Clusters(means.centroids, int(enough) + 1)


def _spread(vectors: Vectors, count: int) -> Vectors:
    """At most ``count`` rows, evenly spread."""
    rows = np.unique(np.linspace(0, len(vectors) - 1, min(count, len(vectors))).astype(np.int64))
    return vectors[rows]


class Shard:
    """Some rows of a base, ready to be searched. Building it copies them if they are searched approximately."""

    def __init__(
        self, base: Vectors, rows: range, found: Clusters | None, *, first_row: int = 0, threads: int | None = None
    ) -> None:
        """``found`` is None for an exact search; ``threads`` (default: all cores) is set for this process's OpenMP."""
        if threads is not None:
            faiss.omp_set_num_threads(threads)
        for part in _strides(rows, SCAN_ROWS):
            _check_lengths(_float32(base[part.start : part.stop]), "base", first_row + part.start)
        own = base[rows.start : rows.stop]
        self._finder = _Scan(own) if found is None else _Lists(own, found)
        self._start = first_row + rows.start

    def top(self, queries: Scores, k: int) -> tuple[Scores, Rows]:
        """(scores, rows), each [q, k], of float32 queries [q, d]."""
        keys = self._finder.keys(queries, k)
        return _decode(_first(np.where(keys == NOBODY, NOBODY, keys + self._start), k))


class _Finder(ABC):
    """Neighbours within some rows: faiss's shortlist, and a second look where it cannot be sure about ties."""

    slack = SLACK

    def __init__(self, base: Vectors) -> None:
        self._base = base

    @abstractmethod
    def _best(self, queries: Scores, count: int) -> tuple[Scores, Rows]:
        """The ``count`` greatest float32 products, in no order that can be relied on; row -1 where there are fewer."""

    @abstractmethod
    def _above(self, query: Scores, least: np.float32) -> Rows:
        """All rows whose product with one query [1, d] is at least so much, however many tie."""

    def keys(self, queries: Scores, k: int, spare: int = SPARE) -> Keys:
        """The ``k`` best as keys [q, k] that sort as the answer does."""
        scores, rows = self._best(queries, k + spare)
        keys = _first(_encode(_rescored(queries, self._base, rows), rows), k)
        # A row that the shortlist left out scores no more than the last on it; a list that is not full left none out.
        kth = _decode(keys)[0][:, -1]
        doubtful = np.flatnonzero((rows.min(axis=1) >= 0) & (scores.min(axis=1) > kth - self.slack))
        if scores.shape[1] == len(self._base):
            return keys
        if doubtful.size and spare < MOST_SPARE:
            keys[doubtful] = self.keys(queries[doubtful], k, spare * 8)
            return keys
        for number in doubtful:
            query = queries[number : number + 1]
            hits = self._above(query, kth[number] - self.slack)[None, :]
            keys[number] = _first(_encode(_rescored(query, self._base, hits), hits), k)
        return keys


class _Scan(_Finder):
    """Exact: a scan of all rows."""

    def _best(self, queries: Scores, count: int) -> tuple[Scores, Rows]:
        # A float32 base is scanned where it lies; of a float16 one, a window at a time is widened.
        window = max(len(self._base), 1) if self._base.dtype == np.float32 else SCAN_ROWS
        best = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
        for part in _strides(range(len(self._base)), window):
            scores, rows = faiss.knn(
                queries,
                _float32(self._base[part.start : part.stop]),
                min(count, len(part)),
                metric=faiss.METRIC_INNER_PRODUCT,
            )
            best = np.concatenate([best[0], scores], axis=1), np.concatenate([best[1], rows + part.start], axis=1)
            if best[0].shape[1] > count:
                order = np.argpartition(-best[0], count - 1, axis=1)[:, :count]
                best = np.take_along_axis(best[0], order, axis=1), np.take_along_axis(best[1], order, axis=1)
        return best

    def _above(self, query: Scores, least: np.float32) -> Rows:
        windows = _strides(range(len(self._base)), SCAN_ROWS)
        hits = [
            np.flatnonzero(_float32(self._base[part.start : part.stop]) @ query[0] >= least) + part.start
            for part in windows
        ]
        return np.concatenate(hits)


class _Lists(_Finder):
    """Approximate: only the rows of the lists whose centres are nearest to the query (an inverted file index)."""

    slack = 5 * SLACK  # products of halves are about so exact

    def __init__(self, base: Vectors, found: Clusters) -> None:
        super().__init__(base)
        count, width = found.centres.shape
        self._centres = faiss.IndexFlatIP(width)  # the index below does not keep it alive
        self._centres.add(found.centres)
        # Halves take half the memory. They only choose what is scored again, from the vectors themselves.
        self._index = faiss.IndexIVFScalarQuantizer(
            self._centres, width, count, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT, False
        )
        self._index.is_trained = True  # the centres are the training, and halves need none
        self._index.nprobe = found.probes
        for part in _strides(range(len(base)), SCAN_ROWS):
            self._index.add(_float32(base[part.start : part.stop]))

    def _best(self, queries: Scores, count: int) -> tuple[Scores, Rows]:
        scores, rows = self._index.search(queries, min(count, len(self._base)))
        return scores, rows

    def _above(self, query: Scores, least: np.float32) -> Rows:
        _, _, rows = self._index.range_search(query, float(np.nextafter(least, np.float32(-1))))
        return np.asarray(rows)


def _rescored(queries: Scores, base: Vectors, rows: Rows) -> Scores:
    """The cosine of each query [q, d] with its rows [q, m], pair by pair: the same whatever stands beside it."""
    scores = np.empty(rows.shape, np.float32)
    step = len(queries) if base.dtype == np.float32 else 256
    for part in _strides(range(len(queries)), max(step, 1)):
        wanted = np.maximum(rows[part.start : part.stop], 0)
        if base.dtype == np.float32:
            known, places = base, wanted
        else:
            distinct, places = np.unique(wanted, return_inverse=True)
            known = _float32(base[distinct])
        _products(queries[part.start : part.stop], known, places, scores[part.start : part.stop])
    return scores


def _products(queries: Scores, base: Vectors, rows: Any, into: Scores) -> None:
    if not rows.size:
        return
    rows = np.ascontiguousarray(rows.reshape(into.shape), dtype=np.int64)
    faiss.fvec_inner_products_by_idx(  # type: ignore[attr-defined]  # missing in its stubs
        faiss.swig_ptr(into),
        faiss.swig_ptr(queries),
        faiss.swig_ptr(np.asarray(base)),
        faiss.swig_ptr(rows),
        queries.shape[1],
        *rows.shape,
    )


def _encode(scores: Scores, rows: Rows) -> Keys:
    """One integer for each (score, row) that sorts as the answer does: greater scores first, then lower rows."""
    known = rows >= 0
    units = np.rint(np.where(known, scores, 0).astype(np.float64) * UNIT).astype(np.int64)
    return np.where(known, ((2 * UNIT - units) << ROW_BITS) | rows, NOBODY)


def _decode(keys: Keys) -> tuple[Scores, Rows]:
    known = keys != NOBODY
    scores = ((2 * UNIT - (keys >> ROW_BITS)) / UNIT).astype(np.float32)
    return np.where(known, scores, np.float32(-np.inf)), np.where(known, keys & ((1 << ROW_BITS) - 1), -1)


def _first(keys: Keys, k: int) -> Keys:
    """The ``k`` least keys of each row, sorted, filled up with ``NOBODY``."""
    short = max(k - keys.shape[1], 0)
    return np.pad(np.sort(keys, axis=1)[:, :k], ((0, 0), (0, short)), constant_values=NOBODY)


def _strides(rows: range, step: int) -> Iterator[range]:
    for start in range(rows.start, rows.stop, step):
        yield range(start, min(start + step, rows.stop))


def _float32(vectors: Vectors) -> Scores:
    return np.ascontiguousarray(vectors, dtype=np.float32)


def _check_lengths(vectors: Scores, name: str, first_row: int) -> None:
    squares = np.einsum("nd,nd->n", vectors, vectors)
    wrong = np.flatnonzero(~(squares < 1.02))  # also where it is not a number
    if wrong.size:
        raise RunError(
            f"{name} vector {first_row + int(wrong[0])} is not finite or longer than 1",
            place="nearest-neighbour search",
            remedy="Embed the texts again, with normalised vectors",
        )
