"""Parquet folders read on the driver: a batch at a time, never as a whole."""

import hashlib
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.dataset as pads

from goat_ray.errors import RunError
from goat_ray.identity import content_id
from goat_ray.places import Place


def scan(folder: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows of a folder or URI of Parquet files; raises ``RunError`` if there are none."""
    try:
        data = _dataset(folder)
        missing = set(columns) - set(data.schema.names)
        if not data.files or missing:
            raise RunError(
                f"has no column {sorted(missing)[0]!r}" if data.files else "there are no Parquet files",
                place=folder,
                remedy="Give the folder that the step before wrote",
            )
        yield from data.to_batches(columns=list(columns))
    except (OSError, pa.ArrowInvalid) as error:
        raise RunError(
            f"cannot be read as Parquet: {error}", place=folder, remedy="Run the step that writes it first"
        ) from error


def count_rows(folder: str) -> int:
    """How many rows a folder has, from the files' footers."""
    return int(_dataset(folder).count_rows())


def _dataset(folder: str) -> pads.Dataset:
    place = Place.of(folder)
    return pads.dataset(place.path, filesystem=place.filesystem, format="parquet", partitioning=None)


def dataset_id(folder: str, columns: Sequence[str]) -> str:
    """An id of these columns of a folder, whatever the order of rows and their division into files."""
    total = rows = 0
    for batch in scan(folder, columns):
        for values in zip(*(batch.column(name).to_pylist() for name in columns), strict=True):
            digest = hashlib.sha256("\0".join(map(str, values)).encode()).digest()
            total = (total + int.from_bytes(digest[:8], "big")) % 2**64
        rows += batch.num_rows
    return content_id(rows, total)
