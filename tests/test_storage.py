"""Datasets are the same on this machine and in an object store; half-written ones are not seen."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from goat_ray import storage
from goat_ray.carryover import carried_over
from goat_ray.cli import app
from goat_ray.config import RunConfig
from goat_ray.console import Console
from goat_ray.errors import ConfigError, RunError
from goat_ray.graph.adjacency import SEAL, CallGraph, build_graph
from goat_ray.places import Place
from goat_ray.plans import GRAPH
from goat_ray.records import Document, Reject
from goat_ray.runner import SUPERSEDED, Runner
from goat_ray.storage import MANIFEST, UNFINISHED, count_outcomes, open_dataset
from tests.graph.test_feeding import KEEPER, LIST, PARK
from tests.steps import documents


def some(count: int) -> Iterator[Document | Reject]:
    yield from documents(count)
    yield Reject(id="r", reason="odd", detail="why")


def test_what_is_gathered_is_read_again(folder: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "ROWS_PER_FILE", 40)
    monkeypatch.setattr(storage, "ROWS_AT_A_TIME", 16)
    runner = Runner(folder / "run", Console())

    made = runner.gather("documents", Document, lambda: some(100), settings={})

    found = open_dataset(folder / "run" / "documents", Document)
    assert found == made and (found.rows, found.rejects) == (100, {"odd": 1})
    assert list(found.records()) == documents(100) and [one.detail for one in found.rejected()] == ["why"]
    assert found.table(["id"]).num_rows == sum(batch.num_rows for batch in found.batches(["id"])) == 100
    assert len(storage.parquet_files(found.data)) == 3
    assert not (found.folder / UNFINISHED).exists() and carried_over(found.folder) is None


def test_what_was_made_with_other_settings_is_set_aside_and_comes_back(folder: Place) -> None:
    runner = Runner(folder / "run", Console())
    few, many = (
        runner.gather("documents", Document, lambda count=count: some(count), settings={"count": count})
        for count in (3, 5)
    )
    aside = runner.directory / SUPERSEDED / f"documents-{few.fingerprint}"
    assert count_outcomes(aside) == (3, {"odd": 1}) and (aside / MANIFEST).exists()
    assert runner.earlier("documents", Document, {"count": 3}).rows == 3

    back = runner.gather("documents", Document, lambda: pytest.fail("made again"), settings={"count": 3})

    assert back == few and not aside.exists()
    assert runner.earlier("documents", Document, {"count": 5}).fingerprint == many.fingerprint


def test_what_an_error_interrupts_is_not_finished_and_made_anew(folder: Place) -> None:
    def broken() -> Iterator[Document]:
        yield from documents(storage.ROWS_AT_A_TIME + 1)
        raise ZeroDivisionError

    runner = Runner(folder / "run", Console())
    with pytest.raises(ZeroDivisionError):
        runner.gather("documents", Document, broken, settings={})
    with pytest.raises(RunError, match="not there or not finished"):
        runner.finished("documents", Document)
    assert (runner.directory / "documents" / UNFINISHED).exists()

    assert runner.gather("documents", Document, lambda: some(2), settings={}).rows == 2


def test_a_call_graph_is_mapped_where_it_is_needed(folder: Place, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GOAT_CACHE", str(tmp_path / "cache"))
    made = build_graph([LIST, PARK, KEEPER], [])
    with (folder / GRAPH / "id").made(SEAL) as here:
        made.save(here)
    found = CallGraph.open((folder / GRAPH / "id").fetch())
    assert found.names.equals(made.names) and (found.out == made.out).all()


def test_commands_and_configurations_take_urls(folder: Place) -> None:
    Runner(folder / "run", Console()).gather("documents", Document, lambda: some(7), settings={})
    said = CliRunner().invoke(app, ["inspect", "funnel", str(folder / "run")])
    assert said.exit_code == 0 and said.output.split() == ["documents", "7", "kept", "1", "odd"]
    said = CliRunner().invoke(app, ["inspect", "rejects", str(folder / "run"), "documents"])
    assert said.output.split() == ["odd", "why"]
    assert RunConfig(directory=str(folder)).directory == str(folder)
    with pytest.raises(ConfigError, match="is no URL of a folder in a store"):
        RunConfig(directory="s3://bucket/run?access_key=hush")
