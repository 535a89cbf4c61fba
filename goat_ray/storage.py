"""Datasets: one folder per record type with the kept records, the rejects and a manifest."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from goat_ray.errors import RunError
from goat_ray.places import Place, Where
from goat_ray.records import ApiFunction, Reject
from goat_ray.rows import Record

R = TypeVar("R", bound=Record)

# Kept records and rejects of one step are written in one go, so that one commit covers both. Hive
# partitioning puts them in two folders; each file has the columns of both, one half empty.
OUTCOME = "outcome"
KEPT = "kept"
REJECTED = "rejected"
REJECT_COLUMNS = ("reject_reason", "reject_detail")
MANIFEST = "manifest.json"
UNFINISHED = "unfinished.json"  # fingerprint of the step whose output is being written
BOOKS = (MANIFEST, UNFINISHED)
"""What says what a dataset's folder holds, and is written last and removed first: data alone count for nothing."""

ROWS_PER_FILE = 50_000
ROWS_AT_A_TIME = 4096  # of records on their way to columns


def outcome_schema(kind: type[Record]) -> pa.Schema:
    """Arrow schema of what a step writes: the record's columns, then the reject's and the outcome."""
    return pa.schema([*kind.arrow_schema(), *((name, pa.string()) for name in (*REJECT_COLUMNS, OUTCOME))])


def outcome_row(record: Record) -> dict[str, Any]:
    """The row of a kept record or of a reject, for ``outcome_schema``."""
    if isinstance(record, Reject):
        return {"id": record.id, "reject_reason": record.reason, "reject_detail": record.detail, OUTCOME: REJECTED}
    return {**record.to_row(), OUTCOME: KEPT}


@dataclass(frozen=True)
class Dataset(Generic[R]):
    """A finished dataset of one record type."""

    folder: Place
    kind: type[R]
    fingerprint: str
    rows: int
    rejects: dict[str, int]  # reason -> count

    @property
    def name(self) -> str:
        """The noun it is stored under, e.g. ``edges``."""
        return self.folder.name

    @property
    def data(self) -> str:
        """The folder (or its URL) of Parquet files with the kept records."""
        return str(self.folder / f"{OUTCOME}={KEPT}")

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All kept records as one Arrow table; for datasets that fit the driver."""
        names = list(columns) if columns is not None else self.kind.arrow_schema().names
        schema = pa.schema([self.kind.arrow_schema().field(name) for name in names])
        tables = [read_parquet(file, names) for file in parquet_files(self.data)]
        return pa.concat_tables([table.cast(schema) for table in tables]) if tables else schema.empty_table()

    def batches(self, columns: Sequence[str], rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        """Some columns of the kept records, in file order, with bounded memory."""
        for file in parquet_files(self.data):
            yield from open_parquet(file).iter_batches(rows, columns=list(columns))

    def records(self, batch_rows: int = 1024) -> Iterator[R]:
        """The kept records one by one, in file order, with bounded memory."""
        names = self.kind.arrow_schema().names
        for file in parquet_files(self.data):
            for batch in open_parquet(file).iter_batches(batch_rows, columns=names):
                for row in batch.to_pylist():
                    yield self.kind.from_row(row)

    def rejected(self, limit: int | None = None) -> Iterator[Reject]:
        """The rejects, at most ``limit`` of them."""
        count = 0
        for file in parquet_files(self.folder / f"{OUTCOME}={REJECTED}"):
            table = read_parquet(file, ["id", *REJECT_COLUMNS])
            for row in table.to_pylist():
                if limit is not None and count >= limit:
                    return
                count += 1
                yield Reject(id=row["id"], reason=row["reject_reason"], detail=row["reject_detail"] or "")


def parquet_files(folder: Where) -> list[Place]:
    """The Parquet files of a folder, in order; none where there is no folder."""
    return [file for file in Place.of(folder).children() if file.name.endswith(".parquet")]


def open_parquet(file: Place) -> pq.ParquetFile:
    """A Parquet file to be read in parts."""
    return pq.ParquetFile(file.open())


def read_parquet(file: Place, columns: Sequence[str] | None = None) -> pa.Table:
    """The columns of a Parquet file, without those that its folder's name would give."""
    return pq.read_table(file.path, filesystem=file.filesystem, columns=columns, partitioning=None)


def write_parquet(file: Place, table: pa.Table) -> None:
    """Write a Parquet file."""
    file.parent.make()
    pq.write_table(table, file.path, filesystem=file.filesystem)


def open_dataset(folder: Where, kind: type[R]) -> Dataset[R]:
    """Open a finished dataset; raises ``RunError`` where the step has not finished."""
    folder = Place.of(folder)
    manifest = read_book(folder / MANIFEST)
    if manifest is None:
        raise RunError(
            f"{folder.name} is not there or not finished",
            place=str(folder),
            remedy="Run the earlier steps first, or the whole road with 'goat run'",
        )
    return Dataset(folder, kind, manifest["fingerprint"], manifest["rows"], manifest["rejects"])


