"""Filter 1 of the funnel: pairs of output field and parameter that mean similar things (paper: section 3.1).

A corpus of 100,000 functions has tens of millions of candidates, so the work here is on whole columns: numbers
stand for functions, texts and types, and records appear only while a service is read.
"""

from collections.abc import Iterator, Sequence
from typing import get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from goat_ray.graph.config import CandidatesConfig
from goat_ray.graph.ends import ends, fits, wanted_type
from goat_ray.identity import content_id, digest, pair_ids
from goat_ray.records import ApiFunction, CandidateEdge, Neighbours, Parameter, ValueType
from goat_ray.storage import Dataset, FunctionStore

Numbers = npt.NDArray[np.int64]
TYPES: tuple[ValueType, ...] = get_args(ValueType)
PARAMETERS = 2048  # worked on at once


def find_candidates(
    functions: FunctionStore, neighbours: Dataset[Neighbours], config: CandidatesConfig, facts: dict[str, int]
) -> Iterator[pa.Table]:
    """The most similar fields of other functions for each parameter, above the floor, as tables of ``CandidateEdge``.

    Ordered by target and parameter. Of equally similar fields, those of the target's own service come first, as
    others may mean another thing by it. ``facts`` receives how many pairs there were.
    """
    corpus = _Corpus(functions)
    sources = _Sources(corpus)
    near = _near(neighbours, corpus.texts, config)
    for start in range(0, len(corpus.asking.function), PARAMETERS):
        targets = np.arange(start, min(start + PARAMETERS, len(corpus.asking.function)))
        yield _edges(corpus, *_pairs(corpus, sources, near, targets, config.per_parameter))
    fields, asking = len(corpus.carrying.function), len(corpus.asking.function)
    facts["pairs"] = corpus.parameters * fields
    facts["pairs of the caller's own parameters"] = (corpus.parameters - asking) * fields


class _Ends:
    """Ends of one kind, a column for each of their properties."""

    def __init__(self, rows: Sequence[tuple[int, str, str, int, int, int]]) -> None:
        functions, names, meanings, texts, types, digests = zip(*rows, strict=True) if rows else [()] * 6
        self.function = np.array(functions, np.int64)
        self.name = pa.array(names, pa.string())  # of the parameter, or the path of the field
        self.meaning = pa.array(meanings, pa.string())
        self.text = np.array(texts, np.int64)
        self.type = np.array(types, np.int64)
        self.digest = np.array(digests, np.uint64)


class _Corpus:
    """All functions and ends. Functions are numbered service by service, so that a service is a range of numbers."""

    def __init__(self, functions: FunctionStore) -> None:
        ids: list[str] = []
        firsts: list[int] = []
        sizes: list[int] = []
        self.texts: dict[str, int] = {}  # id of an embedded text -> number
        self.parameters = 0
        asking: list[tuple[int, str, str, int, int, int]] = []
        carrying: list[tuple[int, str, str, int, int, int]] = []
        for service in functions.services():
            firsts.append(len(ids))
            sizes.append(len(service))
            number = {function.id: len(ids) + place for place, function in enumerate(service)}
            ids += number
            self.parameters += sum(len(function.parameters) for function in service)
            asked, carried = ends(service)
            asking += (
                self._row(number, one.function, one.parameter.name, one.wants, one.text, wanted_type(one.parameter))
                for one in asked
            )
            carrying += (
                self._row(number, one.function, one.field.path, one.carries, one.text, one.field.type)
                for one in carried
            )
        self.ids = pa.array(ids, pa.string())
        self.service_first = np.repeat(np.array(firsts, np.int64), sizes)
        self.service_end = self.service_first + np.repeat(np.array(sizes, np.int64), sizes)
        self.asking, self.carrying = _Ends(asking), _Ends(carrying)

    def _row(
        self, number: dict[str, int], function: ApiFunction, name: str, meaning: str, text: str, type_: ValueType
    ) -> tuple[int, str, str, int, int, int]:
        text_number = self.texts.setdefault(content_id(text), len(self.texts))
        return number[function.id], name, meaning, text_number, TYPES.index(type_), digest(function.id, name)


class _Sources:
    """The fields ordered by slot, that is by text and type, and then by function: who carries a text is a range."""

    def __init__(self, corpus: _Corpus) -> None:
        fields = corpus.carrying
        self._functions = max(len(corpus.ids), 1)
        slots = fields.text * len(TYPES) + fields.type
        keys = slots * self._functions + fields.function
        self.order = np.argsort(keys, kind="stable")
        self._keys = keys[self.order]
        self._slots = np.unique(slots)  # ordered by text, so the slots of a text are a range, too
        self._slots_of_text = np.searchsorted(self._slots, np.arange(len(corpus.texts) + 1) * len(TYPES))

    def slots(self, texts: Numbers, wanted: Numbers) -> tuple[Numbers, Numbers]:
        """(which of the texts, slot) for each slot of each text whose type fits the wanted one."""
        first = self._slots_of_text[texts]
        which, place = _expand(first, self._slots_of_text[texts + 1] - first)
        slots = self._slots[place]
        fitting = _FITS[slots % len(TYPES), wanted[which]]
        return which[fitting], slots[fitting]

    def carried_by(self, slots: Numbers, first: Numbers | int, end: Numbers | int) -> tuple[Numbers, Numbers]:
        """The range of fields of each slot that the functions numbered first to end, exclusive, have."""
        base = slots * self._functions
        return np.searchsorted(self._keys, base + first), np.searchsorted(self._keys, base + end)

    def all(self, slots: Numbers) -> tuple[Numbers, Numbers]:
        """The range of all fields of each slot."""
        return self.carried_by(slots, 0, self._functions)


