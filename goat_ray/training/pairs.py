"""(query, document) pairs, and batches in which every other document is a true negative."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from goat_ray.training.scanning import scan

DUPLICATE = "duplicate"
"""Why a pair is left out: the same query and document came before."""

WITHOUT_NEGATIVE = "without-negative"
"""Why a pair is left out: no other pair fits in a batch with it, or it is what sharing a batch out leaves."""


@dataclass
class Pairs:
    """Distinct pairs of one split: ``indices[i]`` says which query and which document make pair ``i``."""

    queries: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    indices: list[tuple[int, int]] = field(default_factory=list)
    duplicates: int = 0

    def texts(self, rows: Sequence[int]) -> tuple[list[str], list[str]]:
        """The queries and the documents of these pairs."""
        chosen = [self.indices[row] for row in rows]
        return [self.queries[query] for query, _ in chosen], [self.documents[document] for _, document in chosen]


def load_pairs(folder: str, split: str) -> Pairs:
    """The pairs of one split, in an order that does not depend on the files."""
    found: Counter[tuple[str, str]] = Counter()
    for batch in scan(folder, ["query", "document", "split"]):
        columns = (batch.column(name).to_pylist() for name in ("query", "document", "split"))
        found.update((query, document) for query, document, of in zip(*columns, strict=True) if of == split)
    pairs = Pairs(duplicates=found.total() - len(found))
    query_at: dict[str, int] = {}
    document_at: dict[str, int] = {}
    for query, document in sorted(found):
        pairs.indices.append(
            (query_at.setdefault(query, len(query_at)), document_at.setdefault(document, len(document_at)))
        )
    pairs.queries, pairs.documents = list(query_at), list(document_at)
    return pairs


def distinct_batches(indices: Sequence[tuple[int, int]], size: int, random_: random.Random) -> list[list[int]]:
    """All pairs in batches of at most ``size``, no query and no document twice in a batch.

    A second pair with the same document would count as a negative of the first and be a false one.
    The library's NO_DUPLICATES sampler searches all remaining pairs for each batch, which is quadratic
    where documents are few and queries many, as here. This deals each document's pairs out to
    consecutive batches, round and round: linear, and batches of nearly the same size.
    """
    pairs_of: dict[int, list[int]] = {}
    for row, (_, document) in enumerate(indices):
        pairs_of.setdefault(document, []).append(row)
    groups = list(pairs_of.values())
    random_.shuffle(groups)
    for group in groups:
        random_.shuffle(group)
    queries = Counter(query for query, _ in indices)
    most = max([len(group) for group in groups] + list(queries.values()), default=0)
    deal = _Deal(max(most, -(-len(indices) // size)), size)
    for row in (row for group in groups for row in group):
        deal.place(row, *indices[row])
    batches = [batch for batch in deal.batches if batch]
    random_.shuffle(batches)
    return batches


class _Deal:
    """Batches being filled in turn."""

    def __init__(self, count: int, size: int) -> None:
        self.size = size
        self.batches: list[list[int]] = [[] for _ in range(count)]
        self._queries: list[set[int]] = [set() for _ in range(count)]
        self._documents: list[set[int]] = [set() for _ in range(count)]
        self._next = 0

    def place(self, row: int, query: int, document: int) -> None:
        """Put a pair into the next batch that can take it, or into a new one."""
        count = len(self.batches)
        for at in (*range(self._next, count), *range(self._next)):
            if self._fits(at, query, document):
                break
        else:
            at = count
            self.batches.append([])
            self._queries.append(set())
            self._documents.append(set())
        self.batches[at].append(row)
        self._queries[at].add(query)
        self._documents[at].add(document)
        self._next = (at + 1) % len(self.batches)

    def _fits(self, at: int, query: int, document: int) -> bool:
        return (
            len(self.batches[at]) < self.size and query not in self._queries[at] and document not in self._documents[at]
        )
