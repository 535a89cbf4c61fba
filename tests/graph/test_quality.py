"""Scoring a graph against a hand-made one."""

import json
from pathlib import Path

import pytest

from goat_ray.errors import ConfigError
from goat_ray.graph.quality import Gold, Triple, grade, report
from goat_ray.graph.statistics import describe, write_edgelist, write_graphml
from goat_ray.records import ApiFunction, Edge, Parameter
from goat_ray.storage import FunctionStore
from tests.world import World

SEARCH = ApiFunction.create(service="s", name="search", path="/search")
MOVIE = ApiFunction.create(
    service="s", name="movie", path="/movie/{id}", parameters=[Parameter(name="id", location="path", type="integer")]
)
PERSON = ApiFunction.create(service="s", name="person", path="/person")
STORE = FunctionStore.of([SEARCH, MOVIE, PERSON])


def edge(source: ApiFunction, target: ApiFunction, parameter: str = "id", field: str = "$.results[*].id") -> Edge:
    return Edge(
        id=f"{source.id}{target.id}{field}", source=source.id, field=field, target=target.id, parameter=parameter,
        carries="movie id", wants="movie id", similarity=0.9, reason="", teacher="rules",
    )  # fmt: skip


def gold_file(folder: Path, *edges: tuple[str, str, str, str]) -> Path:
    path = folder / "small_edges.jsonl"
    lines = [json.dumps({"source": s, "target": t, "param": p, "note": n}) for s, t, p, n in edges]
    path.write_text("\n".join(lines))
    return path


def test_counts_of_right_wrong_and_missed_edges(tmp_path: Path) -> None:
    gold = Gold.read(
        gold_file(
            tmp_path,
            ("GET /search", "GET /movie/{id}", "id", "results[].id"),
            ("GET /movie/{id}", "GET /person", "id", "x"),
        )
    )
    quality = grade([edge(SEARCH, MOVIE), edge(PERSON, MOVIE), edge(SEARCH, MOVIE, field="$.other")], gold, STORE)
    assert (quality.triples.right, quality.triples.wrong, quality.triples.missed) == (1, 1, 1)
    assert quality.triples.precision == quality.triples.recall == quality.triples.f1 == 0.5
    assert quality.false == [Triple("GET /person", "GET /movie/{id}", "id")]
    assert quality.missed == [Triple("GET /movie/{id}", "GET /person", "id")]
    assert quality.fields == 0.0  # $.other is not the gold's field
    assert len(list(report({"edges": quality}))) == 3


def test_ambiguous_edges_are_neither_right_nor_wrong(tmp_path: Path) -> None:
    path = gold_file(tmp_path, ("GET /search", "GET /movie/{id}", "id", ""))
    ignored = tmp_path / "ignored.jsonl"
    ignored.write_text('{"source": "GET /person", "target": "GET /movie/{id}", "param": "id"}\n')
    quality = grade([edge(SEARCH, MOVIE), edge(PERSON, MOVIE)], Gold.read(path, ignored), STORE)
    assert (quality.triples.right, quality.triples.wrong) == (1, 0)


def test_functions_may_be_written_by_name_and_foreign_ones_are_counted(tmp_path: Path) -> None:
    path = gold_file(tmp_path, ("search", "movie", "id", ""), ("GET /nowhere", "movie", "id", ""))
    gold, foreign = Gold.read(path).restricted(STORE)
    assert list(gold.edges) == [Triple("GET /search", "GET /movie/{id}", "id")]
    assert foreign == 1


@pytest.mark.parametrize("line", ["nonsense", "[1]", '{"source": "a"}', '"text"'])
def test_an_unusable_gold_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"source": "a", "target": "b", "param": "c"}\n' + line)
    with pytest.raises(ConfigError, match="line 2"):
        Gold.read(path)


def test_statistics_and_exports_of_the_demo_graph(world: World, tmp_path: Path) -> None:
    text = "\n".join(describe(world.functions, world.edges))
    assert f"edges                {len(world.edges)}" in text
    write_graphml(tmp_path / "g.graphml", world.functions, world.edges)
    write_edgelist(tmp_path / "g.txt", world.functions, world.edges)
    import networkx as nx

    again = nx.read_graphml(tmp_path / "g.graphml", force_multigraph=True)
    assert again.number_of_edges() == len(world.edges)
    listed = nx.read_weighted_edgelist(tmp_path / "g.txt", create_using=nx.MultiDiGraph, nodetype=int)
    functions = list(world.functions)
    triples = {(edge.source, edge.target, edge.parameter) for edge in world.edges}
    assert {
        (functions[u].id, functions[v].id, functions[v].parameters[int(w)].name)
        for u, v, w in listed.edges(data="weight")
    } == triples
