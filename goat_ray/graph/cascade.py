"""A cascade before the teacher: a cheap score decides the clear candidates, the teacher those between.

The teacher first judges a sample of the candidates. Two thresholds are then set so that what lies above ``high`` is
precise enough to accept, and what lies below ``low`` holds few enough good edges to drop. Candidates are sampled apart
on both sides of an even score, because good edges are rare: each side is cut, in the order of its scores, into equal
parts, of which each gives one, so that a side's sample is a fair picture of any stretch of that side.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goat_ray.graph.config import CascadeConfig
from goat_ray.graph.scoring import EdgeModel, Floats, Scorer
from goat_ray.graph.verification import NOT_ACCEPTED, Verify
from goat_ray.records import CandidateEdge, Edge, Reject
from goat_ray.rows import Json
from goat_ray.storage import MANIFEST, Dataset, FunctionStore, read_json

EVEN = 0.5
PRIOR = 10  # labelled candidates that the classifier's own probabilities count for
LIKELY, UNLIKELY = "likely candidates", "unlikely candidates"  # facts in the sample's manifest
BATCH = 4096


class Band(NamedTuple):
    """Scores that the teacher is asked about: ``low <= score < high``. Below is dropped, the rest accepted."""

    low: float
    high: float


@dataclass(frozen=True)
class Side:
    """One side of the even score: a fair sample of it with the teacher's verdicts."""

    scores: Floats  # [n]
    accepted: npt.NDArray[np.bool_]  # [n]
    size: int  # candidates on this side

    @property
    def good(self) -> float:
        """Estimated number of good edges on this side."""
        return float(self.accepted.mean()) * self.size if self.accepted.size else 0.0

    def share(self, where: npt.NDArray[np.bool_], quantile: float) -> tuple[float, float]:
        """(observed, quantile of the believed) share of good edges among some of the sample.

        Believed is a beta distribution: the verdicts, and before them the classifier's probabilities as if they
        were ``PRIOR`` verdicts. Without such a prior, a bound on a rare error would take thousands of verdicts.
        """
        from scipy.stats import beta  # takes a second to load, and most runs have no cascade

        count, good = int(where.sum()), int(self.accepted[where].sum())
        expected = float(np.clip(self.scores[where].mean(), 1e-6, 1 - 1e-6))
        believed = beta.ppf(quantile, PRIOR * expected + good, PRIOR * (1 - expected) + count - good)
        return good / count, float(believed)


def choose_band(likely: Side, unlikely: Side, config: CascadeConfig) -> Band:
    """The widest stretches to decide without asking that meet the targets, observed and believed."""
    return Band(_low(unlikely, likely.good + unlikely.good, config), _high(likely, config))


def _high(likely: Side, config: CascadeConfig) -> float:
    for threshold in sorted({EVEN, *likely.scores.tolist()}):
        above = likely.scores >= threshold
        if above.any() and min(likely.share(above, 1 - config.confidence)) >= config.precision:
            return float(threshold)
    return 1.1  # no score is that high: nothing is accepted without asking


def _low(unlikely: Side, good: float, config: CascadeConfig) -> float:
    for threshold in sorted({EVEN, *unlikely.scores.tolist()}, reverse=True):
        below = unlikely.scores < threshold
        if below.any():
            candidates = unlikely.size * below.mean()
            if max(unlikely.share(below, config.confidence)) * candidates <= (1 - config.recall) * good:
                return float(threshold)
    return 0.0


