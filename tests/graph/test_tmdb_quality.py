"""The embedded default on the real TMDB document, against its hand-made gold graph."""

from pathlib import Path

from goat_ray.graph.quality import Gold, grade
from tests.conftest import shared
from tests.world import make_world


def test_precision_and_recall_after_the_last_stage(tmdb_document: Path, tmp_path: Path) -> None:
    tmdb = make_world(tmdb_document, tmp_path)
    gold = Gold.read(shared("gold", "tmdb_edges.jsonl"), shared("gold", "tmdb_ambiguous.jsonl"))
    quality = grade(tmdb.edges, gold, tmdb.functions)
    assert quality.triples.precision >= 0.95
    assert quality.triples.recall >= 0.85
    assert quality.fields >= 0.95
