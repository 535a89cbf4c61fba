"""The measures of the paper and of the benchmarks, on plain lists of calls."""

from collections.abc import Iterable, Sequence
from math import log2
from statistics import fmean
from typing import Any

from rouge import Rouge

from goat_ray.identity import canonical_json

ROUGE_WORDS = 300  # of each text: the library's recursion is as deep as two texts are long

Calls = Sequence[tuple[str, Any]]
"""(function, arguments as JSON) in the order called."""


def jaccard(left: Iterable[str], right: Iterable[str]) -> float:
    """Size of the intersection over size of the union of two sets; 1.0 where both are empty."""
    a, b = set(left), set(right)
    return len(a & b) / len(a | b) if a or b else 1.0


def set_accuracy(predicted: Calls, gold: Calls) -> float:
    """SA of one instance: Jaccard of the sets of functions called (paper: section 4.1)."""
    return jaccard((function for function, _ in predicted), (function for function, _ in gold))


def invocation_accuracy(predicted: Calls, gold: Calls) -> float:
    """IA of one instance: Jaccard of the sets of (function, arguments as canonical JSON)."""
    return jaccard(map(canonical_json, predicted), map(canonical_json, gold))


def correct_path(predicted: Sequence[str], gold: Sequence[str]) -> bool:
    """Whether the gold path is a subsequence of the functions called (RestBench's CP)."""
    remaining = iter(predicted)
    return all(function in remaining for function in gold)


def rouge_l(predicted: str, reference: str) -> float:
    """ROUGE-L F1 of an answer's first words, by the library that API-Bank's own evaluator calls; 0.0 without words."""
    texts = [" ".join(text.split()[:ROUGE_WORDS]) for text in (predicted, reference)]
    if not all(text.strip(" .") for text in texts):
        return 0.0  # the library raises where it finds no sentence
    score: float = Rouge(metrics=["rouge-l"], stats=["f"]).get_scores(*texts)[0]["rouge-l"]["f"]
    return score


def recall_at(k: int, ranked: Sequence[str], gold: Iterable[str]) -> float:
    """Share of the gold documents among the first k; raises ``ValueError`` where there is no gold."""
    wanted = set(gold)
    if not wanted:
        raise ValueError("recall is undefined without gold documents")
    return len(wanted & set(ranked[:k])) / len(wanted)


def complete_at(k: int, ranked: Sequence[str], gold: Iterable[str]) -> float:
    """1.0 where all gold documents are among the first k, else 0.0 (full-set recall; COMP@k of Qu et al. 2024).

    A plan needs each of its functions, so a share of them is no plan. Raises ``ValueError`` where there is no gold.
    """
    return float(recall_at(k, ranked, gold) == 1)


def ndcg_at(k: int, ranked: Sequence[str], gold: Iterable[str]) -> float:
    """Normalised discounted cumulative gain of the first k, gold documents being alike (Järvelin & Kekäläinen 2002).

    ``ranked`` holds no document twice. Raises ``ValueError`` where there is no gold.
    """
    wanted = set(gold)
    if not wanted:
        raise ValueError("nDCG is undefined without gold documents")
    gained = sum(_discount(place) for place, document in enumerate(ranked[:k]) if document in wanted)
    return gained / sum(map(_discount, range(min(k, len(wanted)))))


def _discount(place: int) -> float:
    """What a gold document at this place, counted from 0, is worth."""
    return 1 / log2(place + 2)


def mean(values: Iterable[float]) -> float:
    """Mean over instances; 0.0 where there are none."""
    found = list(values)
    return fmean(found) if found else 0.0
