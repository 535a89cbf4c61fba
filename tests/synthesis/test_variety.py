"""Measures of variety."""

import pytest

from goat_ray.synthesis.variety import distinct, self_bleu


def test_distinct_counts_each_ngram_once() -> None:
    assert distinct(["a b a", "a b"], 1) == pytest.approx(2 / 5)
    assert distinct(["a b a", "a b"], 2) == pytest.approx(2 / 3)
    assert distinct([], 1) == 0


def test_self_bleu_is_one_for_copies_and_low_for_strangers() -> None:
    assert self_bleu(["where is the old red house"] * 3) == pytest.approx(1)
    assert self_bleu(["where is the old red house", "tell me who wrote these two books"]) < 0.1
    assert self_bleu(["alone"]) == 0
