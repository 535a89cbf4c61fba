"""Hard negatives: neighbours stand among the candidates, and the needed functions always do."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from goat_ray.agent.config import AgentConfig
from goat_ray.places import Place
from goat_ray.records import ApiFunction, Example, Lookalikes, Neighbours
from goat_ray.storage import Dataset, FunctionStore, write_records
from goat_ray.synthesis.distractors import FEWEST, Distractors, DistractorsConfig, lookalikes
from goat_ray.synthesis.splits import SplitsConfig, is_unseen
from goat_ray.training.examples import ExamplesConfig, FormatExamples
from tests.world import World, make_samples


@pytest.fixture
def store() -> FunctionStore:
    return FunctionStore.of(ApiFunction.create(service="s", name=f"f{number}") for number in range(40))


def test_neighbours_come_from_both_ends_of_links_and_from_the_search(store: FunctionStore) -> None:
    a, b, c, *_ = store.ids
    nearest = [Neighbours(id=a, asked=True, carried=True, nearest=[a, c], similarities=[1.0, 0.5])]
    found = {one.id: one for one in lookalikes(store, [(a, b), (c, a), (a, a), (a, b)], nearest)}
    assert len(found) == len(store)
    assert (sorted(found[a].linked), found[a].similar) == (sorted([b, c]), [c])
    assert (found[b].linked, found[b].similar) == ([a], [])


@pytest.mark.parametrize(("count", "linked", "similar"), [(6, 2, 2), (6, 0, 3), (3, 9, 9), (1, 2, 2), (60, 1, 1)])
def test_candidates_hold_the_needed_and_as_many_neighbours_as_asked(
    store: FunctionStore, tmp_path: Path, count: int, linked: int, similar: int
) -> None:
    ids = store.ids
    write_records(tmp_path, Lookalikes, [Lookalikes(id=ids[0], linked=ids[1:10], similar=ids[10:20])])
    config = DistractorsConfig(linked=linked, similar=similar)
    distractors = Distractors(store, config, str(tmp_path / "outcome=kept"))
    for seed in range(30):
        chosen = [one.id for one in distractors.among([store[ids[0]], store[ids[0]]], count, seed)]
        assert len(set(chosen)) == len(chosen) == min(max(count, 1), len(store))
        assert ids[0] in chosen
        room = max(0, count - 1)
        near = min(linked, room, 9)
        assert sum(id_ in ids[1:10] for id_ in chosen) >= near
        assert sum(id_ in ids[10:20] for id_ in chosen) >= min(similar, room - near)
        assert [one.id for one in distractors.among([store[ids[0]]], count, seed)] == chosen


def test_without_lookalikes_all_others_are_random(store: FunctionStore) -> None:
    distractors = Distractors(store)
    seen = {one.id for seed in range(60) for one in distractors.among([store[store.ids[0]]], 6, seed)}
    assert seen == set(store.ids)


def test_functions_held_back_are_offered_in_their_own_split_only(store: FunctionStore, tmp_path: Path) -> None:
    ids = store.ids
    write_records(tmp_path, Lookalikes, [Lookalikes(id=ids[0], linked=ids[1:10], similar=ids[10:20])])
    config, splits = DistractorsConfig(linked=9, similar=9), SplitsConfig(unseen_functions=0.5, seed=3)
    distractors = Distractors(store, config, str(tmp_path / "outcome=kept"), splits)
    hidden = {id_ for id_ in ids if is_unseen(id_, 0.5, 3)} - {ids[0]}
    assert 10 < len(hidden) < 30
    for split in ("train", "validation", "test"):
        offered = distractors.offered([store[ids[0]]], len(store), split=split)
        assert {one.id for one in offered} == set(ids) - hidden
    assert {one.id for one in distractors.offered([store[ids[0]]], len(store), split="unseen")} == set(ids)


def test_what_is_held_back_does_not_make_the_choice_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of a hundred thousand functions would else be drawn and thrown away for each example."""
    drawn: list[int] = []
    sample = Random.sample
    monkeypatch.setattr(Random, "sample", lambda self, pool, k: drawn.append(k) or sample(self, pool, k))
    store = FunctionStore.of(ApiFunction.create(service="s", name=f"f{number}") for number in range(2000))
    splits = SplitsConfig(unseen_functions=0.2)
    seen = [id_ for id_ in store.ids if not is_unseen(id_, splits.unseen_functions, splits.seed)]
    distractors = Distractors(store, splits=splits)
    found: Counter[str] = Counter()
    for seed in range(2000):
        offered = [one.id for one in distractors.offered([store[seen[0]]], 6, seed, split="train")]
        assert len(set(offered)) == len(offered) == 6
        found.update(offered)
    assert max(drawn) < 20
    del found[seen[0]]
    assert set(found) < set(seen) and len(found) > 1500 and max(found.values()) < 30, "each about six times"


@pytest.mark.parametrize("needed", [1, 4, 6, 12])
def test_even_long_samples_are_offered_a_choice(store: FunctionStore, needed: int) -> None:
    functions = [store[id_] for id_ in store.ids[:needed]]
    offered = Distractors(store).offered(functions * 2, 6, split="train")
    assert len(offered) == max(6, needed + FEWEST)
    assert len(Distractors(store).offered(functions, 6, split="train", fewest=0)) == max(6, needed)


def test_lookalikes_stand_among_the_candidates_of_plan_examples(world: World, tmp_path: Path) -> None:
    links = [(edge.source, edge.target) for edge in world.edges]
    ids = world.functions.ids
    after = dict(zip(ids, [*ids[1:], ids[0]], strict=True))  # what is found to be like each function
    nearest = [
        Neighbours(id=id_, asked=True, carried=True, nearest=[after[id_]], similarities=[0.9])
        for id_ in world.functions.ids
    ]
    write_records(tmp_path, Lookalikes, list(lookalikes(world.functions, links, nearest)))
    near: Dataset[Lookalikes] = Dataset(Place.of(tmp_path), Lookalikes, "near", len(nearest), {})
    step = FormatExamples(world.data, ExamplesConfig(), AgentConfig(candidates=8), near)
    step.start()
    samples = {sample.id: sample for sample in make_samples(world, 40)}
    plans = [one for one in step.process(list(samples.values())) if isinstance(one, Example) and one.kind == "plan"]
    for plan in plans:
        needed = {call.function for call in samples[plan.sample].calls}
        listed = [line.removeprefix("- ").partition(":")[0] for line in plan.prompt.splitlines() if line[:2] == "- "]
        like = {world.functions[after[id_]].name for id_ in needed if after[id_] not in needed}
        assert len(like.intersection(listed)) >= min(2, len(like)), plan.prompt
    assert len(plans) >= 40
