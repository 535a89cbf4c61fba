"""Content-derived ids and seeds: the same record gets the same id and the same random choices everywhere."""

import hashlib
import json
import os
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

ID_HEX_DIGITS = 16  # 64 bits: a collision among 10 M records has probability below 3e-6


# Made once: json.dumps would make one for each call, at half the cost of a short text.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical_json(value: Any) -> str:
    """JSON text with sorted keys and no blanks; equal values give equal text."""
    return _ENCODER.encode(value)


def content_id(*parts: Any) -> str:
    """A stable id of ``ID_HEX_DIGITS`` hex digits for JSON-serialisable parts."""
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()[:ID_HEX_DIGITS]


def files_id(files: Iterable[Path], root: Path) -> str:
    """An id of files by what is in them and where they are seen from ``root``, wherever that lies."""
    read = hashlib.sha256()
    for file in sorted(files):
        content = file.read_bytes()
        read.update(f"{os.path.relpath(file, root)}\0{len(content)}\0".encode() + content)
    return read.hexdigest()[:ID_HEX_DIGITS]


def rng(*parts: Any) -> random.Random:
    """A random generator seeded by content alone, never by time or process order."""
    digest = hashlib.sha256(canonical_json(parts).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))


def digest(*parts: Any) -> int:
    """What ``content_id`` gives, as a number below 2**64, for work on whole columns."""
    return int(content_id(*parts), 16)


def pair_ids(left: npt.NDArray[np.uint64], right: npt.NDArray[np.uint64]) -> pa.Array:
    """An id for each pair of digests, as ``content_id`` writes ids; the order within a pair matters.

    One hash for each of tens of millions of pairs would take minutes in Python. Both ends are digests of a
    cryptographic hash already, so mixing them (splitmix64, Steele et al. 2014) is enough.
    """
    return _as_ids(_splitmix64(left ^ _splitmix64(right)))


def ids_of(numbers: npt.NDArray[np.int64]) -> pa.Array:
    """An id for each number, which says no more than the number; different ones for different numbers."""
    return _as_ids(_splitmix64(numbers.astype(np.uint64)))


def _as_ids(digests: npt.NDArray[np.uint64]) -> pa.Array:
    text = digests.astype(">u8").tobytes().hex().encode()
    offsets = np.arange(len(digests) + 1, dtype=np.int32) * ID_HEX_DIGITS
    return pa.StringArray.from_buffers(len(digests), pa.py_buffer(offsets), pa.py_buffer(text))


def _splitmix64(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
