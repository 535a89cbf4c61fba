"""Filter 1 of the funnel: pairs of output field and parameter that mean similar things."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import faiss
import numpy as np
import pyarrow as pa

from goat_ray.graph.config import CandidatesConfig
from goat_ray.graph.fields import Meanings
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


@dataclass(frozen=True)
class _Field:
    function: ApiFunction
    field: OutputField
    carries: str


def field_text(meaning: str, description: str) -> str:
    """What is embedded for a field or parameter: its meaning, then the start of its description."""
    words = description.split()[:12]
    return f"{meaning}: {' '.join(words)}" if words else meaning


def distinct_texts(functions: FunctionStore) -> Iterator[Embedding]:
    """Each distinct text of the corpus once, not yet embedded."""
    meanings = Meanings(functions)
    seen = set()
    for function in functions:
        for text in (
            *(_parameter_text(meanings, function, parameter) for parameter in function.parameters),
            *(_field_text(meanings, function, field) for field in function.outputs),
        ):
            if text not in seen:
                seen.add(text)
                yield Embedding(id=content_id(text), text=text)


def find_candidates(
    functions: FunctionStore, embeddings: pa.Table, config: CandidatesConfig, facts: dict[str, int]
) -> Iterator[CandidateEdge]:
    """The most similar fields of other functions for each parameter, above the floor, by target.

    ``embeddings`` has the columns text and vector. ``facts`` receives how many pairs there were.
    """
    meanings = Meanings(functions)
    fields: dict[str, list[_Field]] = defaultdict(list)
    for function in functions:
        for field in function.outputs:
            carries = meanings.of_field(function, field).phrase
            fields[field_text(carries, field.description)].append(_Field(function, field, carries))
    search = _Search(embeddings, list(fields))
    counts: Counter[str] = Counter()
    total_fields = sum(len(group) for group in fields.values())
    for function in functions:
        for parameter in function.parameters:
            counts["pairs"] += total_fields
            if parameter.name.lower() in CALLERS_OWN:
                counts["pairs of the caller's own parameters"] += total_fields
                continue
            wants = meanings.of_parameter(function, parameter).phrase
            near = search.nearest(field_text(wants, parameter.description), config)
            yield from _pairs(function, parameter, wants, near, fields, config.per_parameter)
    facts.update(counts)


def _pairs(
    target: ApiFunction,
    parameter: Parameter,
    wants: str,
    near: Iterable[tuple[str, float]],
    fields: Mapping[str, list[_Field]],
    limit: int,
) -> Iterator[CandidateEdge]:
    count = 0
    for text, similarity in near:
        for source in fields[text]:
            if source.function.id == target.id or not fits(source.field.type, parameter):
                continue
            if count == limit:
                return
            count += 1
            yield CandidateEdge(
                id=content_id(source.function.id, source.field.path, target.id, parameter.name),
                source=source.function.id,
                field=source.field.path,
                target=target.id,
                parameter=parameter.name,
                carries=source.carries,
                wants=wants,
                similarity=round(similarity, 4),
            )


class _Search:
    """Exact nearest neighbours among the distinct texts of output fields."""

    def __init__(self, embeddings: pa.Table, texts: list[str]) -> None:
        row = {text: number for number, text in enumerate(embeddings["text"].to_pylist())}
        vectors = embeddings["vector"].combine_chunks()
        width = len(vectors[0]) if len(vectors) else 0
        self._vectors = np.asarray(vectors.flatten(), dtype=np.float32).reshape(-1, max(width, 1))
        self._row = row
        # Sorted, so that ties come out in the same order whatever the order of the input.
        self._texts = sorted(texts)
        self._index = faiss.IndexFlatIP(self._vectors.shape[1])
        if self._texts:
            self._index.add(self._vectors[[row[text] for text in self._texts]])

    def nearest(self, text: str, config: CandidatesConfig) -> list[tuple[str, float]]:
        """(text, cosine) above the floor, most similar first."""
        if not self._texts:
            return []
        k = min(config.per_parameter, len(self._texts))
        scores, numbers = self._index.search(self._vectors[[self._row[text]]], k)
        return [
            (self._texts[number], float(score))
            for score, number in zip(scores[0], numbers[0], strict=True)
            if score >= config.floor
        ]


def fits(given: ValueType, parameter: Parameter) -> bool:
    """Whether a value of this type can be written into the parameter, or into its items."""
    wanted = (parameter.item_type or "any") if parameter.type == "array" else parameter.type
    if "any" in (given, wanted) or given == wanted:
        return given not in ("array", "object")
    return (wanted == "string" and given in ("integer", "number")) or (wanted, given) == ("number", "integer")


def _parameter_text(meanings: Meanings, function: ApiFunction, parameter: Parameter) -> str:
    return field_text(meanings.of_parameter(function, parameter).phrase, parameter.description)


def _field_text(meanings: Meanings, function: ApiFunction, field: OutputField) -> str:
    return field_text(meanings.of_field(function, field).phrase, field.description)
