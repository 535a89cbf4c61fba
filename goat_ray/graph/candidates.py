"""Filter 1 of the funnel: pairs of output field and parameter that mean similar things."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
import pyarrow as pa

from goat_ray.graph.config import CandidatesConfig
from goat_ray.graph.fields import Meanings
from goat_ray.graph.search import Block, SearchConfig, Vectors, nearest
from goat_ray.identity import content_id
from goat_ray.records import ApiFunction, CandidateEdge, Embedding, OutputField, Parameter, ValueType
from goat_ray.storage import FunctionStore

# Parameters that callers set for their own sake. No other call's output decides them, and asking a
# teacher about each would be most of the bill.
CALLERS_OWN = frozenset(
    "page offset limit cursor per_page page_size size count sort sort_by order order_by fields include expand format"
    " language lang locale region timezone api_key apikey token access_token callback query q search"
    " append_to_response include_adult include_image_language".split()
)


Search = Callable[[Vectors, Vectors, int, SearchConfig], Iterator[Block]]
"""Nearest neighbours of queries [q, d] in a base [n, d], as ``search.nearest`` gives them."""


@dataclass(frozen=True)
class _Field:
    function: ApiFunction
    field: OutputField
    carries: str
    text: str  # what is embedded for it


@dataclass(frozen=True)
class _Input:
    function: ApiFunction
    parameter: Parameter
    wants: str
    text: str


def field_text(meaning: str, description: str) -> str:
    """What is embedded for a field or parameter: its meaning, then the start of its description."""
    words = description.split()[:12]
    return f"{meaning}: {' '.join(words)}" if words else meaning


def distinct_texts(functions: FunctionStore) -> Iterator[Embedding]:
    """Each distinct text of the corpus that is searched by or for, once, not yet embedded."""
    meanings = Meanings(functions)
    seen = set()
    for function in functions:
        inputs = (one.text for one in _inputs(meanings, function))
        for text in chain(inputs, (field.text for field in _fields(meanings, function))):
            if text not in seen:
                seen.add(text)
                yield Embedding(id=content_id(text), text=text)


def find_candidates(
    functions: FunctionStore,
    embeddings: pa.Table,
    config: CandidatesConfig,
    facts: dict[str, int],
    search: Search = nearest,
) -> Iterator[CandidateEdge]:
    """The most similar fields of other functions for each parameter, above the floor, by target.

    ``embeddings`` has the columns text and vector. ``facts`` receives how many pairs there were. ``search`` finds the
    neighbours: in this process, or spread over the cluster.
    """
    meanings = Meanings(functions)
    fields: dict[str, list[_Field]] = defaultdict(list)
    inputs: list[_Input] = []
    parameters = 0
    for function in functions:
        parameters += len(function.parameters)
        inputs += _inputs(meanings, function)
        for field in _fields(meanings, function):
            fields[field.text].append(field)
    neighbours = _Neighbours(embeddings, sorted({one.text for one in inputs}), sorted(fields), config, search)
    for one in inputs:
        yield from _pairs(one, neighbours.of(one.text), fields, config.per_parameter)
    total_fields = sum(len(group) for group in fields.values())
    facts["pairs"] = parameters * total_fields
    facts["pairs of the caller's own parameters"] = (parameters - len(inputs)) * total_fields


def _inputs(meanings: Meanings, function: ApiFunction) -> Iterator[_Input]:
    """The parameters that another call's output may fill."""
    for parameter in function.parameters:
        if not is_callers_own(parameter):
            wants = meanings.of_parameter(function, parameter).phrase
            yield _Input(function, parameter, wants, field_text(wants, parameter.description))


def _fields(meanings: Meanings, function: ApiFunction) -> Iterator[_Field]:
    for field in function.outputs:
        carries = meanings.of_field(function, field).phrase
        yield _Field(function, field, carries, field_text(carries, field.description))


def is_callers_own(parameter: Parameter) -> bool:
    """Whether the parameter is one that callers set for their own sake."""
    return parameter.name.lower() in CALLERS_OWN


def _pairs(
    target: _Input, near: Iterable[tuple[str, float]], fields: Mapping[str, list[_Field]], limit: int
) -> Iterator[CandidateEdge]:
    fitting = (
        (source, similarity)
        for text, similarity in near
        for source in _own_service_first(target.function, fields[text])
        if source.function.id != target.function.id and fits(source.field.type, target.parameter)
    )
    for source, similarity in islice(fitting, limit):
        yield CandidateEdge(
            id=content_id(source.function.id, source.field.path, target.function.id, target.parameter.name),
            source=source.function.id,
            field=source.field.path,
            target=target.function.id,
            parameter=target.parameter.name,
            carries=source.carries,
            wants=target.wants,
            similarity=round(similarity, 4),
        )


def _own_service_first(target: ApiFunction, fields: list[_Field]) -> Iterator[_Field]:
    """Equally similar fields: those of the target's own service before others, which may mean another thing by it."""
    yield from (field for field in fields if field.function.service == target.service)
    yield from (field for field in fields if field.function.service != target.service)


class _Neighbours:
    """The nearest distinct field texts of each distinct parameter text, found in one go."""

    def __init__(
        self, embeddings: pa.Table, asked: list[str], carried: list[str], config: CandidatesConfig, search: Search
    ) -> None:
        self._asked = {text: row for row, text in enumerate(asked)}
        self._carried = carried  # sorted, so that ties come out in the same order whatever the order of the input
        self._floor = config.floor
        k = min(config.per_parameter, len(carried))
        self._scores = np.empty((len(asked), k), np.float32)
        self._rows = np.empty((len(asked), k), np.int64)
        if not asked or not carried:
            return
        row = {text: number for number, text in enumerate(embeddings["text"].to_pylist())}
        vectors = embeddings["vector"].combine_chunks().flatten().to_numpy().reshape(len(row), -1)
        queries, base = vectors[[row[text] for text in asked]], vectors[[row[text] for text in carried]]
        for block in search(queries, base, k, config.search):
            self._scores[block.start : block.start + len(block.scores)] = block.scores
            self._rows[block.start : block.start + len(block.rows)] = block.rows

    def of(self, text: str) -> Iterator[tuple[str, float]]:
        """(text, cosine) above the floor, most similar first."""
        if not self._carried:
            return
        number = self._asked[text]
        for row, score in zip(self._rows[number].tolist(), self._scores[number].tolist(), strict=True):
            if row >= 0 and score >= self._floor:
                yield self._carried[row], score


def fits(given: ValueType, parameter: Parameter) -> bool:
    """Whether a value of this type can be written into the parameter, or into its items."""
    wanted = (parameter.item_type or "any") if parameter.type == "array" else parameter.type
    if "any" in (given, wanted) or given == wanted:
        return given not in ("array", "object")
    return (wanted == "string" and given in ("integer", "number")) or (wanted, given) == ("number", "integer")
