"""After a change of some input, outcomes of the rest are taken over, and the result is that of a new run."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from goat_ray.console import Console
from goat_ray.errors import RunError
from goat_ray.records import Document, Reject
from goat_ray.runner import Runner
from goat_ray.stage import CHECKPOINT
from goat_ray.step import Resources
from tests.steps import Shout, documents

pytestmark = pytest.mark.ray


class ShoutAlone(Shout):
    """Each outcome depends on its own record only."""

    own_input_only = True


@pytest.fixture
def runner(tmp_path: Path, ray_cluster: None) -> Runner:
    return Runner(tmp_path / "run", Console())


def shout(runner: Runner, given: list[Document], step: Shout):
    source = runner.gather("documents", Document, lambda: given, settings={"ids": [one.model_dump() for one in given]})
    out = runner.bulk(step, source, into="loud")
    return sorted(out.records(), key=lambda r: r.id), sorted(out.rejected(), key=lambda r: r.id)


def worked_on(notes: Path) -> int:
    """How many records the step has seen since the last call."""
    files = list(notes.glob("[0-9]*"))
    total = sum(len(file.read_text().split()) for file in files)
    for file in files:
        file.unlink()
    return total


def test_only_what_changed_is_worked_on(runner: Runner, tmp_path: Path) -> None:
    step = ShoutAlone(notes=tmp_path)
    first = list(documents(100))
    shout(runner, first, step)
    worked_on(tmp_path)
    edited = first[3].model_copy(update={"root": "elsewhere"})  # the same id
    changed = [*first[:3], edited, *first[10:], *list(documents(120))[100:]]

    kept, rejected = shout(runner, changed, step)

    assert worked_on(tmp_path) == 1 + 20
    by_definition = {one.id: one.root.upper() + "!" for one in changed if int(one.path) % 10}
    assert {one.id: one.root for one in kept} == by_definition
    assert {one.id for one in rejected} == {one.id for one in changed} - by_definition.keys()


class Stumble(ShoutAlone):
    """Ends the run at its last batch while there is a file ``stone`` among its notes."""

    resources = Resources(cpus=0.5, batch_size=10, workers=1)

    def process(self, batch: Sequence[Document]) -> Iterator[Document | Reject]:
        assert self.notes is not None
        if (self.notes / "stone").exists() and any(one.path == "99" for one in batch):
            raise RunError("a stone", remedy="Take it away")
        yield from super().process(batch)


def test_an_unfinished_output_that_is_brought_back_has_each_record_once(runner: Runner, tmp_path: Path) -> None:
    first, longer = list(documents(100)), list(documents(110))
    (tmp_path / "stone").touch()
    with pytest.raises(RunError, match="a stone"):
        shout(runner, first, Stumble(notes=tmp_path))
    assert list((tmp_path / "run" / "loud" / CHECKPOINT).iterdir()), "some of it was committed"
    (tmp_path / "stone").unlink()
    shout(runner, longer, Stumble(notes=tmp_path))

    kept, rejected = shout(runner, first, Stumble(notes=tmp_path))

    assert sorted(one.id for one in (*kept, *rejected)) == sorted(one.id for one in first)


@pytest.mark.parametrize("later", [ShoutAlone, Shout])
def test_other_settings_and_steps_that_look_at_other_records_take_nothing_over(
    runner: Runner, tmp_path: Path, later: type[Shout]
) -> None:
    given = list(documents(50))
    shout(runner, given, later(notes=tmp_path))
    worked_on(tmp_path)

    kept, _ = shout(runner, given[:40], later(mark="?" if later is ShoutAlone else "!", notes=tmp_path))

    assert worked_on(tmp_path) == 40
    assert len(kept) == 36
