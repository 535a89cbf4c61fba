"""The road from documents to samples on the shipped documents, by the same classes as `goat run`."""

import json
from collections import Counter
from pathlib import Path

import pytest

from goat_ray.config import GoatConfig
from goat_ray.documents.config import DocumentsConfig
from goat_ray.pipeline import Road
from goat_ray.records import Edge, Sample
from goat_ray.storage import Dataset, FunctionStore

pytestmark = pytest.mark.ray


def road(directory: Path, documents: Path, plans: int) -> Road:
    return Road(
        GoatConfig.model_validate(
            {
                "run": {"directory": str(directory)},
                "documents": DocumentsConfig(paths=[str(documents)]).model_dump(),
                "sampling": {"plans": plans},
            }
        )
    )


@pytest.mark.slow
def test_documents_become_samples_and_a_second_run_makes_nothing_new(
    ray_cluster: None, tmp_path: Path, demo_documents: Path
) -> None:
    first = road(tmp_path / "a", demo_documents, 120).synthesize()
    assert first.rows >= 80
    modified = {file: file.stat().st_mtime_ns for file in (tmp_path / "a").rglob("*.parquet")}

    again = road(tmp_path / "a", demo_documents, 120).synthesize()
    assert again == first
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "a").rglob("*.parquet")} == modified

    elsewhere = road(tmp_path / "b", demo_documents, 120).synthesize()
    key = {sample.id: sample for sample in first.records()}
    assert {sample.id: sample for sample in elsewhere.records()} == key, "same input, config and seed: same samples"


@pytest.fixture(scope="module")
def tmdb_edges(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory, tmdb_document: Path) -> Dataset[Edge]:
    return road(tmp_path_factory.mktemp("tmdb"), tmdb_document, 10).graph()


@pytest.mark.slow
def test_the_graph_of_a_real_document_agrees_with_the_gold(tmdb_edges: Dataset[Edge], tmdb_document: Path) -> None:
    gold_folder = tmdb_document.parents[1] / "gold"
    gold, ambiguous = (
        {(edge["source"], edge["target"], edge["param"]) for edge in map(json.loads, (gold_folder / name).open())}
        for name in ("tmdb_edges.jsonl", "tmdb_ambiguous.jsonl")
    )
    functions = FunctionStore.open(str(tmdb_edges.folder.parent / "functions" / "outcome=kept"))
    found = {
        (functions[edge.source].title, functions[edge.target].title, edge.parameter) for edge in tmdb_edges.records()
    } - (ambiguous - gold)
    right = len(found & gold)
    assert right / len(found) >= 0.95, "precision"
    assert right / len(gold) >= 0.6, "recall"


def test_every_edge_carries_what_each_filter_saw(tmdb_edges: Dataset[Edge]) -> None:
    for edge in tmdb_edges.records():
        assert edge.similarity > 0 and edge.reason and edge.teacher == "rules"
        assert edge.execution and edge.origin == "simulated"
    reasons = Counter(tmdb_edges.rejects)
    assert sum(reasons.values()) > 0 and all(reasons)


def test_samples_are_parquet_that_others_can_read(ray_cluster: None, tmp_path: Path, demo_documents: Path) -> None:
    import datasets

    samples: Dataset[Sample] = road(tmp_path, demo_documents, 30).synthesize()
    read = datasets.load_dataset("parquet", data_dir=samples.data, split="train", cache_dir=str(tmp_path / "cache"))
    assert len(read) == samples.rows
    assert {"query", "subqueries", "calls", "response", "lineage"} <= set(read.column_names)
