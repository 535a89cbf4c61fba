"""Taking finished outcomes over from an earlier output of a step, where only some of its input has changed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from goat_ray.identity import digest
from goat_ray.storage import KEPT, OUTCOME, REJECTED, Dataset, parquet_files, read_json, write_json

INPUT = "input"  # column of a step's output: what ``input_digest`` gives for the record it was made from
REMAINING = ".remaining"  # the records of the input that nothing could be taken over for
DONE = "done.json"

Keys = npt.NDArray[np.uint64]


def input_digest(row: dict[str, Any]) -> int:
    """A number that is the same only for the same record: its id does not always cover all of its fields."""
    return digest(row)


def carry_over(earlier: Path, source: Dataset[Any], folder: Path) -> tuple[str, int]:
    """Copy the outcomes of unchanged records of ``source`` into ``folder``: (where the other records lie, how many).

    Safe to repeat after a kill: the same input gives the same files, and nobody else writes before it is done.
    """
    remaining = folder / REMAINING
    remaining.mkdir(parents=True, exist_ok=True)
    columns = source.kind.arrow_schema().names
    asked = _joined(_digests(batch) for batch in source.batches(columns))
    answered = _joined(_answered(table) for _, table in _outcomes(earlier))
    again = np.intersect1d(asked, answered)
    for file, table in _outcomes(earlier):
        same = table.filter(pa.array(np.isin(_answered(table), again)))
        _write(same, folder / file.parent.name / f"carried-{file.name}")
    rows = 0
    for number, batch in enumerate(source.batches(columns)):
        left = pa.table(batch.filter(pa.array(~np.isin(_digests(batch), again))))
        _write(left, remaining / f"part-{number:06d}.parquet")
        rows += left.num_rows
    write_json(remaining / DONE, {"rows": rows})
    return str(remaining), rows


def carried_over(folder: Path) -> tuple[str, int] | None:
    """What ``carry_over`` returned for this folder before a kill; None if it was not done."""
    done = read_json(folder / REMAINING / DONE)
    return (str(folder / REMAINING), done["rows"]) if done else None


def _outcomes(folder: Path) -> Iterator[tuple[Path, pa.Table]]:
    for outcome in (KEPT, REJECTED):
        for file in parquet_files(folder / f"{OUTCOME}={outcome}"):
            yield file, pq.read_table(file, partitioning=None)


def _answered(table: pa.Table) -> Keys:
    keys: Keys = table[INPUT].to_numpy()
    return keys


def _digests(batch: pa.RecordBatch) -> Keys:
    return np.array([input_digest(row) for row in batch.to_pylist()], np.uint64)


def _joined(parts: Iterator[Keys]) -> Keys:
    return np.concatenate([np.empty(0, np.uint64), *parts])


def _write(table: pa.Table, file: Path) -> None:
    if table.num_rows:
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, file)
