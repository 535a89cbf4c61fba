"""Answers that were paid for, in Parquet next to the run, so that no question is paid for twice.

One file per worker and flush, which appears at once, so that a reader sees whole files only and workers
need no lock. Looking up takes 16 bytes of memory an answer: a sorted array of 64-bit keys says in which file and
row an answer lies, and only the row groups that a batch of questions needs are read. Workers flush their
answers in the order of the questions, so a rerun finds those of one batch side by side. Until then the answers stand
in a journal. (SQLite would look up single rows faster, but is no safe thing for many writers on a shared file
system, and no data set.)
"""

import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from goat_ray.places import Place, Where
from goat_ray.storage import open_parquet, parquet_files, read_parquet
from goat_ray.teacher.journal import Journal, StoredAnswer, journals, read_journal, unique_name

KEY_BYTES = 16
_SCHEMA = pa.schema(
    [
        ("key", pa.binary(KEY_BYTES)),
        ("task", pa.string()),
        ("text", pa.string()),
        ("shortened", pa.bool_()),
    ]
)
_FLUSH_ROWS = 512  # in an object store a killed worker loses at most so many answers …
_FLUSH_S = 5.0  # … or those of about so many seconds
_GROUP_ROWS = 4096
_GROUPS_AT_HAND = 32  # decoded row groups, some MB each
_MANY_FILES = 64  # small files are worth merging from then on
_SMALL_ROWS = 16 * _FLUSH_ROWS


class AnswerCache:
    """The answers in a folder: those of earlier runs and of this process; others' appear at the next start."""

    def __init__(self, folder: Where) -> None:
        self._folder = Place.of(folder)
        self._files = parquet_files(folder)
        self._index = _Index()
        self._groups: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()
        for number, file in enumerate(self._files):
            self._index.add(_keys(read_parquet(file, ["key"])["key"]), number)
        # Of killed processes; those at work give theirs, too, which does no harm.
        self._rescued = {answer.key: answer for file in journals(self._folder) for answer in read_journal(file)}
        self._pending: dict[bytes, StoredAnswer] = {}
        self._journal = Journal(self._folder)
        self._flushed = time.monotonic()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, StoredAnswer]:
        """The answers by key, of those that have one."""
        found = {key: self._rescued[key] for key in keys if key in self._rescued}
        found |= {key: self._pending[key] for key in keys if key in self._pending}
        places: list[tuple[int, int, bytes]] = sorted(
            (file, row, key)
            for key, place in zip(keys, self._index.find(keys), strict=True)
            for file, row in ([place] if place is not None else [])
        )
        for file, row, key in places:
            group = self._group(file, row // _GROUP_ROWS)
            at = row % _GROUP_ROWS
            if group["key"][at].as_py() == key:  # the index knows half of the key
                found[key] = StoredAnswer(key, *(group[name][at].as_py() for name in _SCHEMA.names[1:]))
        return found

    def add(self, answer: StoredAnswer) -> None:
        """Keep an answer; ``flush`` comes by itself when enough is waiting."""
        self._pending[answer.key] = answer
        self._journal.add(answer)
        if len(self._pending) >= _FLUSH_ROWS or time.monotonic() - self._flushed > _FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        self._flushed = time.monotonic()
        if not self._pending:
            return
        table = _table(self._pending.values())
        self._files.append(_write(self._folder, [table]))
        self._index.add(_keys(table["key"]), len(self._files) - 1)
        self._pending = {}
        self._journal.end()

    def _group(self, file: int, number: int) -> pa.Table:
        found = self._groups.get((file, number))
        if found is None:
            source = open_parquet(self._files[file])
            found = _whole(source.read_row_group(number)).combine_chunks()
            self._groups[file, number] = found
            if len(self._groups) > _GROUPS_AT_HAND:
                self._groups.popitem(last=False)
        self._groups.move_to_end((file, number))
        return found


class _Index:
    """Where each answer lies: runs of sorted keys beside places, each at least twice as long as the next.

    A short run is merged into its neighbour when it has grown to half of it, so that a flush costs little
    however many answers there are.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[Any, Any]] = []  # keys; places: file number and row, 32 bits each

    def add(self, keys: Any, file: int) -> None:
        order = np.argsort(keys)
        self._runs.append((keys[order], (np.int64(file) << 32) + order.astype(np.int64)))
        while len(self._runs) > 1 and len(self._runs[-2][0]) < 2 * len(self._runs[-1][0]):
            (some_keys, some), (more_keys, more) = self._runs[-2:]
            keys, places = np.concatenate([some_keys, more_keys]), np.concatenate([some, more])
            order = np.argsort(keys, kind="stable")
            self._runs[-2:] = [(keys[order], places[order])]

    def find(self, keys: Sequence[bytes]) -> list[tuple[int, int] | None]:
        """(file, row) of each key, or None."""
        found: list[tuple[int, int] | None] = [None] * len(keys)
        wanted = np.frombuffer(b"".join(keys), dtype=">u8")[::2].astype(np.uint64)
        for known, places in self._runs:
            at = np.minimum(np.searchsorted(known, wanted), max(len(known) - 1, 0))
            for number in np.flatnonzero(known[at] == wanted) if len(known) else []:
                place = int(places[at[number]])
                found[number] = (place >> 32, place & 0xFFFFFFFF)
        return found


def _keys(column: pa.ChunkedArray) -> Any:
    """The first eight bytes of each key as numbers."""
    array = column.combine_chunks()
    raw = np.frombuffer(array.buffers()[1], dtype=">u8", count=2 * len(array), offset=array.offset * KEY_BYTES)
    return raw[::2].astype(np.uint64)


def _table(answers: Iterable[StoredAnswer]) -> pa.Table:
    columns = zip(*((one.key, one.task, one.text, one.shortened) for one in answers), strict=True)
    return pa.table([list(column) for column in columns], schema=_SCHEMA)


def _write(folder: Place, tables: Iterable[pa.Table]) -> Place:
    """One new file; nobody sees it before it is whole."""
    file = folder / f"{unique_name()}.parquet"
    with file.written() as stream, pq.ParquetWriter(stream, _SCHEMA, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table, row_group_size=_GROUP_ROWS)
    return file


def compact(folder: Where) -> None:
    """Merge journals and small files. Only for the driver, while no worker uses the folder.

    A kill in the middle leaves answers twice, which is harmless.
    """
    folder = Place.of(folder)
    for leftover in folder.children():
        if leftover.name.endswith(".tmp"):
            leftover.remove()
    left = journals(folder)
    if rescued := {answer.key: answer for file in left for answer in read_journal(file)}:
        _write(folder, [_table(rescued.values())])
    for file in left:
        file.remove()
    small = [file for file in parquet_files(folder) if open_parquet(file).metadata.num_rows < _SMALL_ROWS]
    if len(small) < _MANY_FILES:
        return
    _write(folder, _blocks(small))
    for file in small:
        file.remove()


def _whole(table: pa.Table) -> pa.Table:
    """With the columns that an older version did not write."""
    return pa.concat_tables([_SCHEMA.empty_table(), table], promote_options="default")


def _blocks(files: Sequence[Place]) -> Iterable[pa.Table]:
    """The rows of all files in tables of whole row groups, for places count in row groups of one size."""
    waiting: list[pa.Table] = []
    for file in files:
        waiting.append(_whole(read_parquet(file)))
        while sum(table.num_rows for table in waiting) >= _GROUP_ROWS:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, _GROUP_ROWS)
            waiting = [whole.slice(_GROUP_ROWS)]
    yield pa.concat_tables(waiting)
