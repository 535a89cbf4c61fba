"""`goat graph evaluate` and `goat inspect graph`, on a run directory made without Ray."""

import json
from pathlib import Path

import networkx as nx
import pytest
from typer.testing import CliRunner

from goat_ray.cli import app
from goat_ray.graph.statistics import write_graphml
from goat_ray.records import ApiFunction, Edge
from goat_ray.storage import MANIFEST, FunctionStore, write_json, write_records
from tests.world import World


@pytest.fixture(scope="module")
def run(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with the demo's functions and edges."""
    folder = tmp_path_factory.mktemp("run")
    for name, kind, records in (("functions", ApiFunction, list(world.functions)), ("edges", Edge, world.edges)):
        (folder / name).mkdir()
        write_records(folder / name, kind, records)
        write_json(folder / name / MANIFEST, {"fingerprint": "f", "rows": len(records), "rejects": {}})
    return folder


@pytest.fixture
def gold(world: World, tmp_path: Path) -> Path:
    """The demo's own edges without the first, and one that is not there."""
    path = tmp_path / "demo_edges.jsonl"
    titles = {function.id: function.title for function in world.functions}
    triples = sorted({(titles[e.source], titles[e.target], e.parameter) for e in world.edges})
    missing = (triples[0][0], triples[0][0], "nothing")
    lines = [json.dumps({"source": s, "target": t, "param": p}) for s, t, p in [*triples[1:], missing]]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_evaluate_scores_a_run_and_lists_the_errors(run: Path, gold: Path) -> None:
    result = CliRunner().invoke(app, ["graph", "evaluate", str(run), "--gold", str(gold)])
    assert result.exit_code == 0, result.output
    (row,) = [line.split() for line in result.output.splitlines() if line.startswith("edges ")]
    right = len(gold.read_text().splitlines()) - 1
    assert row[1:3] == [str(right), "1"]
    assert "missed  " in result.output and "nothing" in result.output
    assert "false   " in result.output


def test_an_ambiguous_file_beside_the_gold_is_used(run: Path, gold: Path, world: World) -> None:
    titles = {function.id: function.title for function in world.functions}
    first = min((titles[e.source], titles[e.target], e.parameter) for e in world.edges)
    line = json.dumps(dict(zip(("source", "target", "param"), first, strict=True)))
    gold.with_name("demo_ambiguous.jsonl").write_text(line, encoding="utf-8")
    result = CliRunner().invoke(app, ["graph", "evaluate", str(run), "--gold", str(gold)])
    (row,) = [line.split() for line in result.output.splitlines() if line.startswith("edges ")]
    assert row[2] == "0"


def test_a_run_without_a_graph_says_what_to_do(tmp_path: Path, gold: Path) -> None:
    result = CliRunner().invoke(app, ["graph", "evaluate", str(tmp_path), "--gold", str(gold)])
    assert result.exit_code == 1
    assert "Run the earlier steps first" in result.output


def test_inspect_graph_describes_and_exports(run: Path, tmp_path: Path, world: World) -> None:
    command = [
        "inspect",
        "graph",
        str(run),
        "--graphml",
        str(tmp_path / "g.graphml"),
        "--edgelist",
        str(tmp_path / "g"),
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert f"functions            {len(world.functions)}" in result.output
    assert "longest chain" in result.output and "feeds most" in result.output
    assert (tmp_path / "g.graphml").exists() and (tmp_path / "g").read_text()


def test_graphml_can_be_read_whatever_the_documents_say(tmp_path: Path) -> None:
    said = [f"a{one}b" for one in ("\x1b", "\x00", "\ufffe", "\t", "\n", "😀")]
    functions = [ApiFunction.create(service=one, name="n", method="GET", path=f"/{one}") for one in said]
    write_graphml(tmp_path / "g.graphml", FunctionStore.of(functions), [])
    services = [node["service"] for _, node in nx.read_graphml(tmp_path / "g.graphml").nodes(data=True)]
    assert sorted(services) == sorted([*["a\ufffdb"] * 3, "a\tb", "a\nb", "a😀b"])
