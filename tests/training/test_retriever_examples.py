"""Samples become the retriever's examples."""

import pytest

from goat_ray.agent.documents import document_text
from goat_ray.records import Lookalikes, RetrievalExample, Sample
from goat_ray.storage import Dataset, write_records
from goat_ray.synthesis.distractors import DistractorsConfig, lookalikes
from goat_ray.training.retriever_examples import retrieval_examples
from tests.world import World, make_samples

PARTS = ("title", "parameters")


@pytest.fixture(scope="module")
def samples(world: World) -> list[Sample]:
    """The last ten are held out, and they alone call the last one's last function."""
    made = make_samples(world, 80)
    rare = made[-1].calls[-1].function
    made = [sample for sample in made[:-1] if all(call.function != rare for call in sample.calls)] + made[-1:]
    return [s.model_copy(update={"split": "test" if at >= len(made) - 10 else "train"}) for at, s in enumerate(made)]


@pytest.fixture(scope="module")
def examples(
    world: World, samples: list[Sample], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, RetrievalExample]:
    folder = tmp_path_factory.mktemp("retrieval")
    write_records(folder / "samples", Sample, samples)
    near = list(lookalikes(world.functions, [(edge.source, edge.target) for edge in world.edges], []))
    write_records(folder / "near", Lookalikes, near)
    made = retrieval_examples(
        Dataset(folder / "samples", Sample, "f", len(samples), {}),
        world.functions,
        Dataset(folder / "near", Lookalikes, "f", len(near), {}),
        DistractorsConfig(linked=2, similar=0),
        PARTS,
    )
    return {example.query: example for example in made}


def test_each_wording_of_a_training_query_needs_all_that_its_sample_calls(world, samples, examples):
    for sample in samples:
        needed = {document_text(world.functions[call.function], PARTS) for call in sample.calls}
        assert set(examples[sample.query].positives) == needed
        for wording in sample.paraphrases:
            assert (wording in examples) == (sample.split == "train")


def test_hard_negatives_are_neighbours_that_training_samples_call(world, samples, examples):
    linked = {frozenset((edge.source, edge.target)) for edge in world.edges}
    document = {document_text(function, PARTS): function.id for function in world.functions}
    called = {call.function for sample in samples if sample.split == "train" for call in sample.calls}
    found = [example for example in examples.values() if example.negatives]
    assert len(found) > len(examples) / 2
    for example in found:
        positives, negatives = ([document[text] for text in texts] for texts in (example.positives, example.negatives))
        assert not set(positives) & set(negatives) and set(negatives) <= called and len(negatives) <= 2
        assert any(frozenset((near, need)) in linked for near in negatives for need in positives)
    rare = samples[-1].calls[-1].function
    assert rare not in {document[text] for example in found for text in example.negatives}
