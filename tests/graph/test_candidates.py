"""Filter 1: which pairs are worth a closer look."""

import numpy as np
import pyarrow as pa
import pytest

from goat_ray.graph.candidates import CALLERS_OWN, distinct_texts, find_candidates, fits
from goat_ray.graph.config import CandidatesConfig
from goat_ray.identity import rng
from goat_ray.records import CandidateEdge, Embedding
from goat_ray.storage import FunctionStore
from tests.world import World


@pytest.fixture(scope="module")
def embeddings(world: World) -> pa.Table:
    """A fixed unit vector for each text, alike for texts that share words: enough to rank by, and quick."""
    rows = [{"id": one.id, "text": one.text, "vector": _vector(one.text)} for one in distinct_texts(world.functions)]
    return pa.Table.from_pylist(rows, schema=Embedding.arrow_schema())


def _vector(text: str) -> list[float]:
    total = sum((np.array([rng(word).gauss(0, 1) for _ in range(32)]) for word in text.split()), np.zeros(32))
    return (total / np.linalg.norm(total)).tolist()


def candidates(world: World, embeddings: pa.Table, **settings: float) -> list[CandidateEdge]:
    return list(find_candidates(world.functions, embeddings, CandidatesConfig(**settings), {}))


def test_each_parameter_gets_its_most_similar_fields(world: World, embeddings: pa.Table) -> None:
    found = candidates(world, embeddings, floor=0.2, per_parameter=5)
    by_input: dict[tuple[str, str], list[CandidateEdge]] = {}
    for edge in found:
        by_input.setdefault((edge.target, edge.parameter), []).append(edge)
    assert by_input
    for edges in by_input.values():
        similarities = [edge.similarity for edge in edges]
        assert len(edges) <= 5
        assert similarities == sorted(similarities, reverse=True)
        assert min(similarities) >= 0.2


def test_no_candidate_of_itself_of_a_wrong_type_or_for_the_callers_own(world: World, embeddings: pa.Table) -> None:
    for edge in candidates(world, embeddings, floor=-1.0):
        target = world.functions[edge.target]
        parameter = target.parameter(edge.parameter)
        assert edge.source != edge.target
        assert fits(world.functions[edge.source].output(edge.field).type, parameter)
        assert parameter.name.lower() not in CALLERS_OWN


def test_the_order_of_the_embeddings_does_not_matter(world: World, embeddings: pa.Table) -> None:
    backward = embeddings.take(list(range(embeddings.num_rows))[::-1])
    assert candidates(world, embeddings) == candidates(world, backward)


def test_equally_similar_fields_of_the_own_service_come_first(world: World, embeddings: pa.Table) -> None:
    seen: dict[tuple[str, str, float, str], list[bool]] = {}
    for edge in candidates(world, embeddings, floor=-1.0):
        source, target = world.functions[edge.source], world.functions[edge.target]
        text = f"{edge.carries} {source.output(edge.field).description}"
        seen.setdefault((edge.target, edge.parameter, edge.similarity, text), []).append(
            source.service == target.service
        )
    assert any(True in one and False in one for one in seen.values())
    for own in seen.values():
        assert own == sorted(own, reverse=True)


def test_functions_without_parameters_or_outputs_give_nothing(world: World, embeddings: pa.Table) -> None:
    bare = [one.model_copy(update={"parameters": []}) for one in world.functions]
    assert list(find_candidates(FunctionStore.of(bare), embeddings, CandidatesConfig(), {})) == []
    mute = [one.model_copy(update={"outputs": []}) for one in world.functions]
    assert list(find_candidates(FunctionStore.of(mute), embeddings, CandidatesConfig(), {})) == []
