"""Near-duplicate search: it agrees with the exact Jaccard index, and earlier texts win."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from goat_ray.synthesis.config import SynthesisConfig
from goat_ray.synthesis.near_duplicates import HASHES, near_duplicates, signatures

WORDS = "show me all the films by that director of the second one from 1994 with subtitles please now".split()


def jaccard(one: str, other: str) -> float:
    pairs = [set(itertools.pairwise(text.lower().split())) for text in (one, other)]
    return len(pairs[0] & pairs[1]) / len(pairs[0] | pairs[1])


def test_a_word_more_in_a_long_query_is_found_and_another_question_is_not() -> None:
    long = " ".join(WORDS * 2)
    texts = [long, f"{long} thanks", "Which actors played in it?", "who wrote the book", long.upper()]
    like = near_duplicates(signatures(texts), 0.85)
    assert like.tolist() == [-1, 0, -1, -1, 0]


def test_the_estimate_is_near_the_truth_and_finds_what_is_above_the_threshold() -> None:
    rng = np.random.default_rng(3)
    found = missed = wrong = 0
    for _ in range(300):
        one = [f"w{n}" for n in rng.integers(0, 10_000, 40)]
        other = [word if rng.random() > 0.02 else "changed" for word in one]
        texts = [" ".join(one), " ".join(other)]
        like = near_duplicates(signatures(texts), 0.85)[1] == 0
        truth = jaccard(*texts)
        found += like and truth >= 0.85
        missed += (not like) and truth >= 0.93
        wrong += like and truth < 0.75
    assert found > 100 and missed <= 6 and wrong <= 6


@pytest.mark.parametrize("similarity", [0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0])
def test_nearly_all_pairs_from_the_threshold_on_are_found_whatever_it_is(similarity: float) -> None:
    """Signatures that agree in just as many places as the threshold asks for, or in a few more."""
    rng = np.random.default_rng(7)
    least = round(np.ceil(HASHES * (similarity * 255 + 1) / 256 - 1e-9))
    pairs = rng.integers(0, 256, (2000, 2, HASHES), np.uint8)
    for one, other in pairs:
        agreeing = rng.permutation(HASHES)[: rng.integers(least, min(least + 3, HASHES) + 1)]
        other[:] = one + rng.integers(1, 256, HASHES, np.uint8)
        other[agreeing] = one[agreeing]
    like = near_duplicates(pairs.reshape(-1, HASHES), similarity)
    assert (like[::2] < 0).all()
    right = like[1::2] == np.arange(0, len(like), 2)
    assert right.mean() >= 0.95
    assert (like[1::2][~right] < 0).all()


def test_a_similarity_that_the_search_cannot_honour_is_refused() -> None:
    assert SynthesisConfig(near_duplicates=0.3).near_duplicates == 0.3
    with pytest.raises(ValidationError, match=r"greater than or equal to 0\.3"):
        SynthesisConfig(near_duplicates=0.2)


@pytest.mark.parametrize("rows", [0, 1])
def test_few_texts_have_no_duplicates(rows: int) -> None:
    assert near_duplicates(signatures(["one"] * rows), 0.9).tolist() == [-1] * rows


def test_empty_and_one_word_texts_have_signatures() -> None:
    assert signatures(["", "word"]).shape == (2, HASHES)


@given(st.lists(st.lists(st.sampled_from(WORDS[:6]), min_size=1, max_size=5), max_size=12))
def test_losers_give_way_to_an_earlier_text_of_the_same_bucket(texts: list[list[str]]) -> None:
    said = [" ".join(text) for text in texts]
    like = near_duplicates(signatures(said), 0.9)
    assert all(winner < row for row, winner in enumerate(like))
    firsts = {text: said.index(text) for text in said}
    for row, text in enumerate(said):
        if firsts[text] != row:
            assert like[row] >= 0, "equal texts are alike"
