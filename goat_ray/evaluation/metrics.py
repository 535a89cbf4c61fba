"""The measures of the paper and of the benchmarks, on plain lists of calls."""

from collections.abc import Iterable, Sequence
from math import log2, prod
from statistics import fmean
from typing import Any

from rouge import Rouge

from goat_ray.identity import canonical_json

ROUGE_WORDS = 300  # of each text, where a sentence is too long for the library
ROUGE_PAIRS = 2_000_000  # of words of two sentences; the library keeps some 200 bytes for each

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
    """ROUGE-L F1 by the library that API-Bank's own evaluator calls; 0.0 where a text has no words.

    The library's recursion is as deep as two sentences are long, and API-Bank's evaluator ends where that is too deep;
    here the beginnings of the texts are compared then.
    """
    texts = predicted, reference  # with their blanks, which the library counts
    if not all(text.replace(".", " ").strip() for text in texts):
        return 0.0  # the library raises where it finds no sentence
    try:
        if prod(max(len(sentence.split()) for sentence in text.split(".")) for text in texts) > ROUGE_PAIRS:
            raise RecursionError
        return _rouge_l(*texts)
    except RecursionError:
        return _rouge_l(*(" ".join(text.split()[:ROUGE_WORDS]) for text in texts))


def _rouge_l(predicted: str, reference: str) -> float:
    score: float = Rouge(metrics=["rouge-l"], stats=["f"]).get_scores(predicted, reference)[0]["rouge-l"]["f"]
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
