"""Queries with the documents that they need, as the retriever's training reads them: batches and workers' shares."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

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
        count = -(-len(order) // size)
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


def load_retrieval_data(folder: str, split: str) -> RetrievalData:
    """The examples of one split, in an order that does not depend on the files.

    Samples may ask the same with other calls: what either needs is then no negative of the query.
    """
    positives: dict[str, set[str]] = {}
    negatives: dict[str, set[str]] = {}
    rows = 0
    for batch in scan(folder, COLUMNS):
        for query, needed, hard, of in zip(*(batch.column(name).to_pylist() for name in COLUMNS), strict=True):
            if of == split:
                rows += 1
                positives.setdefault(query, set()).update(needed)
                negatives.setdefault(query, set()).update(hard)
    data = RetrievalData(queries=sorted(positives), duplicates=rows - len(positives))
    number: dict[str, int] = {}
    for query in data.queries:
        needed, hard = positives[query], negatives[query] - positives[query]
        data.positives.append([number.setdefault(text, len(number)) for text in sorted(needed)])
        data.negatives.append([number.setdefault(text, len(number)) for text in sorted(hard)])
    data.documents = list(number)
    return data
