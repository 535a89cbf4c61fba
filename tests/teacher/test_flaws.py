"""What a schema cannot tell of an answer: JSON inside JSON, and how many there must be. Over real HTTP."""

import pytest

from goat_ray.places import Place
from goat_ray.teacher.answers import AnswerCache
from goat_ray.teacher.arguments import ArgumentValues, FillArguments, FreeArguments
from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.chat import _Work
from goat_ray.teacher.config import EngineConfig, TeacherConfig
from goat_ray.teacher.edges import EdgeVerdict, EdgeVerdicts, JudgeEdges
from goat_ray.teacher.fake_server import FakeServer
from goat_ray.teacher.journal import StoredAnswer
from goat_ray.teacher.simulation import SimulatedCall, SimulatedResponse, SimulateResponse
from tests.teacher.test_shortening import QUESTION, function

FILM = function("film")
FREE = FreeArguments(FILM, tuple(FILM.parameters), ((603,),), "seed")
CALL = SimulatedCall(
    FILM.model_copy(update={"outputs": [QUESTION.field.model_copy(update={"path": "$.id"})]}), {"movie_id": 603}
)
VERDICT = EdgeVerdict(accept=True, reason="It is one.")
WRONG_AND_RIGHT = [
    (FillArguments(), FREE, ArgumentValues(values_json="{"), ArgumentValues(values_json='{"movie_id": 603}')),
    (FillArguments(), FREE, ArgumentValues(values_json='{"id": 1}'), ArgumentValues(values_json='{"movie_id": 603}')),
    (JudgeEdges(), [QUESTION] * 2, EdgeVerdicts(verdicts=[VERDICT]), EdgeVerdicts(verdicts=[VERDICT] * 2)),
    (SimulateResponse(), CALL, SimulatedResponse(status=200, body="no"), SimulatedResponse(status=404, body="null")),
    (
        SimulateResponse(),
        CALL,
        SimulatedResponse(status=200, body='{"id": "x"}'),
        SimulatedResponse(status=200, body='{"id": 1}'),
    ),
]


@pytest.mark.parametrize(("task", "request_", "wrong", "right"), WRONG_AND_RIGHT)
def test_a_wrong_answer_is_repaired_once(task, request_, wrong, right):
    def answer(body):
        return (right if len(body["messages"]) > 2 else wrong).model_dump_json()

    with FakeServer(answers=answer) as server:
        teacher = build_teacher(TeacherConfig(backend="openai", model="fake", base_url=server.base_url))
        assert teacher.answer(task, [request_]) == [right]
        assert len(server.requests) == 2
        teacher.close()


def test_a_stored_answer_that_is_wrong_is_asked_for_anew(tmp_path):
    task, request, wrong, right = WRONG_AND_RIGHT[0]
    with FakeServer(answers=lambda body: right.model_dump_json()) as server:
        config = TeacherConfig(backend="openai", model="fake", base_url=server.base_url)
        teacher = build_teacher(config, Place.of(tmp_path))
        key = _Work(task, teacher.settings()).question(request).key
        cache = AnswerCache(Place.of(tmp_path))
        cache.add(StoredAnswer(key, task.name, wrong.model_dump_json()))
        cache.flush()
        assert teacher.answer(task, [request]) == [right]
        assert len(server.requests) == 1
        teacher.close()


@pytest.mark.parametrize(
    "engine",
    [{"chat_template_kwargs": {"enable_thinking": False}}, {"extra": {"hf_overrides": {"x": 1}}}, {"dtype": "float16"}],
)
def test_engine_settings_that_change_answers_are_part_of_the_key(engine):
    plain = TeacherConfig(backend="vllm", model="m")
    other = plain.model_copy(update={"engine": EngineConfig(**engine)})
    assert build_teacher(other).settings() != build_teacher(plain).settings()


def test_engine_settings_that_change_speed_are_not():
    plain = TeacherConfig(backend="vllm", model="m")
    faster = EngineConfig(replicas=2, prefix_caching=False, extra={"gpu_memory_utilization": 0.8, "max_num_seqs": 8})
    assert build_teacher(plain.model_copy(update={"engine": faster})).settings() == build_teacher(plain).settings()
