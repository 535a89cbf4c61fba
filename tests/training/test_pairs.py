import random
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from goat_ray.identity import content_id
from goat_ray.records import RetrievalPair
from goat_ray.training.pairs import distinct_batches, load_pairs
from tests.training.conftest import write_parquet

PAIRS = st.sets(st.tuples(st.integers(0, 12), st.integers(0, 6)), max_size=60).map(sorted)


@given(PAIRS, st.integers(2, 8), st.integers(0, 3))
def test_every_pair_once_and_no_text_twice_in_a_batch(indices: list[tuple[int, int]], size: int, seed: int) -> None:
    batches = distinct_batches(indices, size, random.Random(seed))
    assert sorted(row for batch in batches for row in batch) == list(range(len(indices)))
    for batch in batches:
        assert 0 < len(batch) <= size
        for side in (0, 1):
            assert max(Counter(indices[row][side] for row in batch).values()) == 1


def test_few_documents_and_many_queries_make_even_batches() -> None:
    documents = 54
    indices = [(query, query % documents) for query in range(5_000)]
    batches = distinct_batches(indices, 64, random.Random(0))
    sizes = [len(batch) for batch in batches]
    assert min(sizes) > 50 and max(sizes) <= documents


def test_epochs_differ_and_seeds_repeat() -> None:
    indices = [(row, row) for row in range(100)]
    first, again, other = (distinct_batches(indices, 8, random.Random(seed)) for seed in (1, 1, 2))
    assert first == again != other


def pair(query: str, document: str, split: str = "train") -> RetrievalPair:
    return RetrievalPair(id=content_id(query, document, split), query=query, document=document, split=split)


def test_loading_drops_duplicates_and_does_not_depend_on_files(tmp_path: Path) -> None:
    records = [pair("b", "x"), pair("a", "x"), pair("a", "y"), pair("b", "x"), pair("c", "z", "validation")]
    one = load_pairs(write_parquet(tmp_path / "one", records, files=1), "train")
    two = load_pairs(write_parquet(tmp_path / "two", records[::-1], files=2), "train")
    assert one == two
    assert one.duplicates == 1
    assert one.texts(range(3)) == (["a", "a", "b"], ["x", "y", "x"])
