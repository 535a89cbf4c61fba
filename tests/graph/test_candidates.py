"""Filter 1: which pairs are worth a closer look."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from goat_ray.graph.candidates import find_candidates
from goat_ray.graph.config import CandidatesConfig
from goat_ray.graph.ends import CALLERS_OWN, distinct_texts, ends, fits
from goat_ray.graph.neighbours import find_neighbours
from goat_ray.identity import content_id, rng
from goat_ray.records import ApiFunction, CandidateEdge, Embedding, Neighbours
from goat_ray.rows import Record
from goat_ray.storage import Dataset, FunctionStore, write_tables
from tests.world import World


def dataset(folder: Path, kind: type[Record], tables: list[pa.Table]) -> Dataset:
    write_tables(folder, kind, tables)
    return Dataset(folder, kind, content_id(str(folder)), sum(table.num_rows for table in tables), {})


def embedded(functions: FunctionStore, folder: Path, backward: bool = False) -> Dataset[Embedding]:
    """A fixed unit vector for each text, alike for texts that share words: enough to rank by, and quick."""
    table = pa.concat_tables(distinct_texts(functions))
    vectors = pa.array([_vector(text) for text in table["text"].to_pylist()], pa.list_(pa.float32()))
    table = table.set_column(table.schema.get_field_index("vector"), "vector", vectors)
    return dataset(folder, Embedding, [table.take(list(range(table.num_rows))[::-1]) if backward else table])


def _vector(text: str) -> list[float]:
    total = sum((_of_word(word) for word in text.split()), np.zeros(32))
    return (total / np.linalg.norm(total)).tolist()


def _of_word(word: str) -> np.ndarray:
    random = rng(word)
    return np.array([random.gauss(0, 1) for _ in range(32)])


@pytest.fixture(scope="module")
def embeddings(world: World, tmp_path_factory: pytest.TempPathFactory) -> Dataset[Embedding]:
    return embedded(world.functions, tmp_path_factory.mktemp("embeddings"))


def neighbours(
    embeddings: Dataset[Embedding],
    folder: Path,
    config: CandidatesConfig,
    before: Dataset[Neighbours] | None = None,
) -> Dataset[Neighbours]:
    folder.mkdir(exist_ok=True)
    return dataset(folder, Neighbours, list(find_neighbours(embeddings, config, folder, before=before)))


def candidates(
    functions: FunctionStore, embeddings: Dataset[Embedding], folder: Path, **settings: float
) -> list[CandidateEdge]:
    config = CandidatesConfig(**settings)
    near = neighbours(embeddings, folder, config)
    return [
        CandidateEdge.from_row(row)
        for table in find_candidates(functions, near, config, {})
        for row in table.to_pylist()
    ]


def by_definition(
    functions: FunctionStore, embeddings: Dataset[Embedding], limit: int, floor: float
) -> Iterator[tuple]:
    """All pairs, one by one: sorted by cosine, then the text's id, own service first, type, and place."""
    vectors = {one.text: np.array(one.vector, np.float32) for one in embeddings.records()}
    asking, carrying = [], []
    for service in functions.services():
        asked, carried = ends(service)
        asking += asked
        carrying += carried
    texts = sorted({one.text for one in carrying}, key=content_id)
    for target in asking:
        cosine = {text: round(float(vectors[target.text] @ vectors[text]), 4) for text in texts}
        near = sorted(texts, key=lambda text: -cosine[text])[:limit]
        rows = [
            (source, cosine[text])
            for text in near
            if cosine[text] >= floor
            for own in (True, False)
            for source in carrying
            if source.text == text and (source.function.service == target.function.service) == own
            if source.function.id != target.function.id and fits(source.field.type, target.parameter)
        ]
        for source, score in rows[:limit]:
            yield source.function.id, source.field.path, target.function.id, target.parameter.name, score


@pytest.mark.parametrize(("limit", "floor"), [(7, 0.2), (64, 0.3)])
def test_pairs_are_what_a_plain_loop_over_all_pairs_finds(world, embeddings, tmp_path, limit, floor) -> None:
    expected = list(by_definition(world.functions, embeddings, limit, floor))

    found = candidates(world.functions, embeddings, tmp_path, per_parameter=limit, floor=floor)

    got = [(one.source, one.field, one.target, one.parameter) for one in found]
    assert len(set(got) & {one[:4] for one in expected}) / len(expected) > 0.99  # cosines that round either way
    assert len(got) == pytest.approx(len(expected), rel=0.01)
    scores = {one[:4]: one[4] for one in expected}
    for edge in found:
        score = scores.get((edge.source, edge.field, edge.target, edge.parameter), edge.similarity)
        assert edge.similarity == pytest.approx(score, abs=2e-4)
    assert len({edge.id for edge in found}) == len(found)
    assert edge.carries and edge.wants


