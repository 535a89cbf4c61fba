"""Functions and edges of some documents, such as the demo's, made without Ray."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.executors.config import ExecutorConfig
from goat_ray.graph.adjacency import EDGE_COLUMNS, build_graph
from goat_ray.graph.ends import fits, is_callers_own
from goat_ray.graph.execution import ExecuteEdges
from goat_ray.graph.fields import Meanings
from goat_ray.graph.verification import Verify
from goat_ray.identity import content_id
from goat_ray.records import ApiFunction, CallPlan, CallTrace, CandidateEdge, Edge, PlanOrder, Reject, Sample
from goat_ray.storage import FunctionStore, write_records
from goat_ray.synthesis.calling import Call
from goat_ray.synthesis.calling_config import CallingConfig
from goat_ray.synthesis.config import SamplingConfig, SynthesisConfig
from goat_ray.synthesis.narration import Narrate
from goat_ray.synthesis.orders import configured_mix, plan_orders
from goat_ray.synthesis.sampling import DrawPlans, PlanSampler
from goat_ray.teacher.rules import RulesTeacher


@dataclass
class World:
    """A small corpus with its verified graph."""

    functions: FunctionStore
    data: str  # Parquet folder of the functions
    edges: list[Edge]


def all_pairs(functions: FunctionStore) -> list[CandidateEdge]:
    """Every pair of a fitting type: what the embedding filter would let through at floor -1."""
    meanings = Meanings(functions)
    return [
        CandidateEdge(
            id=content_id(source.id, field.path, target.id, parameter.name),
            source=source.id,
            field=field.path,
            target=target.id,
            parameter=parameter.name,
            carries=meanings.of_field(source, field).phrase,
            wants=meanings.of_parameter(target, parameter).phrase,
            similarity=1.0,
        )
        for target in functions
        for parameter in target.parameters
        if not is_callers_own(parameter)
        for source in functions
        if source.id != target.id
        for field in source.outputs
        if fits(field.type, parameter)
    ]


def make_world(documents: Path, folder: Path) -> World:
    """Read, judge and execute without Ray."""
    config = DocumentsConfig(paths=[str(documents)])
    found = [f for f in Ingest(config).process(discover(config)) if isinstance(f, ApiFunction)]
    write_records(folder, ApiFunction, found)
    data = str(folder / "outcome=kept")
    store = FunctionStore.open(data)
    verify = Verify(RulesTeacher(), data)
    verify.start()
    accepted = [edge for edge in verify.process(all_pairs(store)) if isinstance(edge, Edge)]
    execute = ExecuteEdges(ExecutorConfig(), data)
    execute.start()
    return World(store, data, [edge for edge in execute.process(accepted) if isinstance(edge, Edge)])


def make_samples(world: World, plans: int, recovery: float = 0.0) -> list[Sample]:
    """Samples of some plans, by the rules and in the sandbox; of so large a share, recoveries."""
    call = Call(RulesTeacher(), ExecutorConfig(), world.data, calling=CallingConfig(recovery=recovery))
    narrate = Narrate(RulesTeacher(), world.data, SynthesisConfig(), "traces")
    call.start()
    narrate.start()
    drawn = sample_plans(world.functions, world.edges, SamplingConfig(plans=plans))
    traces = [one for one in call.process([p for p in drawn if isinstance(p, CallPlan)]) if isinstance(one, CallTrace)]
    return [sample for sample in narrate.process(traces) if isinstance(sample, Sample)]


def sample_plans(
    functions: FunctionStore, edges: Sequence[Edge], config: SamplingConfig
) -> Iterator[CallPlan | Reject]:
    """What the road's plans are made of, in this process: graph, orders, draws; duplicates stay."""
    step = DrawPlans(Path(), "", config)
    step.sampler = PlanSampler(build_graph(functions, [edge_columns(edges)]), config)
    mix = step.sampler.possible(configured_mix(config))
    for table in plan_orders(step.sampler.graph, mix, config, 0, config.plans):
        yield from step.process([PlanOrder.from_row(row) for row in table.to_pylist()])


def edge_columns(edges: Sequence[Edge]) -> pa.RecordBatch:
    """Edges as the columns that the call graph is built from."""
    return pa.RecordBatch.from_pydict({c: pa.array([getattr(e, c) for e in edges], pa.string()) for c in EDGE_COLUMNS})
