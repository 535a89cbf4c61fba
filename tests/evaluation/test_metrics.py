"""SA, IA, CP and the measures of ranked lists as facts/goat-paper.md defines them, on cases made by hand."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge import Rouge
from sklearn.metrics import ndcg_score

from goat_ray.evaluation.metrics import (
    complete_at,
    correct_path,
    invocation_accuracy,
    mean,
    ndcg_at,
    recall_at,
    rouge_l,
    set_accuracy,
)

calls = st.lists(
    st.tuples(st.sampled_from("abc"), st.dictionaries(st.sampled_from("xy"), st.integers(0, 2), max_size=2)), max_size=4
)


@pytest.mark.parametrize(
    ("predicted", "gold", "sa", "ia"),
    [
        ([], [], 1.0, 1.0),
        ([], [("a", {})], 0.0, 0.0),
        ([("a", {})], [("a", {})], 1.0, 1.0),
        ([("a", {"x": 1})], [("a", {"x": 2})], 1.0, 0.0),
        ([("a", {"x": 1, "y": 2})], [("a", {"y": 2, "x": 1})], 1.0, 1.0),  # key order does not count
        ([("a", {"x": 1})], [("a", {"x": "1"})], 1.0, 0.0),  # a number is not its text
        ([("a", {}), ("a", {})], [("a", {})], 1.0, 1.0),  # sets: duplicates count once
        ([("a", {}), ("b", {})], [("b", {}), ("c", {})], 1 / 3, 1 / 3),
    ],
)
def test_by_hand(predicted: list, gold: list, sa: float, ia: float) -> None:
    assert set_accuracy(predicted, gold) == pytest.approx(sa)
    assert invocation_accuracy(predicted, gold) == pytest.approx(ia)


@given(calls, calls)
def test_bounds_and_symmetry(left: list, right: list) -> None:
    assert 0 <= invocation_accuracy(left, right) <= 1
    assert set_accuracy(left, right) == set_accuracy(right, left)
    assert invocation_accuracy(left, left) == set_accuracy(left, left) == 1


@pytest.mark.parametrize(
    ("predicted", "gold", "expected"),
    [("abc", "ac", True), ("abc", "ca", False), ("", "", True), ("a", "ab", False), ("aab", "aa", True)],
)
def test_correct_path_is_a_subsequence(predicted: str, gold: str, expected: bool) -> None:
    assert correct_path(list(predicted), list(gold)) is expected


# The list is ranked best first. nDCG by hand, with log2: places 1 to 4 are worth 1, 0.6309, 0.5 and 0.4307.
@pytest.mark.parametrize(
    ("k", "ranked", "gold", "recall", "complete", "ndcg"),
    [
        (1, "abcd", "a", 1.0, 1.0, 1.0),
        (1, "abcd", "b", 0.0, 0.0, 0.0),
        (2, "abcd", "b", 1.0, 1.0, 0.6309),
        (3, "abcd", "ac", 1.0, 1.0, (1 + 0.5) / (1 + 0.6309)),
        (2, "abcd", "ac", 0.5, 0.0, 1 / (1 + 0.6309)),
        (1, "abcd", "ac", 0.5, 0.0, 1.0),  # one place can hold one gold document, and it does
        (4, "abcd", "abcd", 1.0, 1.0, 1.0),
        (4, "dcba", "a", 1.0, 1.0, 0.4307),
        (9, "abcd", "ax", 0.5, 0.0, 1 / (1 + 0.6309)),  # more asked for than there is, and one that is nowhere
        (3, "", "a", 0.0, 0.0, 0.0),
    ],
)
def test_ranked_lists_by_hand(k: int, ranked: str, gold: str, recall: float, complete: float, ndcg: float) -> None:
    assert recall_at(k, list(ranked), gold) == pytest.approx(recall)
    assert complete_at(k, list(ranked), gold) == complete
    assert ndcg_at(k, list(ranked), gold) == pytest.approx(ndcg, abs=1e-4)


@given(st.permutations("abcdef"), st.sets(st.sampled_from("abcdef"), min_size=1), st.integers(1, 8))
def test_ndcg_is_scikit_learns(ranked: list[str], gold: set[str], k: int) -> None:
    relevance = [[float(document in gold) for document in ranked]]
    expected = ndcg_score(relevance, [[float(-place) for place in range(len(ranked))]], k=k)
    assert ndcg_at(k, ranked, gold) == pytest.approx(expected)


@pytest.mark.parametrize("measure", [recall_at, complete_at, ndcg_at])
def test_nothing_is_measured_without_gold(measure: Callable[..., float]) -> None:
    with pytest.raises(ValueError, match="gold"):
        measure(1, ["a"], set())


def test_mean_of_nothing_is_zero() -> None:
    assert mean([]) == 0.0
    assert mean([1.0, 0.0]) == 0.5


def test_rouge_l_is_api_banks_for_long_texts() -> None:
    predicted = "".join(f"the film {n} was shown in the city of {n * 7}. " for n in range(60))  # 600 words
    reference = "the film 59 was shown in the city of 413. it ended well."
    assert rouge_l(predicted, reference) == Rouge().get_scores(predicted, reference)[0]["rouge-l"]["f"] > 0
    assert rouge_l(reference, predicted) == rouge_l(predicted, reference)


@pytest.mark.parametrize("words", [1_000, 9_000])
def test_rouge_l_of_a_sentence_too_long_for_the_library_is_of_its_beginning(words: int) -> None:
    """The library raises for the shorter one; for the longer one it would fill the memory before."""
    assert rouge_l("x " * words, "y " * 299 + "x " * words) == rouge_l("x", "y " * 299 + "x") > 0
