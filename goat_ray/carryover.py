"""Taking finished outcomes over from an earlier output of a step, where only some of its input has changed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goat_ray.identity import digest
from goat_ray.places import Place
from goat_ray.storage import (
    KEPT,
    OUTCOME,
    REJECTED,
    Dataset,
    parquet_files,
    read_json,
    read_parquet,
    write_json,
    write_parquet,
)

INPUT = "input"  # column of a step's output: what ``input_digest`` gives for the record it was made from
REMAINING = ".remaining"  # the records of the input that nothing could be taken over for
DONE = "done.json"

Keys = npt.NDArray[np.uint64]


def input_digest(row: dict[str, Any]) -> int:
    """A number that is the same only for the same record: its id does not always cover all of its fields."""
    return digest(row)


def carry_over(earlier: Place, source: Dataset[Any], folder: Place) -> tuple[str, int]:
    """Copy the outcomes of unchanged records of ``source`` into ``folder``: (where the other records lie, how many).

    Safe to repeat after a kill: the same input gives the same files, and nobody else writes before it is done.
    """
    remaining = folder / REMAINING
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


def carried_over(folder: Place) -> tuple[str, int] | None:
    """What ``carry_over`` returned for this folder before a kill; None if it was not done."""
    done = read_json(folder / REMAINING / DONE)
    return (str(folder / REMAINING), done["rows"]) if done else None


def _outcomes(folder: Place) -> Iterator[tuple[Place, pa.Table]]:
    for outcome in (KEPT, REJECTED):
        for file in parquet_files(folder / f"{OUTCOME}={outcome}"):
            yield file, read_parquet(file)


def _answered(table: pa.Table) -> Keys:
    keys: Keys = table[INPUT].to_numpy()
    return keys


def _digests(batch: pa.RecordBatch) -> Keys:
    return np.array([input_digest(row) for row in batch.to_pylist()], np.uint64)


def _joined(parts: Iterator[Keys]) -> Keys:
    return np.concatenate([np.empty(0, np.uint64), *parts])


def _write(table: pa.Table, file: Place) -> None:
    if table.num_rows:
        write_parquet(file, table)
