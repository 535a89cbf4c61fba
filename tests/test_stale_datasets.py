"""What an earlier run under other settings has left is not shown as this one's."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from goat_ray.cli import app
from goat_ray.config import GoatConfig
from goat_ray.console import Console
from goat_ray.inspection import corpus_of, edges_of, funnel
from goat_ray.pipeline import Road
from goat_ray.places import Place
from goat_ray.records import ApiFunction, Document, Edge, Sample
from goat_ray.runner import SUPERSEDED, Runner
from goat_ray.storage import MANIFEST, write_json
from goat_ray.synthesis.splits import SplitsConfig
from tests.steps import documents
from tests.world import World


@pytest.fixture
def road(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Road:
    """One without execution, whose graph was executed once: all edges then, and the first three are verified now."""
    settings = {"run": {"directory": str(tmp_path)}, "documents": {"paths": ["unread"]}, "graph": {"execute": False}}
    made = Road(GoatConfig.model_validate(settings))
    runner = made.runner
    runner.gather("functions", ApiFunction, lambda: list(world.functions), settings={})
    runner.gather("edges", Edge, lambda: world.edges, settings={})
    verified = runner.gather("verified", Edge, lambda: world.edges[:3], settings={})
    monkeypatch.setattr(made, "candidates", lambda: verified)
    monkeypatch.setattr(made, "_verify", lambda functions, candidates: None)
    monkeypatch.setattr(runner, "bulk", lambda step, source, into: verified)
    return made


def test_edges_of_an_executed_graph_are_not_those_of_one_that_is_not(road: Road, world: World, tmp_path: Path) -> None:
    assert len(list(edges_of(road.runner.directory))) == len(world.edges)
    assert road.graph().rows == 3
    assert list(edges_of(road.runner.directory)) == world.edges[:3]
    assert "edges" not in [stage["name"] for stage in funnel(road.runner.directory)]
    shown = CliRunner().invoke(app, ["inspect", "edges", str(tmp_path), "-n", "9"])
    assert shown.exit_code == 0 and len(shown.output.splitlines()) == 3
    assert road.graph().rows == 3, "nothing is there to be set aside"


def test_what_was_set_aside_comes_back_where_nothing_is_in_its_place(folder: Place) -> None:
    runner = Runner(folder / "run", Console())
    made = runner.gather("documents", Document, lambda: documents(3), settings={})
    runner.set_aside("documents")
    assert not (folder / "run" / "documents").exists() and (folder / "run" / SUPERSEDED).exists()
    (folder / "run" / "documents" / "outcome=kept" / "part-000009.parquet").write_bytes(b"left by a kill")
    back = runner.gather("documents", Document, lambda: pytest.fail("made again"), settings={})
    assert back == made and list(back.records()) == documents(3)


def book(folder: Path, rows: int, facts: dict[str, int] | None = None, **settings: Any) -> None:
    counts = {"fingerprint": "", "rows": rows, "rejects": {}, "facts": facts or {}, "seconds": 1.0}
    write_json(folder / MANIFEST, {**counts, "settings": settings})


def test_the_funnel_takes_the_rounds_that_the_samples_were_made_in(tmp_path: Path) -> None:
    for number in range(1, 5):
        book(tmp_path / f"plans-{number:03d}", 100)
        book(tmp_path / f"plans-{number:03d}_drawn", 200)
    book(tmp_path / "samples", 50, {"asked": 50, "orders": 300, "rounds": 2})
    rows = {stage["name"]: stage["rows"] for stage in funnel(Place.of(tmp_path))}
    assert rows == {"plans_drawn": 400, "plans": 200, "samples": 50}
    book(tmp_path / "plans", 7)
    book(tmp_path / "samples", 5)
    rows = {stage["name"]: stage["rows"] for stage in funnel(Place.of(tmp_path))}
    assert rows == {"plans": 7, "samples": 5}


def test_splits_are_those_that_the_samples_were_made_with(world: World, tmp_path: Path) -> None:
    runner = Runner(tmp_path, Console())
    runner.gather("functions", ApiFunction, lambda: list(world.functions), settings={})
    runner.gather("samples", Sample, lambda: [], settings={})
    book(tmp_path / "examined", 9, splits={"unseen_functions": 0.1})
    book(tmp_path / "examined-001", 9, splits={"unseen_functions": 0.2})
    assert corpus_of(Place.of(tmp_path)).splits == SplitsConfig(unseen_functions=0.1)
    book(tmp_path / "samples", 0, {"asked": 50, "orders": 300, "rounds": 1})
    assert corpus_of(Place.of(tmp_path)).splits == SplitsConfig(unseen_functions=0.2)
