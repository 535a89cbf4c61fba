"""Language from a model over real HTTP: it is told what is wrong with its answers, and good ones become samples."""

from collections.abc import Callable
from typing import Any

from goat_ray.identity import digest
from goat_ray.records import Lineage, Sample
from goat_ray.synthesis.config import SynthesisConfig
from goat_ray.synthesis.narration import Narrate
from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.config import TeacherConfig
from goat_ray.teacher.fake_server import FakeServer
from goat_ray.teacher.narration import AskedStory, Paraphrase, Texts
from goat_ray.teacher.rules import RulesTeacher
from goat_ray.teacher.task import Failure, Task, Teacher
from tests.benchmarks.bench_orchestration import traces_of, write_book
from tests.teacher.test_checks import HONEST, story
from tests.world import World

CONFIG = SynthesisConfig()
ONE = "Please tell me who wrote the first review of the book Quiet Tide."
TWO = "I wonder who wrote the first review of Quiet Tide."


def asked(answers: Callable[[dict[str, Any]], Any], work: Callable[[Teacher], Any]) -> tuple[Any, FakeServer]:
    with FakeServer(answers=answers) as server:
        teacher = build_teacher(TeacherConfig(backend="openai", model="fake", base_url=server.base_url))
        try:
            return work(teacher), server
        finally:
            teacher.close()


def paraphrases(first: list[str], second: list[str]) -> tuple[Texts | Failure, list[Any]]:
    """What becomes of an answer and of the repaired one, and the turns that asked for the latter."""
    task: Task[AskedStory, Texts] = Paraphrase()
    (answer,), server = asked(
        lambda body: {"texts": second if len(body["messages"]) > 2 else first},
        lambda teacher: teacher.answer(task, [AskedStory(story(), HONEST, 2)]),
    )
    return answer, server.requests[-1]["messages"]


def test_too_few_or_bad_wordings_are_repaired_once() -> None:
    for first, told in (
        ([ONE], "There are to be 2 new wordings, each another, and 1 are."),
        ([ONE, f"{ONE} ", HONEST], "There are to be 2 new wordings, each another, and 1 are."),
        ([ONE, "Who wrote the first review of that book?"], "the wording lacks the user's value 'Quiet Tide'"),
    ):
        answer, turns = paraphrases(first, [ONE, TWO])
        assert answer == Texts(texts=[ONE, TWO])
        assert told in turns[-1]["content"]
    answer, turns = paraphrases([ONE, TWO, "Who?"], [])
    assert answer == Texts(texts=[ONE, TWO, "Who?"]) and len(turns) == 2, "enough of them are good"
    answer, _ = paraphrases([ONE], [ONE])
    assert isinstance(answer, Failure) and answer.reason == "invalid-answer"


def test_a_model_that_says_what_the_rules_say_gives_their_samples(world: World) -> None:
    made = traces_of(world, 40)
    traces = list({str([(call.function, call.values) for call in one.calls]): one for one in made}.values())
    book = write_book(world, traces, CONFIG)  # no two of them give the same question

    def narrated(teacher: Teacher) -> list[Sample]:
        narrate = Narrate(teacher, world.data, CONFIG, "traces")
        narrate.start()
        blank = Lineage(teacher="", prompts="", fingerprint="", seed=0)
        samples = [one for one in narrate.process(traces) if isinstance(one, Sample)]
        assert {sample.lineage.teacher for sample in samples} == {teacher.label}
        return [sample.model_copy(update={"lineage": blank}) for sample in samples]

    told, server = asked(lambda body: book[digest(body["messages"][:2])], narrated)
    ruled = narrated(RulesTeacher())
    assert [sample.id for sample in told] == [sample.id for sample in ruled] and len(told) >= 20
    for one, other in zip(told, ruled, strict=True):
        enough = len(other.paraphrases) == CONFIG.paraphrases  # a model that gives fewer twice has given none
        assert one == (other if enough else other.model_copy(update={"paraphrases": []}))
    assert sum(len(one.paraphrases) == CONFIG.paraphrases for one in told) >= 20
    assert server.count >= 5 * len(told)


def test_a_sample_without_good_paraphrases_is_one_all_the_same(world: World) -> None:
    traces = traces_of(world, 4)
    book = write_book(world, traces, CONFIG)

    def answer(body: dict[str, Any]) -> Any:
        said = book[digest(body["messages"][:2])]
        return {"texts": said["texts"][:1]} if "texts" in said else said

    def narrated(teacher: Teacher) -> list[Any]:
        narrate = Narrate(teacher, world.data, CONFIG, "traces")
        narrate.start()
        return list(narrate.process(traces))

    told, _ = asked(answer, narrated)
    assert [one.paraphrases for one in told if isinstance(one, Sample)] == [[]] * len(told)