def read_json(file: Where) -> dict[str, Any] | None:
    """A JSON object from a file; None where there is no such file."""
    try:
        content: dict[str, Any] = json.loads(Place.of(file).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return content


def read_book(file: Where) -> dict[str, Any] | None:
    """The same for what only goat writes; raises ``RunError`` where it is something else."""
    try:
        content: Any = read_json(file)
    except ValueError:
        content = ""
    if content is not None and not isinstance(content, dict):
        raise RunError(
            "is no JSON object, as goat writes it there",
            place=str(file),
            remedy="Move the folder that it is in away, and run the command that made it again",
        )
    return content


def write_json(file: Where, content: Any) -> None:
    """Write JSON so that a reader sees the old file or the new one, never a part."""
    Place.of(file).write_bytes((json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def write_records(folder: Where, kind: type[Record], records: Iterable[Record]) -> None:
    """Write records and rejects as partitioned Parquet files, with bounded memory."""
    rows = map(outcome_row, records)
    schema = outcome_schema(kind)
    write_tables(folder, kind, (pa.Table.from_pylist(some, schema=schema) for some in _batched(rows, ROWS_AT_A_TIME)))


def write_tables(folder: Where, kind: type[Record], tables: Iterable[pa.Table]) -> None:
    """Write records that are columns already, with bounded memory.

    Tables have ``kind``'s columns, and all rows are kept; or they have those of ``outcome_schema``.
    """
    schema = outcome_schema(kind)
    with _Parts(Place.of(folder), pa.schema(list(schema)[:-1])) as parts:
        for table in tables:
            if OUTCOME in table.column_names:
                for outcome in (KEPT, REJECTED):
                    parts.write(outcome, table.filter(pa.compute.equal(table[OUTCOME], outcome)))
            else:
                parts.write(KEPT, table)


class _Parts:
    """The files of one dataset that is being written: a series for each outcome, each of about ROWS_PER_FILE rows."""

    def __init__(self, folder: Place, schema: pa.Schema) -> None:
        self._folder = folder
        self._schema = schema
        self._open: dict[str, pq.ParquetWriter] = {}
        self._rows: Counter[str] = Counter()  # of the open file
        self._files: Counter[str] = Counter()

    def write(self, outcome: str, table: pa.Table) -> None:
        """Append rows; columns that the table lacks are null."""
        if not table.num_rows:
            return
        if outcome not in self._open:
            target = self._folder / f"{OUTCOME}={outcome}"
            target.make()
            part = target / f"part-{self._files[outcome]:06d}.parquet"
            self._open[outcome] = pq.ParquetWriter(part.path, self._schema, filesystem=part.filesystem)
            self._files[outcome] += 1
        self._open[outcome].write_table(_shaped(table, self._schema))
        self._rows[outcome] += table.num_rows
        if self._rows[outcome] >= ROWS_PER_FILE:
            self._open.pop(outcome).close()
            self._rows[outcome] = 0

    def __enter__(self) -> "_Parts":
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._open.values():
            writer.close()


def _shaped(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with exactly these columns."""
    present = set(table.column_names)
    columns = [
        table[field.name].cast(field.type) if field.name in present else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _batched(rows: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    rows = iter(rows)
    while some := list(islice(rows, size)):
        yield some


def count_outcomes(folder: Place) -> tuple[int, dict[str, int]]:
    """How many records were kept, and how many rejected for each reason."""
    kept = sum(open_parquet(file).metadata.num_rows for file in parquet_files(folder / f"{OUTCOME}={KEPT}"))
    reasons: Counter[str] = Counter()
    for file in parquet_files(folder / f"{OUTCOME}={REJECTED}"):
        reasons.update(read_parquet(file, ["reject_reason"])["reject_reason"].to_pylist())
    return kept, dict(sorted(reasons.items()))


class FunctionStore:
    """All functions of a corpus by id. Rows stay in Arrow and become records when first asked for."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._row = {function_id: row for row, function_id in enumerate(table["id"].to_pylist())}
        self._cache: dict[str, ApiFunction] = {}

    @classmethod
    def open(cls, data: str) -> "FunctionStore":
        """Read the Parquet folder of a ``functions`` dataset."""
        names = ApiFunction.arrow_schema().names
        tables = [read_parquet(file, names) for file in parquet_files(data)]
        return cls(pa.concat_tables(tables) if tables else ApiFunction.arrow_schema().empty_table())

    @classmethod
    def of(cls, functions: Iterable[ApiFunction]) -> "FunctionStore":
        """A store of functions at hand."""
        rows = [function.to_row() for function in functions]
        return cls(pa.Table.from_pylist(rows, schema=ApiFunction.arrow_schema()))

    def __getitem__(self, function_id: str) -> ApiFunction:
        found = self._cache.get(function_id)
        if found is None:
            row = self._table.slice(self._row[function_id], 1).to_pylist()[0]
            found = self._cache[function_id] = ApiFunction.from_row(row)
        return found

    def __len__(self) -> int:
        return len(self._row)

    @cached_property
    def ids(self) -> list[str]:
        """The ids of all functions, in order."""
        return sorted(self._row)

    def services(self) -> Iterator[list[ApiFunction]]:
        """The functions of each service, by name of the service and then by id. None of them is kept in memory."""
        services = self._table["service"].combine_chunks().dictionary_encode()
        numbers = services.indices.to_numpy()
        order = sorted(range(len(services.dictionary)), key=lambda number: services.dictionary[number].as_py())
        rows = np.argsort(numbers, kind="stable")
        bounds = np.searchsorted(numbers[rows], np.arange(len(order) + 1))
        for number in order:
            found = self._table.take(rows[bounds[number] : bounds[number + 1]]).to_pylist()
            yield [ApiFunction.from_row(row) for row in sorted(found, key=lambda row: row["id"])]

    def __iter__(self) -> Iterator[ApiFunction]:
        """All functions, in order of their ids, so that nothing depends on the order of files."""
        return (self[function_id] for function_id in self.ids)
