"""What becomes of narrated samples: duplicates go, each kind gets its quota, and each sample its split.

All of it is decided on columns of traits, a hundred bytes a sample, whatever the samples hold. The outcome is a
function of the traits alone: earlier rounds come before later ones, and within a round smaller ids before greater
ones, so neither parallelism nor a kill can change it, and a further round never takes away what was accepted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goat_ray.identity import ID_HEX_DIGITS
from goat_ray.records import Sample, Split, Traits
from goat_ray.storage import KEPT, OUTCOME, REJECTED, Dataset
from goat_ray.synthesis.near_duplicates import HASHES, near_duplicates
from goat_ray.synthesis.quotas import Quotas

KEPT_ROW, CALLS, QUERY, NEAR, SURPLUS = range(5)
REASONS = ("", "duplicate-calls", "duplicate-query", "near-duplicate", "surplus")
SPLITS: tuple[str, ...] = get_args(Split)
BATCH = 8192  # samples in memory at a time

Numbers = npt.NDArray[np.int64]
Ids = npt.NDArray[np.uint64]


@dataclass
class Columns:
    """The traits of all rounds, in the order of who wins."""

    ids: Ids
    query: Numbers
    calls: Numbers
    length: npt.NDArray[np.int8]
    shape: npt.NDArray[np.int32]
    service: npt.NDArray[np.int32]
    split: npt.NDArray[np.uint8]
    signature: npt.NDArray[np.uint8]  # [samples, HASHES]
    bounds: list[int]  # of the rounds: round r has the rows bounds[r] to bounds[r + 1]
    names: list[str] = field(default_factory=list)  # of shapes and services

    @classmethod
    def read(cls, rounds: Sequence[Dataset[Traits]]) -> "Columns":
        """Read the columns; twice over the files, so that no column is ever held twice."""
        bounds = [0, *np.cumsum([traits.rows for traits in rounds]).tolist()]
        rows = bounds[-1]
        columns = cls(
            ids=np.empty(rows, np.uint64),
            query=np.empty(rows, np.int64),
            calls=np.empty(rows, np.int64),
            length=np.empty(rows, np.int8),
            shape=np.empty(rows, np.int32),
            service=np.empty(rows, np.int32),
            split=np.empty(rows, np.uint8),
            signature=np.empty((rows, HASHES), np.uint8),
            bounds=bounds,
        )
        numbers: dict[str, int] = {}
        for traits, start in zip(rounds, bounds, strict=False):
            columns._read_round(traits, start, numbers)
        columns.names = list(numbers)
        return columns

    def _read_round(self, traits: Dataset[Traits], start: int, numbers: dict[str, int]) -> None:
        ids = np.concatenate([np.empty(0, np.uint64), *(parsed(batch["id"]) for batch in traits.batches(["id"]))])
        ids.sort()
        self.ids[start : start + len(ids)] = ids
        for batch in traits.batches(Traits.arrow_schema().names, rows=BATCH):
            at = start + np.searchsorted(ids, parsed(batch["id"]))
            for name in ("query", "calls", "length"):
                getattr(self, name)[at] = batch[name].to_numpy()
            for name in ("shape", "service"):
                getattr(self, name)[at] = [numbers.setdefault(text, len(numbers)) for text in batch[name].to_pylist()]
            self.split[at] = [SPLITS.index(split) for split in batch["split"].to_pylist()]
            self.signature[at] = batch["signature"].flatten().to_numpy().reshape(-1, HASHES)


@dataclass
class Selection:
    """What becomes of each sample."""

    columns: Columns
    outcomes: npt.NDArray[np.uint8]  # index into REASONS
    winners: Numbers  # the row that a duplicate gives way to, else -1

    @classmethod
    def of(cls, rounds: Sequence[Dataset[Traits]], similarity: float, quotas: Quotas | None = None) -> "Selection":
        """Decide. ``quotas`` are counted down; without them all that is no duplicate is kept.

        A sample can lose to one that another sample then beats; calls are compared before queries, because equal
        calls are what there is most of.
        """
        columns = Columns.read(rounds)
        selection = cls(columns, np.zeros(len(columns.ids), np.uint8), np.full(len(columns.ids), -1, np.int64))
        selection._drop_equal(columns.calls, CALLS)
        selection._drop_equal(columns.query, QUERY)
        if similarity < 1:
            left = selection.kept
            like = near_duplicates(columns.signature[left], similarity)
            selection._drop(left[like >= 0], left[like[like >= 0]], NEAR)
        if quotas is not None:
            selection._fill(quotas)
        return selection

    @property
    def kept(self) -> Numbers:
        """The rows that are left."""
        return np.flatnonzero(self.outcomes == KEPT_ROW)

    def kept_of(self, number: int) -> int:
        """How many samples of a round are kept."""
        start, end = self.columns.bounds[number : number + 2]
        return int((self.outcomes[start:end] == KEPT_ROW).sum())

    def _drop_equal(self, keys: Numbers, reason: int) -> None:
        rows = self.kept
        _, first, group = np.unique(keys[rows], return_index=True, return_inverse=True)
        winners = rows[first[group]]
        self._drop(rows[winners != rows], winners[winners != rows], reason)

    def _drop(self, rows: Numbers, winners: Numbers, reason: int) -> None:
        self.outcomes[rows] = reason
        self.winners[rows] = winners

    def _fill(self, quotas: Quotas) -> None:
        names, columns = self.columns.names, self.columns
        for row in self.kept.tolist():
            kinds = int(columns.length[row]), names[columns.shape[row]], names[columns.service[row]]
            if quotas.accept(*kinds):  # there is enough of its kind
                self.outcomes[row] = SURPLUS


def curate(rounds: Sequence[Dataset[Sample]], selection: Selection) -> Iterator[pa.Table]:
    """The samples with their splits and outcomes, as ``write_tables`` takes them. What was not examined is left out."""
    columns = selection.columns
    order = np.argsort(columns.ids)
    ids = columns.ids[order]
    names = Sample.arrow_schema().names
    for narrated in rounds:
        for batch in narrated.batches(names, rows=BATCH):
            sought = parsed(batch["id"])
            at = np.minimum(np.searchsorted(ids, sought), max(len(ids) - 1, 0))
            known = ids[at] == sought if len(ids) else np.zeros(len(sought), bool)
            table = pa.Table.from_batches([batch]).filter(pa.array(known))
            yield _with_outcomes(table, selection, order[at[known]])


def _with_outcomes(table: pa.Table, selection: Selection, rows: Numbers) -> pa.Table:
    columns, outcomes = selection.columns, selection.outcomes[rows]
    reasons = np.array(REASONS, object)[outcomes]
    reasons[outcomes == KEPT_ROW] = None
    splits = pa.array(np.array(SPLITS, object)[columns.split[rows]])
    details = [
        None if reason is None else query if winner < 0 else f"as {written(columns.ids[winner])} | {query}"
        for reason, winner, query in zip(reasons, selection.winners[rows], table["query"].to_pylist(), strict=True)
    ]
    table = table.set_column(table.column_names.index("split"), "split", splits)
    table = table.append_column("reject_reason", pa.array(reasons, pa.string()))
    table = table.append_column("reject_detail", pa.array(details, pa.string()))
    return table.append_column(OUTCOME, pa.array(np.where(outcomes == KEPT_ROW, KEPT, REJECTED)))


def parsed(ids: pa.Array) -> Ids:
    """Ids as numbers."""
    return np.array([int(id_, 16) for id_ in ids.to_pylist()], np.uint64)


def written(number: Any) -> str:
    """A number as the id that it was parsed from."""
    return f"{int(number):0{ID_HEX_DIGITS}x}"
