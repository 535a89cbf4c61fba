"""The embedded teacher."""

from goat_ray.teacher.rules import RulesTeacher
from goat_ray.teacher.task import Failure
from tests.teacher.tasks import Essay, WriteEssay


class WriteShortEssay(WriteEssay):
    def rule(self, request: str) -> Essay | Failure:
        return Essay(text=request)


def test_a_text_that_breaks_its_own_bounds_is_a_failure_beside_good_ones() -> None:
    answers = RulesTeacher().answer(WriteShortEssay(), ["short", "long" * 1000])
    assert answers[0] == Failure("invalid-answer", "text: String should have at least 4000 characters")
    assert answers[1] == Essay(text="long" * 1000)
