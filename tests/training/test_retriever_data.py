"""What is read, how it is cut into batches, and what each worker gets of one."""

import random
import tracemalloc
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from goat_ray.identity import content_id
from goat_ray.records import RetrievalExample
from goat_ray.training.retriever_data import RetrievalData, count_retrieval_data, load_retrieval_data
from goat_ray.training.retriever_loss import NEEDED, PADDING
from tests.training.conftest import write_parquet


@given(st.integers(1, 60), st.integers(2, 8), st.integers(0, 3))
def test_every_query_once_in_even_batches(count: int, size: int, seed: int) -> None:
    batches = RetrievalData(queries=[str(number) for number in range(count)]).batches(size, random.Random(seed))
    assert sorted(query for batch in batches for query in batch) == list(range(count))
    sizes = {len(batch) for batch in batches}
    assert max(sizes) <= size and max(sizes) - min(sizes) <= 1


NEEDS = st.lists(st.sets(st.integers(0, 9), min_size=1, max_size=4), min_size=2, max_size=12)


@given(NEEDS, st.sets(st.integers(0, 9)), st.integers(1, 2))
def test_the_shares_of_all_workers_are_the_batch(needs: list[set[int]], hard: set[int], world: int) -> None:
    data = RetrievalData(
        queries=[f"query {number}" for number in range(len(needs))],
        documents=[f"document {number}" for number in range(10)],
        positives=[sorted(need) for need in needs],
        negatives=[sorted(hard - need) for need in needs],
    )
    shares = [data.share(range(len(needs)), rank, world) for rank in range(world)]
    assert sorted(query for share in shares for query in share.queries) == sorted(data.queries)
    assert len({len(share.documents) for share in shares}) == 1
    documents = [document for share in shares for document in share.documents]
    for share in shares:
        assert share.pairs == sum(map(len, needs))
        for query, row in zip(share.queries, share.relation.tolist(), strict=True):
            needed = {documents[at] for at, kind in enumerate(row) if kind == NEEDED}
            assert needed == {data.documents[number] for number in needs[data.queries.index(query)]}
            kept = [documents[at] for at, kind in enumerate(row) if kind != PADDING]
            assert max(Counter(kept).values()) == 1
            assert set(kept) == {data.documents[number] for number in set().union(hard, *needs)}


def example(query: str, positives: str, negatives: str = "", split: str = "train") -> RetrievalExample:
    return RetrievalExample(
        id=content_id(query, positives, split),
        query=query,
        positives=list(positives),
        negatives=list(negatives),
        split=split,
    )


def test_loading_does_not_depend_on_files_and_what_any_sample_needs_is_no_negative(tmp_path: Path) -> None:
    records = [example("b", "xy", "z"), example("a", "x", "y"), example("b", "z", "w"), example("c", "q", "", "test")]
    one = load_retrieval_data(write_parquet(tmp_path / "one", records, files=1), "train")
    two = load_retrieval_data(write_parquet(tmp_path / "two", records[::-1], files=2), "train")
    assert one == two
    named = [[[one.documents[number] for number in row] for row in rows] for rows in (one.positives, one.negatives)]
    assert (one.queries, *named) == (["a", "b"], [["x"], ["x", "y", "z"]], [["y"], ["w"]])
    assert one.duplicates == 1
    assert count_retrieval_data(str(tmp_path / "one"), "train") == (len(one.queries), len(one.documents))


def test_a_document_that_many_rows_have_is_kept_once(tmp_path: Path) -> None:
    long = [letter * 10_000 for letter in "xyz"]
    records = [
        example(str(number), "").model_copy(update={"positives": long[:2], "negatives": long[2:]})
        for number in range(400)
    ]
    folder = write_parquet(tmp_path / "examples", records)
    tracemalloc.start()
    try:
        data = load_retrieval_data(folder, "train")
        assert count_retrieval_data(folder, "train") == (len(data.queries), len(data.documents)) == (400, 3)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2_000_000, "400 rows of 3 documents of 10 kB would be 12 MB"
