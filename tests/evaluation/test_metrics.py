"""SA, IA, CP and recall as facts/goat-paper.md defines them, on cases made by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goat_ray.evaluation.metrics import correct_path, invocation_accuracy, mean, recall_at, set_accuracy

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


def test_recall() -> None:
    assert recall_at(2, ["a", "b", "c"], {"a", "c"}) == 0.5
    assert recall_at(3, ["a", "b", "c"], {"a", "c"}) == 1.0
    with pytest.raises(ValueError, match="gold"):
        recall_at(1, ["a"], set())


def test_mean_of_nothing_is_zero() -> None:
    assert mean([]) == 0.0
    assert mean([1.0, 0.0]) == 0.5