def choose_sample(
    candidates: Dataset[CandidateEdge], functions: FunctionStore, size: int, facts: dict[str, int]
) -> Iterator[pa.Table]:
    """The candidates to judge first, half from each side; ``facts`` receives how many each side has."""
    scorer = Scorer(functions)
    ids, scores = [], []
    for batch in _batches(candidates):
        ids.append(np.array([int(edge.id, 16) for edge in batch], np.uint64))
        scores.append(scorer.scores(batch))
    chosen: set[int] = set()
    if ids:
        all_ids, all_scores = np.concatenate(ids), np.concatenate(scores)
        sides = {LIKELY: all_scores >= EVEN, UNLIKELY: all_scores < EVEN}
        for name, inside in sides.items():
            facts[name] = int(inside.sum())
            chosen.update(_spread(all_ids[inside], all_scores[inside], size // 2))
    for batch in _batches(candidates):
        rows = [edge.to_row() for edge in batch if int(edge.id, 16) in chosen]
        yield pa.Table.from_pylist(rows, schema=CandidateEdge.arrow_schema())


def _spread(ids: npt.NDArray[np.uint64], scores: Floats, count: int) -> Iterator[int]:
    """One id of each of ``count`` equal parts in the order of scores: the least, which is as good as a random one."""
    ordered = ids[np.lexsort((ids, scores))]
    for part in np.array_split(ordered, min(count, len(ordered)) or 1):
        yield from part[part.argsort()[:1]].tolist()


def _batches(candidates: Dataset[CandidateEdge]) -> Iterator[list[CandidateEdge]]:
    records = candidates.records()
    while batch := list(islice(records, BATCH)):
        yield batch


def calibrate(
    sample: Dataset[CandidateEdge], judged: Dataset[Edge], functions: FunctionStore, config: CascadeConfig
) -> Band:
    """The band that the teacher's verdicts on the sample ask for. What it failed to answer does not count."""
    facts = (read_json(sample.folder / MANIFEST) or {}).get("facts", {})
    verdicts = {one.id: isinstance(one, Edge) for one in _verdicts(judged)}
    edges = sorted((edge for edge in sample.records() if edge.id in verdicts), key=lambda edge: edge.id)
    scores = Scorer(functions).scores(edges)
    accepted = np.array([verdicts[edge.id] for edge in edges], np.bool_)
    on_top = scores >= EVEN
    likely = Side(scores[on_top], accepted[on_top], facts.get(LIKELY, 0))
    unlikely = Side(scores[~on_top], accepted[~on_top], facts.get(UNLIKELY, 0))
    return choose_band(likely, unlikely, config)


def _verdicts(judged: Dataset[Edge]) -> Iterator[Edge | Reject]:
    yield from judged.records()
    yield from (reject for reject in judged.rejected() if reject.reason == NOT_ACCEPTED)


class Cascade(Verify):
    """Asks the teacher only about candidates whose score lies in the band."""

    def __init__(self, verify: Verify, band: Band, judged: Dataset[Edge]) -> None:
        super().__init__(verify.teacher, verify.functions, verify.config, verify.resources)
        self.band = band
        self.judged = judged  # the sample's outcomes, which are not asked for again

    def settings(self) -> Json:
        return {"asked": super().settings(), "model": EdgeModel.shipped().id, "band": list(self.band)}

    @property
    def label(self) -> str:
        """Who decided, as written into records, where it was not the teacher."""
        return f"cascade:{EdgeModel.shipped().id}"

    def start(self) -> None:
        super().start()
        self._scorer = Scorer(self.store)
        self._known = {one.id: one for one in _verdicts(self.judged)}
        self._label = self.label

    def process(self, batch: Sequence[CandidateEdge]) -> Iterator[Edge | Reject]:
        unclear = []
        for edge, score in zip(batch, self._scorer.scores(batch).tolist(), strict=True):
            known = self._known.get(edge.id)
            if known is not None:
                yield known
            elif score >= self.band.high:
                yield Edge(**edge.model_dump(), reason=f"clear: score {score:.4f}", teacher=self._label)
            elif score < self.band.low:
                detail = f"{self.describe(edge)}: clear to {self._label}: score {score:.4f}"
                yield Reject(id=edge.id, reason=NOT_ACCEPTED, detail=detail)
            else:
                unclear.append(edge)
        if unclear:
            yield from super().process(unclear)
