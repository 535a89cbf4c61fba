"""Run directories as readable text: functions, edges, samples, rejects and the funnel."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from goat_ray.records import ApiFunction, CandidateEdge, Edge, ExecutedCall, Record, Sample
from goat_ray.storage import MANIFEST, FunctionStore, open_dataset, read_json

R = TypeVar("R", bound=Record)

ROAD = (
    "documents", "functions", "texts", "embeddings", "candidates", "verified", "edges", "plans", "traces",
    "narrated", "samples", "examples",
)  # fmt: skip
"""The datasets of a run in the order of the road."""


def function_lines(function: ApiFunction) -> Iterator[str]:
    """One function with its parameters and output fields."""
    yield f"{function.title}  [{function.service}]  {function.name}  id {function.id}"
    yield f"  {function.summary or function.description}"
    for parameter in function.parameters:
        needed = "required" if parameter.required else "optional"
        yield f"  in   {parameter.name}: {parameter.type}, {parameter.location}, {needed}. {parameter.description}"[
            :160
        ]
    for field in islice(function.outputs, 12):
        yield f"  out  {field.path}: {field.type}. {field.description}"[:160]
    if len(function.outputs) > 12:
        yield f"  out  … {len(function.outputs) - 12} more"


def edge_line(edge: CandidateEdge, functions: FunctionStore) -> str:
    """One edge on one line."""
    source, target = functions[edge.source], functions[edge.target]
    ends = f"{source.title} {edge.field} -> {target.title} {edge.parameter}"
    text = f"{ends}  ({edge.carries}, cosine {edge.similarity:.2f})"
    return f"{text}; {edge.execution}" if isinstance(edge, Edge) and edge.execution else text


def sample_lines(sample: Sample, functions: FunctionStore) -> Iterator[str]:
    """One sample as a person would read it: query, calls with where each argument came from, response."""
    yield f"Query     {sample.query}"
    for number, (call, subquery) in enumerate(zip(sample.calls, sample.subqueries, strict=True), 1):
        yield f"  {number}. {subquery}"
        yield f"     {functions[call.function].title}  {_arguments(call)}  -> {call.status}"
    yield f"Response  {sample.response}"


def _arguments(call: ExecutedCall) -> str:
    parts = []
    for argument in call.arguments:
        value = json.dumps(argument.value, ensure_ascii=False)
        origin = f"call {argument.step + 1} {argument.location}" if argument.step is not None else argument.provenance
        parts.append(f"{argument.parameter}={value} (from {origin})")
    return ", ".join(parts)


def funnel(run: Path) -> Iterator[dict[str, Any]]:
    """For each finished dataset: name, rows, rejects by reason, facts, seconds."""
    for name in ROAD:
        manifest = read_json(run / name / MANIFEST)
        if manifest is not None:
            yield {"name": name, **{key: manifest[key] for key in ("rows", "rejects", "facts", "seconds")}}


def functions_of(run: Path) -> FunctionStore:
    """The functions of a run; raises ``RunError`` where they are not there."""
    return FunctionStore.open(open_dataset(run / "functions", ApiFunction).data)


def spread(records: Iterable[R], rows: int, count: int) -> Iterator[R]:
    """``count`` records spread evenly over a dataset of ``rows``."""
    stride = max(1, rows // max(1, count))
    yield from islice(islice(records, 0, None, stride), count)
