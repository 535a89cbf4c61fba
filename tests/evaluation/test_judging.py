"""Success by a judge over real HTTP, against the fake server that ships with the package."""

from goat_ray.evaluation.benchmark import Benchmark, BenchmarkTask, MadeCall, Solution
from goat_ray.evaluation.judging import Attempted, JudgeSuccess, Verdict, judge
from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.config import TeacherConfig
from goat_ray.teacher.fake_server import FakeServer
from goat_ray.teacher.rules import RulesTeacher
from goat_ray.teacher.task import Failure

TASKS = [BenchmarkTask(query, ("CP", "SR"), "1 call") for query in ("good", "bad", "silent")]
BENCHMARK = Benchmark("b", [*TASKS, BenchmarkTask("other", ("CP",), "1 call")], {}, str)
CALL = MadeCall("GET /films", {"year": 1997}, {"titles": ["Titanic"]})
SOLUTIONS = {task.id: Solution((CALL,), "" if task.query == "silent" else "It is Titanic.") for task in BENCHMARK.tasks}


def test_a_model_judges_what_has_a_response() -> None:
    def verdict(body: dict) -> dict:
        question = body["messages"][-1]["content"]
        assert 'GET /films {"year": 1997}' in question and '"Titanic"' in question
        return {"accept": "Request: good" in question, "reason": "so it is"}

    with FakeServer(answers=verdict) as server:
        teacher = build_teacher(TeacherConfig(backend="openai", model="fake", base_url=server.base_url))
        teacher.start()
        verdicts = judge(teacher, BENCHMARK, SOLUTIONS)
    assert [verdicts[task.id] for task in TASKS] == [
        Verdict(True, "so it is"),
        Verdict(False, "so it is"),
        Verdict(False, "there is no response"),
    ]
    assert len(verdicts) == 3


def test_no_rule_pretends_to_judge() -> None:
    verdict = judge(RulesTeacher(), BENCHMARK, SOLUTIONS)[TASKS[0].id]
    assert isinstance(verdict, Failure) and verdict.reason == "no-model"


def test_long_outputs_are_cut_further_where_a_prompt_is_too_long() -> None:
    request = Attempted("q", (MadeCall("f", {}, "x" * 9_000),), "r")
    lengths = [len(JudgeSuccess().messages(request)[-1]["content"])]
    for level in (1, 2, 3):
        shorter = JudgeSuccess().shortened(request, level)
        assert shorter is not None
        lengths.append(len(JudgeSuccess().messages(shorter)[-1]["content"]))
    assert lengths == sorted(lengths, reverse=True)
    assert JudgeSuccess().shortened(request, 4) is None
