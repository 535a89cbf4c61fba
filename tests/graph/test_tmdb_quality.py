"""The embedded default on the real TMDB document, against its hand-made gold graph."""

from pathlib import Path

from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.executors.config import ExecutorConfig
from goat_ray.graph.execution import ExecuteEdges
from goat_ray.graph.quality import Gold, grade
from goat_ray.graph.verification import Verify
from goat_ray.records import ApiFunction, Edge
from goat_ray.storage import FunctionStore, write_records
from goat_ray.teacher.rules import RulesTeacher
from tests.conftest import shared
from tests.world import all_pairs


def test_precision_and_recall_after_the_last_stage(tmdb_document: Path, tmp_path: Path) -> None:
    config = DocumentsConfig(paths=[str(tmdb_document)])
    found = [one for one in Ingest(config).process(discover(config)) if isinstance(one, ApiFunction)]
    write_records(tmp_path, ApiFunction, found)
    data = str(tmp_path / "outcome=kept")
    store = FunctionStore.open(data)
    edges = all_pairs(store)
    for step in (Verify(RulesTeacher(), data), ExecuteEdges(ExecutorConfig(), data)):
        step.start()
        edges = [edge for edge in step.process(edges) if isinstance(edge, Edge)]  # type: ignore[misc, arg-type]
    gold = Gold.read(shared("gold", "tmdb_edges.jsonl"), shared("gold", "tmdb_ambiguous.jsonl"))
    quality = grade(edges, gold, store)
    assert quality.triples.precision >= 0.95
    assert quality.triples.recall >= 0.85
    assert quality.fields >= 0.95
