"""Texts that say almost the same, by MinHash and locality-sensitive hashing (Broder 1997; Leskovec et al., ch. 3).

A text's signature is 64 bytes: of each of 64 minimal hashes of its word shingles one byte (b-bit MinHash, Li and
König 2010). Some bytes make a band, and texts that agree in a whole band are compared: the lower the similarity that is
sought, the narrower the bands. Signatures are made in parallel, one text at a time; the search runs on their columns:
a million texts take 64 MB and two sorts a band, of which there are 8 from similarity 0.83 on and 32 up to 0.6.
"""

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

HASHES = 64
BANDS = (8, 4, 2)  # bytes; bands of one would put a million texts into 256 buckets
FOUND = 0.95  # share of the pairs of just the similarity sought that agree in some band; of pairs above it, more
SHINGLE = 2  # words; single words would make "from A to B" and "from B to A" the same
LOOKS = 200  # times that the texts of a bucket are compared with another leader
CHANCE = 1 / 256  # that bytes of different hashes are equal
ROWS = 65_536  # compared at a time
ALGORITHM = int(RMinHash.ALGORITHM_VERSION)

Signatures = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Share = TypeVar("Share", float, npt.NDArray[np.float64])


def signatures(texts: Sequence[str]) -> Signatures:
    """The signatures [texts, HASHES] of texts; case and the space between words do not matter."""
    if not texts:
        return np.empty((0, HASHES), np.uint8)
    digests = RMinHash.digests_from_token_sets([_shingles(text) for text in texts], HASHES, 1)
    return np.array(digests, np.uint32).astype(np.uint8)


def _shingles(text: str) -> list[str]:
    words = text.lower().split()
    return [" ".join(words[start : start + SHINGLE]) for start in range(max(1, len(words) - SHINGLE + 1))]


def near_duplicates(found: Signatures, similarity: float) -> Rows:
    """For each text the row of an earlier one that it is like, or -1; ``similarity`` is a Jaccard index of shingles.

    Of two that are alike the one with the lower row stays, so the order of rows says who wins. A text goes if one
    that was alive when their bucket was looked at is like it; a chain of texts, each like the next, can therefore
    lose more than its ends call for. At least ``FOUND`` of the pairs that are estimated to be alike are compared where
    buckets are small, as those of different texts are up to some ten million; raises ``ValueError`` for a similarity
    of 0.26 or less, for which no band is narrow enough.
    """
    like = np.full(len(found), -1, np.int64)
    bands = np.ascontiguousarray(found).view(f"u{_width(similarity)}")
    for band in range(bands.shape[1]):
        rows = np.flatnonzero(like < 0)
        for _ in range(LOOKS):
            rows, leaders = _beside_their_leaders(rows, bands[rows, band])
            if not rows.size:
                break
            alike = _similarity(found, rows, leaders) >= similarity
            like[rows[alike]] = leaders[alike]
            rows = rows[~alike]
    return like


def _width(similarity: float) -> int:
    """The bytes of the widest band by which enough of the pairs of that similarity are found."""
    equal = next(count for count in range(HASHES + 1) if _estimated(count / HASHES) >= similarity)
    for width in BANDS:
        if _chance_of_a_band(equal, width) >= FOUND:
            return width
    raise ValueError(f"near-duplicates of similarity {similarity} are not found by bands")


def _chance_of_a_band(equal: int, width: int) -> float:
    """That so many equal bytes, in any places, fill a band (by inclusion and exclusion of the filled ones)."""
    ways = sum(
        (-1) ** (filled + 1)
        * math.comb(HASHES // width, filled)
        * math.comb(HASHES - filled * width, equal - filled * width)
        for filled in range(1, equal // width + 1)
    )
    return float(ways / math.comb(HASHES, equal))


def _estimated(equal: Share) -> Share:
    """The Jaccard index by the share of equal bytes."""
    return (equal - CHANCE) / (1 - CHANCE)


def _beside_their_leaders(rows: Rows, keys: npt.NDArray[Any]) -> tuple[Rows, Rows]:
    """The rows that share a key with an earlier one, and for each the earliest. ``rows`` ascend."""
    order = np.argsort(keys, kind="stable")
    sorted_keys = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], sorted_keys[1:] != sorted_keys[:-1]])) if rows.size else order
    leaders = np.empty_like(rows)
    leaders[order] = np.repeat(rows[order[starts]], np.diff(np.append(starts, rows.size)))
    others = leaders != rows
    return rows[others], leaders[others]


def _similarity(found: Signatures, rows: Rows, others: Rows) -> npt.NDArray[np.float64]:
    """The estimated Jaccard index of each row with its other."""
    parts = [
        (found[rows[start : start + ROWS]] == found[others[start : start + ROWS]]).mean(axis=1)
        for start in range(0, len(rows), ROWS)
    ]
    equal: npt.NDArray[np.float64] = np.concatenate([np.empty(0), *parts])
    return _estimated(equal)
