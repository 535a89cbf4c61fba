"""The search against a plain sort of all scores: exact, ordered, and the same however the work is cut."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goat_ray.errors import RunError
from goat_ray.graph.search import Block, Rows, Scores, SearchConfig, Vectors, merge, nearest, split

EXACT = SearchConfig(exact_up_to=10**9)
LISTS = SearchConfig(exact_up_to=0)


def unit(vectors: np.ndarray) -> Scores:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def random_vectors(count: int, seed: int, width: int = 384) -> Scores:
    return unit(np.random.default_rng(seed).standard_normal((count, width)))


def clustered(count: int, seed: int, centres: int = 200) -> Scores:
    """Vectors like those of field texts: an entity, an attribute, and something of their own."""
    parts = random_vectors(centres, seed=1)
    random = np.random.default_rng(seed)
    entity, attribute = parts[random.integers(0, centres, count)], parts[random.integers(0, centres // 5, count)]
    return unit(entity + 0.6 * attribute + 0.3 * random_vectors(count, seed))


def tied(count: int, seed: int, distinct: int = 5) -> Scores:
    return random_vectors(distinct, seed=2)[np.random.default_rng(seed).integers(0, distinct, count)]


def naive(queries: Vectors, base: Vectors, k: int) -> tuple[Scores, Rows]:
    """All products in double precision, rounded, sorted by (score, row)."""
    scores = np.rint(queries.astype(np.float64) @ base.astype(np.float64).T * 10_000) / 10_000
    rows = np.lexsort((np.broadcast_to(np.arange(len(base)), scores.shape), -scores), axis=1)[:, :k]
    return np.take_along_axis(scores, rows, axis=1).astype(np.float32), rows


def joined(blocks: Sequence[Block]) -> tuple[Scores, Rows]:
    assert [block.start for block in blocks] == list(np.cumsum([0] + [len(block.rows) for block in blocks[:-1]]))
    return np.concatenate([block.scores for block in blocks]), np.concatenate([block.rows for block in blocks])


def found(queries: Vectors, base: Vectors, k: int, config: SearchConfig) -> tuple[Scores, Rows]:
    return joined(list(nearest(queries, base, k, config)))


def same(left: tuple[Scores, Rows], right: tuple[Scores, Rows]) -> bool:
    return np.array_equal(left[0], right[0]) and np.array_equal(left[1], right[1])


@pytest.mark.parametrize("make", [random_vectors, clustered, tied])
@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize("k", [1, 10, 100])
def test_exact_search_equals_a_sort_of_all_scores(make, kind, k) -> None:
    base, queries = make(3000, seed=3).astype(kind), make(50, seed=4).astype(kind)

    scores, rows = found(queries, base, k, EXACT)

    best, order = naive(queries, base, k)
    # A score within a rounding error of half a unit may round either way; nothing else may differ.
    assert np.allclose(scores, best, atol=1.1e-4)
    assert (rows != order).mean() < 0.001
    assert np.all((scores[:, :-1] > scores[:, 1:]) | ((scores[:, :-1] == scores[:, 1:]) & (rows[:, :-1] < rows[:, 1:])))


def test_a_tie_wider_than_any_shortlist_is_answered_by_the_lowest_rows() -> None:
    twin = random_vectors(1, seed=5)
    base = np.concatenate([random_vectors(500, seed=6), np.repeat(twin, 1000, axis=0)])

    scores, rows = found(twin, base, 10, EXACT)

    assert rows[0].tolist() == list(range(500, 510))
    assert set(scores[0].tolist()) == {1.0}


@settings(max_examples=25)
@given(
    rows=st.integers(1, 300),
    k=st.integers(1, 40),
    shards=st.integers(1, 5),
    block=st.integers(1, 60),
    distinct=st.integers(1, 50),
    lists=st.booleans(),
)
def test_the_answer_does_not_depend_on_shards_or_blocks(rows, k, shards, block, distinct, lists) -> None:
    base, queries = tied(rows, seed=7, distinct=distinct), tied(50, seed=8, distinct=distinct)
    whole = SearchConfig(exact_up_to=0 if lists else rows)
    cut = whole.model_copy(update={"shards": shards, "block": block})

    assert same(found(queries, base, k, whole), found(queries, base, k, cut))


def test_lists_find_as_many_neighbours_as_asked_for() -> None:
    base, queries = clustered(8000, seed=9), clustered(300, seed=10)

    approximate, exact = found(queries, base, 10, LISTS), found(queries, base, 10, EXACT)

    common = [len(set(a) & set(b)) / 10 for a, b in zip(approximate[1], exact[1], strict=True)]
    assert 0.98 <= np.mean(common) < 1
    assert same(approximate, found(queries, base, 10, LISTS))
    # Scores are exact even where a neighbour was missed.
    assert np.allclose(approximate[0], np.einsum("qd,qkd->qk", queries, base[approximate[1]]), atol=6e-5)


def test_halves_are_searched_in_lists_too() -> None:
    base, queries = clustered(1500, seed=9).astype(np.float16), clustered(300, seed=10).astype(np.float16)

    approximate, exact = found(queries, base, 10, LISTS), found(queries, base, 10, EXACT)

    assert (approximate[1] == exact[1]).mean() >= 0.98


@pytest.mark.parametrize("config", [EXACT, LISTS])
def test_places_without_a_neighbour_are_marked(config) -> None:
    base, queries = random_vectors(3, seed=11), random_vectors(2, seed=12)

    scores, rows = found(queries, base, 5, config)

    assert same((scores[:, :3], rows[:, :3]), naive(queries, base, 3))
    assert np.all(rows[:, 3:] == -1)
    assert np.all(np.isneginf(scores[:, 3:]))


@pytest.mark.parametrize("config", [EXACT, LISTS])
def test_an_empty_base_gives_no_neighbours_and_no_queries_give_no_block(config) -> None:
    nothing = np.empty((0, 384), np.float32)

    scores, rows = found(random_vectors(7, seed=1), nothing, 5, config)

    assert scores.shape == rows.shape == (7, 5)
    assert np.all(rows == -1)
    assert list(nearest(nothing, random_vectors(7, seed=1), 5, config)) == []


def test_old_answers_and_those_of_new_rows_merge_into_the_whole_answer() -> None:
    base, queries = tied(900, seed=13, distinct=300), tied(40, seed=14, distinct=300)
    old = found(queries, base[:600], 20, EXACT)
    new = joined(list(nearest(queries, base[600:], 20, EXACT, first_row=600)))

    assert same(merge([old, new], 20), found(queries, base, 20, EXACT))
    assert same(merge([new, old], 20), merge([old, new], 20))


def test_a_memory_mapped_file_serves_as_base(tmp_path) -> None:
    base, queries = clustered(2000, seed=15), clustered(20, seed=16)
    np.save(tmp_path / "base.npy", base)

    assert same(found(queries, np.load(tmp_path / "base.npy", mmap_mode="r"), 8, EXACT), found(queries, base, 8, EXACT))


def test_vectors_that_do_not_fit_are_refused_with_a_remedy() -> None:
    good = random_vectors(20, seed=17)
    broken = good.copy()
    broken[13, 5] = np.nan
    for queries, base, message in (
        (good, random_vectors(5, seed=1, width=16), r"384 dimensions and the base has 16.*same model"),
        (good.astype(np.float64), good, r"queries are float64"),
        (good, good[0], r"base are float32\[384\]"),
        (good, broken, r"base vector 13 is not finite"),
        (broken, good, r"query vector 13 is not finite"),
        (good, good * 3, r"base vector 0 is not finite or longer than 1"),
    ):
        with pytest.raises(RunError, match=message):
            list(nearest(queries, base, 3, EXACT))
    with pytest.raises(RunError, match="at least one"):
        list(nearest(good, good, 0, EXACT))


@given(rows=st.integers(0, 3000), shards=st.integers(1, 9))
def test_shards_cover_every_row_once(rows, shards) -> None:
    parts = split(rows, SearchConfig(shards=shards))

    assert [row for part in parts for row in part] == list(range(rows))
    assert len(parts) <= shards and all(parts)


def test_a_higher_recall_looks_at_more_lists() -> None:
    base, queries = clustered(8000, seed=9), clustered(300, seed=10)
    exact = found(queries, base, 10, EXACT)[1]

    shares = []
    for recall in (0.5, 0.9, 1.0):
        rows = found(queries, base, 10, SearchConfig(exact_up_to=0, recall=recall))[1]
        shares.append(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(rows, exact, strict=True)]))

    assert shares == sorted(shares)
    assert 0.5 <= shares[0] < 0.8 and shares[1] == pytest.approx(0.9, abs=0.04) and shares[2] == 1
