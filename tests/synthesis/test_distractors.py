"""Hard negatives: neighbours stand among the candidates, and the needed functions always do."""

from pathlib import Path

import pytest

from goat_ray.records import ApiFunction, Lookalikes, Neighbours
from goat_ray.storage import FunctionStore, write_records
from goat_ray.synthesis.distractors import Distractors, DistractorsConfig, lookalikes


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
