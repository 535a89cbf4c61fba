"""Queries with the documents that they need, as the retriever's training reads them: batches and workers' shares."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc
import torch

from goat_ray.training.retriever_loss import NEEDED, NEGATIVE, PADDING
from goat_ray.training.scanning import scan

COLUMNS = ("query", "positives", "negatives", "split")


@dataclass(frozen=True)
class Share:
    """One worker's part of a batch."""

    queries: list[str]
    documents: list[str]  # as many as each other worker has
    relation: torch.Tensor  # [own queries, all workers' documents], see retriever_loss.py
    pairs: int  # of the whole batch: queries with documents that they need


@dataclass
class RetrievalData:
    """Distinct queries of one split. Documents go by number."""

    queries: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    positives: list[list[int]] = field(default_factory=list)  # for each query
    negatives: list[list[int]] = field(default_factory=list)  # hard ones, which a query brings into its batch
    duplicates: int = 0  # rows whose query came before

    def batches(self, size: int, random_: random.Random) -> list[list[int]]:
        """All queries, shuffled, in batches of at most ``size`` that differ by one at most."""
        order = list(range(len(self.queries)))
        random_.shuffle(order)
        count = batch_count(len(order), size)
        return [order[number::count] for number in range(count)]

    def share(self, batch: Sequence[int], rank: int, world: int) -> Share:
        """What one of ``world`` workers embeds of a batch of queries. Each document is embedded once."""
        numbers = dict.fromkeys(
            number for query in batch for number in (*self.positives[query], *self.negatives[query])
        )
        each = -(-len(numbers) // world)
        padded = [*numbers, *[next(iter(numbers))] * (each * world - len(numbers))]
        own = batch[rank::world]
        relation = torch.full((len(own), len(padded)), NEGATIVE)
        relation[:, len(numbers) :] = PADDING
        column = {number: at for at, number in enumerate(numbers)}
        for row, query in enumerate(own):
            relation[row, [column[number] for number in self.positives[query]]] = NEEDED
        return Share(
            queries=[self.queries[query] for query in own],
            documents=[self.documents[number] for number in padded[rank * each : (rank + 1) * each]],
            relation=relation,
            pairs=sum(len(self.positives[query]) for query in batch),
        )


def batch_count(queries: int, size: int) -> int:
    """In how many batches of at most ``size`` they come; the smallest has ``queries`` over that, rounded down."""
    return -(-queries // size)


def load_retrieval_data(folder: str, split: str) -> RetrievalData:
    """The examples of one split, in an order that does not depend on the files.

    Samples may ask the same with other calls: what either needs is then no negative of the query.
    """
    positives: dict[str, set[int]] = {}
    negatives: dict[str, set[int]] = {}
    read: dict[str, int] = {}  # each document's text once, however many rows have it
    rows = 0
    for batch in _rows_of(folder, split):
        rows += batch.num_rows
        columns = (_numbered(batch.column(name), read) for name in ("positives", "negatives"))
        for query, needed, hard in zip(batch.column("query").to_pylist(), *columns, strict=True):
            positives.setdefault(query, set()).update(needed)
            negatives.setdefault(query, set()).update(hard)
    texts = list(read)
    data = RetrievalData(queries=sorted(positives), duplicates=rows - len(positives))
    number: dict[int, int] = {}  # by the order of queries instead of the files'
    for query in data.queries:
        needed, hard = positives[query], negatives[query] - positives[query]
        for numbers, into in ((needed, data.positives), (hard, data.negatives)):
            into.append([number.setdefault(one, len(number)) for one in sorted(numbers, key=texts.__getitem__)])
    data.documents = [texts[one] for one in number]
    return data


def count_retrieval_data(folder: str, split: str) -> tuple[int, int]:
    """Distinct queries of one split, and distinct documents; none of their texts is kept."""
    queries: set[int] = set()
    documents: set[int] = set()
    for batch in _rows_of(folder, split):
        queries.update(map(hash, batch.column("query").to_pylist()))
        for name in ("positives", "negatives"):
            documents.update(map(hash, batch.column(name).flatten().unique().to_pylist()))
    return len(queries), len(documents)


def _rows_of(folder: str, split: str) -> Iterator[pa.RecordBatch]:
    for batch in scan(folder, COLUMNS):
        yield batch.filter(pc.equal(batch.column("split"), split))


def _numbered(column: pa.ListArray, number: dict[str, int]) -> Iterator[list[int]]:
    """Each list with the numbers of its texts; those that have none yet are given the next ones."""
    encoded = column.flatten().dictionary_encode()
    known = [number.setdefault(text, len(number)) for text in encoded.dictionary.to_pylist()]
    flat = iter(encoded.indices.to_pylist())
    for length in pc.list_value_length(column).to_pylist():
        yield [known[at] for at in islice(flat, length)]
