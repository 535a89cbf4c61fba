"""Filter 2: what is asked, in which order, and what becomes of the answers."""

import random
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import pytest

from goat_ray.graph.config import VerificationConfig
from goat_ray.graph.verification import Verify
from goat_ray.records import Edge, Reject
from goat_ray.teacher.edges import EdgeVerdicts, JudgeEdges
from goat_ray.teacher.rules import RulesTeacher
from goat_ray.teacher.task import Ans, Failure, Request, Task
from tests.world import World, all_pairs


class Listening(RulesTeacher):
    """The embedded teacher, with a memory of what it was asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def answer(self, task: Task[Request, Ans], requests: Sequence[Request]) -> list[Ans | Failure]:
        self.asked += requests
        return super().answer(task, requests)


def verified(world: World, teacher: RulesTeacher, per_prompt: int) -> tuple[set[str], list[Reject]]:
    step = Verify(teacher, world.data, VerificationConfig(per_prompt=per_prompt))
    step.start()
    outcomes = list(step.process(all_pairs(world.functions)[:600]))
    assert len(outcomes) == 600
    return {o.id for o in outcomes if isinstance(o, Edge)}, [o for o in outcomes if isinstance(o, Reject)]


@pytest.mark.parametrize("per_prompt", [2, 7, 32])
def test_several_candidates_in_one_prompt_give_the_same_edges(world: World, per_prompt: int) -> None:
    one_by_one, together = Listening(), Listening()
    assert verified(world, one_by_one, 1)[0] == verified(world, together, per_prompt)[0] != set()
    assert len(together.asked) < len(one_by_one.asked) == 600
    for prompt in together.asked:
        assert len(prompt) <= per_prompt  # type: ignore[arg-type]
        assert len({(q.target.id, q.parameter.name) for q in prompt}) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("per_prompt", [1, 8])
def test_what_shares_a_prefix_is_asked_one_after_the_other(world: World, per_prompt: int) -> None:
    teacher = Listening()
    step = Verify(teacher, world.data, VerificationConfig(per_prompt=per_prompt))
    step.start()
    list(step.process(random.Random(3).sample(all_pairs(world.functions), 200)))
    questions = teacher.asked if per_prompt == 1 else [one for prompt in teacher.asked for one in prompt]  # type: ignore[attr-defined]
    asked = [(one.target.id, one.parameter.name) for one in questions]  # type: ignore[attr-defined]
    assert len(asked) == 200 and len(set(asked)) > 1
    assert [key for key, _ in groupby(asked)] == sorted(set(asked)), "by target, then by parameter, each of them once"


def test_a_prompt_names_its_target_once_and_all_sources(world: World) -> None:
    teacher = Listening()
    verified(world, teacher, 8)
    prompt = max(teacher.asked, key=len)  # type: ignore[arg-type]
    text = JudgeEdges().messages(prompt)[1]["content"]  # type: ignore[arg-type]
    assert text.count("Second API") == 1
    assert text.count("First API") == len(prompt) == 8  # type: ignore[arg-type]


class Forgetful(RulesTeacher):
    """Leaves out the last verdict of each answer."""

    def answer(self, task: Task[Request, Ans], requests: Sequence[Request]) -> list[Ans | Failure]:
        found = super().answer(task, requests)
        return [EdgeVerdicts(verdicts=one.verdicts[:-1]) for one in found]  # type: ignore[misc, union-attr]


def test_a_missing_verdict_rejects_the_candidates_of_that_prompt(world: World) -> None:
    edges, rejects = verified(world, Forgetful(), 4)
    assert not edges
    assert {reject.reason for reject in rejects} == {"invalid-answer"}


def test_settings_tell_how_many_were_asked_at_once(tmp_path: Path) -> None:
    one, many = (Verify(RulesTeacher(), str(tmp_path), VerificationConfig(per_prompt=n)) for n in (1, 8))
    assert one.fingerprint() != many.fingerprint()
