"""Ordinary mistakes on the command line: one clear error and exit status 1, neither a stack trace nor silence."""

import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from goat_ray.cli import app
from goat_ray.storage import MANIFEST, write_json
from tests.killing import prepare
from tests.world import World

SHIPPED = Path(__file__).resolve().parents[1] / "goat_ray" / "capacity.yaml"


def refused(*command: object) -> str:
    """What a command says that fails as it should."""
    result = CliRunner().invoke(app, [str(one) for one in command])
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith("goat: ")
    return line


@pytest.mark.parametrize("name", ["typo", "", "a-file"])
def test_a_run_that_is_none_is_told_by_every_look_at_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "a-file").write_text("hi")
    run = tmp_path / name
    assert "nothing" in refused("inspect", "funnel", run)
    for what in (["samples"], ["edges"], ["graph"], ["corpus"], ["functions"]):
        assert "functions is not there" in refused("inspect", *what, run) or what == ["corpus"]
    assert "edges is not there" in refused("inspect", "rejects", run, "edges")
    assert "holds no results" in refused("evaluate", "compare", run)
    assert "not there" in refused("export", run, tmp_path / "export")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[1]"])
def test_books_that_are_cut_off_are_named(tmp_path: Path, content: bytes) -> None:
    for name in ("functions", "samples"):
        (tmp_path / name).mkdir()
        (tmp_path / name / MANIFEST).write_bytes(content)
    (tmp_path / "scores.json").write_bytes(content)
    assert f"samples/{MANIFEST}: is no JSON object" in refused("inspect", "funnel", tmp_path)
    assert f"functions/{MANIFEST}: is no JSON object" in refused("inspect", "functions", tmp_path)
    assert "scores.json: is no JSON object" in refused("evaluate", "compare", tmp_path)


@pytest.mark.parametrize(
    ("drop", "problem"),
    [("rates", "rates: .*examine"), ("questions", "questions: .*narrate"), ("volumes", "volumes: field required")],
)
def test_a_table_of_rates_that_lacks_some_says_which(tmp_path: Path, drop: str, problem: str) -> None:
    table = yaml.safe_load(SHIPPED.read_text())
    if drop == "volumes":
        del table[drop]
    else:
        del table[drop]["examine" if drop == "rates" else "narrate"]
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(table))
    said = refused("plan", "--documents", 10, "--table", tmp_path / "t.yaml")
    assert re.search(problem, said), said


def test_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_bytes(b"\xff\xfe")
    for name in ("t.yaml", "none.yaml", ""):
        said = refused("plan", "--documents", 10, "--table", tmp_path / name)
        assert f"{tmp_path / name}: no table of rates" in said and "copy of goat_ray/capacity.yaml" in said


@pytest.mark.parametrize("option", ["--documents", "--samples", "--gpu-price", "--core-price"])
def test_no_plan_is_of_infinitely_many(option: str) -> None:
    said = refused("plan", *([] if option == "--documents" else ["--documents", 10]), option, "inf")
    assert f"{option}: is no finite number" in said


@pytest.mark.parametrize("option", ["--graphml", "--edgelist"])
def test_a_graph_that_cannot_be_written_there_is_told(world: World, tmp_path: Path, option: str) -> None:
    prepare(tmp_path / "run", world)
    for place in (tmp_path / "none" / "file", tmp_path):
        result = CliRunner().invoke(app, ["inspect", "graph", str(tmp_path / "run"), option, str(place)])
        assert isinstance(result.exception, SystemExit) and result.exit_code == 1
        assert f"goat: {place}: cannot be written" in result.output


def test_an_unfinished_run_is_no_mistake(tmp_path: Path) -> None:
    books = {"fingerprint": "f", "rows": 7, "rejects": {}, "facts": {}, "seconds": 0.0}
    (tmp_path / "documents").mkdir()
    write_json(tmp_path / "documents" / MANIFEST, books)
    said = CliRunner().invoke(app, ["inspect", "funnel", str(tmp_path)])
    assert said.exit_code == 0 and json.dumps(7) in said.output


@pytest.mark.parametrize("url", ["s3:/bucket/run", "s3://", "http://host/run"])
def test_a_wrong_url_of_a_run_is_told_like_all_else(url: str) -> None:
    assert "URL" in refused("inspect", "funnel", url)
    assert "URL" in refused("export", url, "exports")
    assert "URL" in refused("evaluate", "compare", url)
