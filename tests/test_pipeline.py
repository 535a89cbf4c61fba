"""The road from documents to samples on the shipped documents, by the same classes as `goat run`."""

import json
import re
import shutil
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


@pytest.mark.slow
def test_a_document_more_and_another_changed_give_the_graph_of_a_new_run(
    ray_cluster: None, tmp_path: Path, demo_documents: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *rest = sorted(demo_documents.iterdir())
    documents = tmp_path / "documents"
    documents.mkdir()
    for file in rest:
        shutil.copy(file, documents)
    road(tmp_path / "run", documents, 10).graph()
    shutil.copy(first, documents)
    changed = documents / rest[0].name
    changed.write_text(changed.read_text().replace("Identifier of the", "Number of the"))
    capsys.readouterr()

    edges = road(tmp_path / "run", documents, 10).graph()

    said = capsys.readouterr().out
    for name in ("embeddings", "verified"):
        taken, total = re.search(rf"{name}: ([\d,]+) of ([\d,]+) are as before", said).groups()
        assert 0.1 < int(taken.replace(",", "")) / int(total.replace(",", "")) < 1
    scratch = road(tmp_path / "scratch", documents, 10).graph()
    # Which texts share a batch moves the last bits of their vectors, and so, at times, a cosine's last digit.
    assert without_similarity(edges) == without_similarity(scratch)


def without_similarity(edges: Dataset[Edge]) -> dict[str, Edge]:
    return {edge.id: edge.model_copy(update={"similarity": 0.0}) for edge in edges.records()}


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
