"""Edges are tried with ids from real responses where the documents show none that the API knows."""

from pathlib import Path

from goat_ray.executors.config import ExecutorConfig
from goat_ray.graph.execution import ExecuteEdges
from goat_ray.records import ApiFunction, Edge, OutputField
from goat_ray.records import Parameter as P
from goat_ray.storage import write_records

LIST = ApiFunction.create(
    service="parks", name="listParks", path="/parks", outputs=[OutputField(path="$.parks[*].id", type="string")]
)
PARK = ApiFunction.create(
    service="parks",
    name="getPark",
    path="/parks/{park_id}",
    parameters=[P(name="park_id", location="path", type="string", required=True)],
    outputs=[OutputField(path="$.keeper_id", type="string"), OutputField(path="$.name", type="string")],
)
KEEPER = ApiFunction.create(
    service="parks",
    name="getKeeper",
    path="/keepers/{keeper_id}",
    parameters=[P(name="keeper_id", location="path", type="string", required=True)],
    outputs=[OutputField(path="$.name", type="string")],
)


def edge(source: ApiFunction, field: str, target: ApiFunction, parameter: str) -> Edge:
    return Edge(
        id=f"{source.name}-{target.name}", source=source.id, field=field, target=target.id, parameter=parameter,
        carries="", wants="", similarity=1.0, reason="", teacher="",
    )  # fmt: skip


EDGES = [edge(LIST, "$.parks[*].id", PARK, "park_id"), edge(PARK, "$.keeper_id", KEEPER, "keeper_id")]


def confirmed(folder: Path, *, knows_edges: bool) -> set[str]:
    write_records(folder / "functions", ApiFunction, [LIST, PARK, KEEPER])
    write_records(folder / "edges", Edge, EDGES)
    step = ExecuteEdges(
        ExecutorConfig(), str(folder / "functions" / "outcome=kept"), str(folder / "edges") if knows_edges else ""
    )
    step.start()
    return {outcome.id for outcome in step.process(EDGES) if isinstance(outcome, Edge)}


def test_a_source_that_needs_an_id_gets_one_from_a_list(tmp_path: Path) -> None:
    assert confirmed(tmp_path / "without", knows_edges=False) == {"listParks-getPark"}
    assert confirmed(tmp_path / "with", knows_edges=True) == {"listParks-getPark", "getPark-getKeeper"}