def test_each_parameter_gets_its_most_similar_fields(world: World, embeddings, tmp_path) -> None:
    found = candidates(world.functions, embeddings, tmp_path, floor=0.2, per_parameter=5)
    by_input: dict[tuple[str, str], list[CandidateEdge]] = {}
    for edge in found:
        by_input.setdefault((edge.target, edge.parameter), []).append(edge)
    assert by_input
    for edges in by_input.values():
        similarities = [edge.similarity for edge in edges]
        assert len(edges) <= 5
        assert similarities == sorted(similarities, reverse=True)
        assert min(similarities) >= 0.2


def test_no_candidate_of_itself_of_a_wrong_type_or_for_the_callers_own(world: World, embeddings, tmp_path) -> None:
    for edge in candidates(world.functions, embeddings, tmp_path, floor=-1.0):
        target = world.functions[edge.target]
        parameter = target.parameter(edge.parameter)
        assert edge.source != edge.target
        assert fits(world.functions[edge.source].output(edge.field).type, parameter)
        assert parameter.name.lower() not in CALLERS_OWN


def test_the_order_of_the_embeddings_does_not_matter(world: World, embeddings, tmp_path) -> None:
    backward = embedded(world.functions, tmp_path / "backward", backward=True)
    assert candidates(world.functions, embeddings, tmp_path / "a") == candidates(
        world.functions, backward, tmp_path / "b"
    )


def test_equally_similar_fields_of_the_own_service_come_first(world: World, embeddings, tmp_path) -> None:
    seen: dict[tuple[str, str, float, str], list[bool]] = {}
    for edge in candidates(world.functions, embeddings, tmp_path, floor=-1.0):
        source, target = world.functions[edge.source], world.functions[edge.target]
        text = f"{edge.carries} {source.output(edge.field).description}"
        seen.setdefault((edge.target, edge.parameter, edge.similarity, text), []).append(
            source.service == target.service
        )
    assert any(True in one and False in one for one in seen.values())
    for own in seen.values():
        assert own == sorted(own, reverse=True)


def test_functions_without_parameters_or_outputs_give_nothing(world: World, tmp_path) -> None:
    for name, change in (("bare", {"parameters": []}), ("mute", {"outputs": []})):
        store = FunctionStore.of([one.model_copy(update=change) for one in world.functions])
        assert candidates(store, embedded(store, tmp_path / name), tmp_path / f"near {name}") == []


def renamed(functions: FunctionStore, *, without: str = "") -> FunctionStore:
    """The corpus as it is after an edit: one service is gone, another has new words."""
    changed: list[ApiFunction] = []
    for one in functions:
        if one.service == without:
            continue
        described = [p.model_copy(update={"description": f"{p.description} of this year"}) for p in one.parameters]
        changed.append(one if one.method == "GET" else one.model_copy(update={"parameters": described}))
    return FunctionStore.of(changed)


@pytest.mark.parametrize("k", [3, 64, 5000])
def test_neighbours_of_a_changed_corpus_equal_those_from_scratch_at_less_work(world, embeddings, tmp_path, k) -> None:
    service = next(iter(world.functions)).service
    config = CandidatesConfig(per_parameter=k)
    for number, (old, new, cheaper) in enumerate(
        [
            (world.functions, renamed(world.functions), True),  # other texts ask
            (renamed(world.functions, without=service), world.functions, True),  # a service more
            (world.functions, renamed(world.functions, without=service), k == 3),  # less; long lists all lose someone
        ]
    ):
        place = tmp_path / str(number)
        before = neighbours(embedded(old, place / "old"), place / "near old", config)
        now = embedded(new, place / "new")
        asked: list[int] = []

        def counting(queries, base, k, config, asked=asked):
            from goat_ray.graph.neighbours import search_here

            asked.append(len(queries) * len(np.load(base, mmap_mode="r")))
            yield from search_here(queries, base, k, config)

        scratch = pa.concat_tables(find_neighbours(now, config, place, search=counting))
        all_pairs = sum(asked)
        asked.clear()
        after = pa.concat_tables(find_neighbours(now, config, place, search=counting, before=before))

        assert after.equals(scratch)
        assert sum(asked) < all_pairs or not cheaper
