"""Curation: duplicates and surplus go, splits share nothing, and the order of files does not matter."""

from collections import defaultdict
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from goat_ray.records import Reject, Sample, Traits
from goat_ray.storage import Dataset, write_records, write_tables
from goat_ray.synthesis.contamination import Benchmarks, ContaminationConfig
from goat_ray.synthesis.curation import Selection, curate
from goat_ray.synthesis.examination import Examine
from goat_ray.synthesis.quotas import Quotas, QuotasConfig
from goat_ray.synthesis.splits import SplitsConfig, is_unseen
from tests.world import World, make_samples

SPLITS = SplitsConfig(unseen_functions=0.1)


@pytest.fixture(scope="module")
def samples(world: World) -> list[Sample]:
    return make_samples(world, 200)


class Corpus:
    """Rounds of samples on disk, examined and curated."""

    def __init__(self, folder: Path, world: World, *rounds: list[Sample]) -> None:
        examine = Examine(world.data, SPLITS, Benchmarks(ContaminationConfig()))
        examine.start()
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.narrated, self.examined = [], []
        for number, some in enumerate(rounds):
            traits = list(examine.process(some))
            self.narrated.append(self._dataset(f"narrated-{number}", Sample, some))
            self.examined.append(self._dataset(f"examined-{number}", Traits, traits))

    def _dataset(self, name: str, kind: type, records: list[Any]) -> Dataset[Any]:
        write_records(self.folder / name, kind, records)
        return Dataset(self.folder / name, kind, name, len(records), {})

    def outcomes(self, quotas: Quotas | None = None, similarity: float = 1.0) -> dict[str, Sample | Reject]:
        folder = Path(mkdtemp(dir=self.folder))
        write_tables(folder, Sample, curate(self.narrated, Selection.of(self.examined, similarity, quotas)))
        written = Dataset(folder, Sample, "samples", 0, {})
        return {one.id: one for one in [*written.records(), *written.rejected()]}


def kept(outcomes: dict[str, Sample | Reject]) -> list[Sample]:
    return [one for one in outcomes.values() if isinstance(one, Sample)]


def length(sample: Sample) -> int:
    """A fan-out is one call of the plan."""
    return len({call.planned for call in sample.calls})


def test_duplicates_go_whatever_the_order_of_files(samples: list[Sample], world: World, tmp_path: Path) -> None:
    first = min(kept(Corpus(tmp_path / "alone", world, samples).outcomes()), key=lambda sample: sample.id)
    changes = {"id": "f" * 16, "query": first.query.upper() + " ", "calls": samples[1].calls[:1] * 2}
    double = first.model_copy(update=changes)
    ways = [[*samples, double], [double, *reversed(samples)]]
    outcomes = [Corpus(tmp_path / str(number), world, way).outcomes() for number, way in enumerate(ways)]
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]) == len(samples) + 1
    reject = outcomes[0]["f" * 16]
    assert isinstance(reject, Reject) and reject.reason == "duplicate-query" and first.id in reject.detail
    queries = [sample.query.lower() for sample in kept(outcomes[0])]
    assert len(set(queries)) == len(queries)
    calls = [str([(call.function, call.values) for call in sample.calls]) for sample in kept(outcomes[0])]
    assert len(set(calls)) == len(calls)


def test_the_same_calls_in_another_order_are_a_duplicate(samples: list[Sample], world: World, tmp_path: Path) -> None:
    """Which of two calls that do not depend on each other comes first is chance."""
    wide = [sample for sample in samples if not any(a.step for call in sample.calls for a in call.arguments)]
    one = next(sample for sample in wide if len(sample.calls) > 2)
    first, *others = one.calls
    turned = one.model_copy(update={"id": "f" * 16, "query": "Said in other words.", "calls": [first, *others[::-1]]})
    less = one.model_copy(update={"id": "e" * 16, "query": "Said once more.", "calls": [first, *others[1:]]})
    outcomes = Corpus(tmp_path, world, [one, turned, less]).outcomes()
    reject = outcomes[turned.id]
    assert isinstance(reject, Reject) and reject.reason == "duplicate-calls"
    assert {sample.id for sample in kept(outcomes)} == {one.id, less.id}


def test_a_sample_is_as_it_was_but_for_its_split(samples: list[Sample], world: World, tmp_path: Path) -> None:
    by_id = {sample.id: sample for sample in samples}
    for sample in kept(Corpus(tmp_path, world, samples).outcomes()):
        assert sample.model_copy(update={"split": "train"}) == by_id[sample.id]


def test_a_later_round_takes_nothing_away(samples: list[Sample], world: World, tmp_path: Path) -> None:
    first, second = samples[:80], samples[80:]
    alone = Corpus(tmp_path / "a", world, first).outcomes(similarity=0.8)
    both = Corpus(tmp_path / "b", world, first, second).outcomes(similarity=0.8)
    assert {one.id: both[one.id] for one in first} == alone
    assert len(both) == len(samples)


def test_exactly_as_many_as_asked_for_and_the_rest_is_surplus(
    samples: list[Sample], world: World, tmp_path: Path
) -> None:
    corpus = Corpus(tmp_path, world, samples[:80], samples[80:])
    without = kept(corpus.outcomes())
    quotas = Quotas(30, QuotasConfig(lengths={2: 2, 3: 1}))
    outcomes = corpus.outcomes(quotas)
    chosen = kept(outcomes)
    assert quotas.left == 0 and len(chosen) == 30
    assert sorted(map(length, chosen)) == [2] * 20 + [3] * 10
    surplus = [one.id for one in outcomes.values() if isinstance(one, Reject) and one.reason == "surplus"]
    assert {sample.id for sample in chosen} | set(surplus) == {sample.id for sample in without}
    early = {sample.id for sample in samples[:80]}
    pairs = sorted((sample.id not in early, sample.id) for sample in without if length(sample) == 2)
    assert {sample.id for sample in chosen if length(sample) == 2} == {id_ for _, id_ in pairs[:20]}


def test_splits_share_no_subgraph_and_unseen_functions_stay_unseen(
    samples: list[Sample], world: World, tmp_path: Path
) -> None:
    splits: dict[Any, set[str]] = defaultdict(set)
    functions: dict[str, set[str]] = defaultdict(set)
    for sample in kept(Corpus(tmp_path, world, samples).outcomes()):
        links = sorted(
            (call.function, a.parameter, sample.calls[a.step].function)
            for call in sample.calls
            for a in call.arguments
            if a.step is not None
        )
        splits[(*sorted(call.function for call in sample.calls), *links)].add(sample.split)
        functions[sample.split].update(call.function for call in sample.calls)
    assert all(len(found) == 1 for found in splits.values())
    assert set(functions) == {"train", "validation", "test", "unseen"}
    seen = functions["train"] | functions["validation"] | functions["test"]
    unseen = {function.id for function in world.functions if is_unseen(function.id, SPLITS.unseen_functions, 0)}
    assert unseen and functions["unseen"] & unseen and not seen & unseen


def test_nothing_becomes_nothing(world: World, tmp_path: Path) -> None:
    assert Corpus(tmp_path, world, []).outcomes(Quotas(5, QuotasConfig()), similarity=0.9) == {}
    assert Corpus(tmp_path / "none", world).outcomes() == {}