_FITS = np.array(
    [[fits(given, Parameter(name="", location="query", type=wanted)) for wanted in TYPES] for given in TYPES]
)
"""[given type, wanted type] -> whether the one can be written where the other is wanted"""


def _near(
    neighbours: Dataset[Neighbours], numbers: dict[str, int], config: CandidatesConfig
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Numbers and cosines of the neighbours above the floor, each [texts, k]; -1 where there is none."""
    ids = pa.array(numbers, pa.string())
    texts = np.full((len(ids), config.per_parameter), -1, np.int32)
    scores = np.zeros(texts.shape, np.float32)
    for batch in neighbours.batches(["id", "nearest", "similarities"]):
        lengths = pc.list_value_length(batch["nearest"]).to_numpy()
        own = pc.fill_null(pc.index_in(batch["id"], ids), -1).to_numpy()
        found = pc.fill_null(pc.index_in(batch["nearest"].flatten(), ids), -1).to_numpy()
        cosines = batch["similarities"].flatten().to_numpy()
        which, place = _expand(np.cumsum(lengths) - lengths, lengths)
        rank = place - (np.cumsum(lengths) - lengths)[which]
        good = (own[which] >= 0) & (found >= 0) & (cosines >= config.floor)
        texts[own[which[good]], rank[good]] = found[good]
        scores[own[which[good]], rank[good]] = cosines[good]
    return texts, scores


def _pairs(
    corpus: _Corpus,
    sources: _Sources,
    near: tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]],
    targets: Numbers,
    limit: int,
) -> tuple[Numbers, Numbers, npt.NDArray[np.float32]]:
    """(asking end, carrying end, cosine) of the first ``limit`` pairs of each target, best first."""
    asking = corpus.asking
    texts, scores = near[0][asking.text[targets]], near[1][asking.text[targets]]
    there = texts >= 0
    target = targets[np.nonzero(there)[0]]  # of each pair of target and text, which are ordered as they shall be
    pair, slot = sources.slots(texts[there].astype(np.int64), asking.type[target])
    function = asking.function[target[pair]]
    whole = sources.all(slot)
    service = sources.carried_by(slot, corpus.service_first[function], corpus.service_end[function])
    itself = sources.carried_by(slot, function, function + 1)
    # What the service's other functions carry, before and behind the target itself, then what other services carry.
    starts = np.stack([service[0], itself[1], whole[0], service[1]], axis=1)
    stops = np.stack([itself[0], service[1], service[0], whole[1]], axis=1)
    foreign = np.broadcast_to(np.array([0, 0, 1, 1]), starts.shape)
    piece_pair = np.repeat(pair, 4)
    order = np.lexsort((foreign.ravel(), piece_pair))  # stable: pieces and slots stay in order within
    order = order[(stops - starts).ravel()[order] > 0]
    starts, lengths, piece_pair = starts.ravel()[order], (stops - starts).ravel()[order], piece_pair[order]
    piece, place = _expand(starts, _first_of_each(target[piece_pair], lengths, limit))
    return target[piece_pair[piece]], sources.order[place], scores[there][piece_pair[piece]]


def _first_of_each(group: Numbers, lengths: Numbers, limit: int) -> Numbers:
    """The lengths, shortened so that those of consecutive equal groups add up to the limit at most."""
    before = np.cumsum(lengths) - lengths
    starts = np.concatenate([[True], group[1:] != group[:-1]]) if len(group) else np.empty(0, bool)
    before -= np.maximum.accumulate(np.where(starts, before, 0))
    return np.clip(limit - before, 0, lengths)


def _edges(corpus: _Corpus, target: Numbers, source: Numbers, cosine: npt.NDArray[np.float32]) -> pa.Table:
    asking, carrying = corpus.asking, corpus.carrying
    columns = {
        "id": pair_ids(carrying.digest[source], asking.digest[target]),
        "source": corpus.ids.take(pa.array(carrying.function[source])),
        "field": carrying.name.take(pa.array(source)),
        "target": corpus.ids.take(pa.array(asking.function[target])),
        "parameter": asking.name.take(pa.array(target)),
        "carries": carrying.meaning.take(pa.array(source)),
        "wants": asking.meaning.take(pa.array(target)),
        "similarity": np.round(cosine.astype(np.float64), 4),
    }
    return pa.table(columns, schema=CandidateEdge.arrow_schema())


def _expand(first: Numbers, lengths: Numbers) -> tuple[Numbers, Numbers]:
    """(which range, element) for each element of ranges of integers."""
    which = np.repeat(np.arange(len(first)), lengths)
    within = np.arange(len(which)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return which, first[which] + within
