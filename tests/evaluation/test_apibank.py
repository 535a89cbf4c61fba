"""API-Bank's dialogues as tasks, and calls judged by the tools themselves, run in processes of their own."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from goat_ray.benchmarking import Benchmarking
from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.errors import DocumentError
from goat_ray.evaluation.apibank import CALL, PATH, REPLY, apibank, check_calls, read_dialogue
from goat_ray.evaluation.benchmark import MadeCall, Solution
from goat_ray.evaluation.benchmark_scores import score
from goat_ray.evaluation.metrics import rouge_l
from goat_ray.executors.config import ExecutorConfig
from goat_ray.executors.python.config import PythonConfig
from goat_ray.executors.python.executor import PythonExecutor
from goat_ray.records import ApiFunction
from tests.conftest import shared

TOOL = '''
class AddAgenda:
    description = "Adds an entry."
    input_parameters = {"content": {"type": "str", "description": "."}, "time": {"type": "str", "description": "."}}
    output_parameters = {"status": {"type": "str", "description": "."}}
    def call(self, content, time):
        if not time[:4].isdigit():
            return {"api_name": "AddAgenda", "input": {}, "output": None, "exception": "The time is none"}
        given = {"content": content, "time": time}
        return {"api_name": "AddAgenda", "input": given, "output": "success", "exception": None}
    def check_api_call_correctness(self, response, groundtruth):
        """The content's letter case is the caller's affair."""
        same = [one["input"]["content"].lower() for one in (response, groundtruth)]
        return same[0] == same[1] and response["output"] == groundtruth["output"]
'''
HEALTH = """
class RecordHealthData:
    description = "Records health data."
    input_parameters = {"user_id": {"type": "str"}, "time": {"type": "str"}, "health_data": {"type": "list"}}
    output_parameters = {"status": {"type": "str", "description": "."}}
    def call(self, user_id: str, time: str, health_data: list = None):
        given = {"user_id": user_id, "time": time, "health_data": health_data}
        return {"api_name": "RecordHealthData", "input": given, "output": "success", "exception": None}
    def check_api_call_correctness(self, response, groundtruth):
        return response == groundtruth
"""
GIVEN = {"content": "Tea with Ada", "time": "2023-05-01"}
RESULT = {"api_name": "AddAgenda", "input": GIVEN, "output": "success", "exception": None}
DIALOGUE = [
    {"role": "User", "text": "Put tea with Ada on the first of May."},
    {"role": "AI", "text": "I will."},
    {"role": "API", "api_name": "AddAgenda", "param_dict": GIVEN, "result": RESULT},
    {"role": "AI", "text": "Tea with Ada is in your agenda."},
]


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    (tmp_path / "apis").mkdir()
    (tmp_path / "apis" / "add_agenda.py").write_text(TOOL)
    (tmp_path / "dialogues").mkdir()
    lines = "\n".join(map(json.dumps, DIALOGUE))
    (tmp_path / "dialogues" / "AddAgenda-level-2-1.jsonl").write_text(f"{lines}\n\n")
    return tmp_path


def functions(bank: Path) -> list[ApiFunction]:
    config = DocumentsConfig(paths=[str(bank / "apis")])
    return [one for one in Ingest(config).process(discover(config)) if isinstance(one, ApiFunction)]


def test_official_dialogues() -> None:
    benchmark = apibank(shared("apibank"), [ApiFunction.create(service="apis", name="AddAlarm")])
    kinds = {kind: [task for task in benchmark.tasks if task.measures == kind] for kind in (CALL, REPLY, PATH)}
    assert len({task.id for task in benchmark.tasks}) == len(benchmark.tasks)
    assert {task.group for task in kinds[CALL]} == {"level 1", "level 2", "level 3"}
    assert {task.group for task in kinds[PATH]} == {"level 3, whole"} and len(kinds[PATH]) == 3
    agenda = next(task for task in kinds[PATH] if "Meeting with Client A" in task.query)
    assert [name for name, _ in agenda.gold] == ["GetUserToken", "AddAgenda"]
    assert all({"input", "output", "exception"} <= task.results[0].keys() for task in kinds[CALL])
    assert all(task.response for task in kinds[REPLY])
    assert "the tool AddAgenda is not among the run's functions: no agent can call it" in benchmark.remarks
    assert not any("AddAlarm" in remark for remark in benchmark.remarks)
    assert apibank(shared("apibank"), []).remarks == []


def test_a_call_right_after_a_call_counts_twice_as_officially() -> None:
    """The official evaluator makes a task of each of the 46 calls and of whatever comes next, once that is a call."""
    tasks = [task for task in apibank(shared("apibank"), []).tasks if task.measures == CALL]
    assert len(tasks) == 47
    (again,) = [task for task in tasks if task.occurrence]
    assert again.query.splitlines()[-1].startswith("API: ")
    assert [task.gold for task in tasks if task.query == again.query] == [again.gold] * 2


def test_the_official_file_of_level_3(tmp_path: Path) -> None:
    def call(name: str, arguments: dict[str, str], output: object) -> dict[str, object]:
        result = {"api_name": name, "input": arguments, "output": output, "exception": None}
        return {"api_name": name, "input": arguments, "output": result}

    entry = {
        "requirement": " Tell Ada of my meetings.",
        "response": "Ada knows of your tea.",
        "apis": [
            call("ToolSearcher", {"keywords": "QueryMeeting"}, {"name": "QueryMeeting"}),
            call("QueryMeeting", {"user_name": "me"}, {"meetings": ["tea"]}),
            call("EmailReminder", {"recipient": "ada@example.com"}, "success"),
        ],
    }
    file = tmp_path / "level-3.json"
    file.write_text(json.dumps([entry]))
    tasks = apibank(file, []).tasks
    assert [task.group for task in tasks] == ["level 3"] * 4 + ["level 3, whole"]
    assert [task.gold[0][0] for task in tasks[:3]] == ["ToolSearcher", "QueryMeeting", "EmailReminder"]
    assert tasks[2].results == (entry["apis"][2]["output"],)  # type: ignore[index]
    assert "API: [QueryMeeting(user_name='me')] Response: " in tasks[2].query
    assert (tasks[3].measures, tasks[3].response) == (REPLY, "Ada knows of your tea.")
    assert tasks[4].query == "Tell Ada of my meetings."
    assert [name for name, _ in tasks[4].gold] == ["QueryMeeting", "EmailReminder"]
    for other in ({"requirement": "?"}, entry | {"response": 5}, entry | {"requirement": None}, entry | {"apis": "a"}):
        file.write_text(json.dumps([entry, other]))
        with pytest.raises(DocumentError, match=r"level-3\.json#1.*no entry of level 3"):
            apibank(file, [])


def test_what_else_a_clone_holds_is_left_out_and_said(bank: Path) -> None:
    tasks = apibank(bank, []).tasks
    for name, line in {"training.jsonl": '{"instruction": "Say it."}', "broken.jsonl": "{", "empty.jsonl": ""}.items():
        (bank / name).write_text(line)
    benchmark = apibank(bank, [])
    assert benchmark.tasks == tasks
    assert "training.jsonl holds no dialogue and is left out" in benchmark.remarks
    assert len(benchmark.remarks) == 3
    (bank / "dialogues" / "AddAgenda-level-2-1.jsonl").unlink()
    with pytest.raises(DocumentError, match=r"holds no dialogues, only other JSON Lines, such as broken\.jsonl"):
        apibank(bank, [])
    with pytest.raises(DocumentError, match=r"training\.jsonl:1"):
        apibank(bank / "training.jsonl", [])


def test_a_task_shows_the_dialogue_so_far_and_no_more(bank: Path) -> None:
    call, reply = apibank(bank / "dialogues", functions(bank)).tasks
    assert call.query == "User: Put tea with Ada on the first of May.\nAI: I will."
    assert call.gold == (("AddAgenda", GIVEN),)
    assert reply.query.endswith("API: [AddAgenda(content='Tea with Ada', time='2023-05-01')] Response: \"success\"")
    assert reply.response == "Tea with Ada is in your agenda."


@pytest.mark.parametrize(
    ("made", "correct"),
    [
        ([MadeCall("AddAgenda", GIVEN)], 1.0),
        ([MadeCall("AddAgenda", {**GIVEN, "content": "TEA WITH ADA"})], 1.0),  # the tool's own measure
        ([MadeCall("AddAgenda", {**GIVEN, "content": "coffee"})], 0.0),
        ([MadeCall("AddAgenda", {**GIVEN, "time": "tomorrow"})], 0.0),  # compares what is not there: KeyError
        ([MadeCall("AddAgenda", {"content": "Tea with Ada"})], 0.0),
        ([MadeCall("AddAgenda", "no object")], 0.0),
        ([MadeCall("QueryAgenda", GIVEN)], 0.0),
        ([], 0.0),
    ],
)
def test_the_tool_says_what_is_correct(bank: Path, made: list[MadeCall], correct: float) -> None:
    known = functions(bank)
    benchmark = apibank(bank / "dialogues", known)
    call, reply = benchmark.tasks
    solutions = {call.id: Solution(tuple(made)), reply.id: Solution(response="It is in your agenda.")}
    executor = PythonExecutor(PythonConfig(root=str(bank), workers=1))
    try:
        checks, remarks = check_calls(benchmark, solutions, known, executor)
    finally:
        executor.shutdown()
    result = score(benchmark, "run", solutions, {}, checks, [])
    assert result.values("correct") == {call.id: correct}
    assert remarks == []
    assert result.values("ROUGE-L") == {reply.id: pytest.approx(rouge_l("It is in your agenda.", reply.response))}


@pytest.mark.parametrize("name", ["gpt", "graph", "graph-tuned"])
def test_given_calls_are_checked_whatever_they_are_called(bank: Path, name: str) -> None:
    """A planner's calls have no arguments; a file that bears its name has."""
    known = functions(bank)
    benchmark = apibank(bank / "dialogues", known)
    entry = {"query": benchmark.tasks[0].query, "api_path": [{"docid": "AddAgenda", "llm_generation": GIVEN}]}
    (bank / "made.json").write_text(json.dumps([entry]))
    executor = ExecutorConfig(backend="python", python=PythonConfig(root=str(bank), workers=1))
    road: Any = SimpleNamespace(config=SimpleNamespace(executor=executor))
    result, folder = Benchmarking(road, benchmark, known, []).evaluate(f"{name}={bank / 'made.json'}", bank / "into")
    assert result.values("correct") == {benchmark.tasks[0].id: 1.0}
    assert not any("not taken" in remark for remark in result.remarks)
    assert folder.name == name


def test_a_gold_call_that_its_tool_finds_wrong_is_said(bank: Path) -> None:
    known = functions(bank)
    file = bank / "dialogues" / "AddAgenda-level-2-1.jsonl"
    file.write_text(file.read_text().replace('"output": "success"', '"output": "done"'))
    benchmark = apibank(file, known)
    executor = PythonExecutor(PythonConfig(root=str(bank), workers=1))
    try:
        checks, remarks = check_calls(benchmark, {task.id: Solution() for task in benchmark.tasks}, known, executor)
    finally:
        executor.shutdown()
    assert list(checks.values()) == [0.0]
    assert remarks == ["the gold call itself is not correct by its tool: AddAgenda after 'AI: I will.'"]


@pytest.mark.parametrize(
    ("changed", "correct"),
    [
        ({}, 1.0),  # the list as the text that the official dialogue holds
        ({"health_data": [{"name": "blood_pressure", "value": "120/80"}, {"name": "heart_rate", "value": "80"}]}, 1.0),
        ({"user_id": 123}, 1.0),  # officially all is text
        ({"health_data": "[{'name': 'heart_rate', 'value': '80'}]"}, 0.0),
        ({"health_data": "blood pressure 120/80"}, 0.0),
    ],
)
def test_arguments_of_an_official_dialogue(bank: Path, changed: dict[str, object], correct: float) -> None:
    (bank / "apis" / "record_health_data.py").write_text(HEALTH)
    known = functions(bank)
    (file,) = shared("apibank").glob("level1/RecordHealthData-*.jsonl")
    benchmark = apibank(file, known)
    task = next(task for task in benchmark.tasks if task.measures == CALL and task.gold[0][0] == "RecordHealthData")
    assert isinstance(task.gold[0][1], dict) and isinstance(task.gold[0][1]["health_data"], str)
    solutions = {one.id: Solution() for one in benchmark.tasks}
    solutions[task.id] = Solution((MadeCall("RecordHealthData", task.gold[0][1] | changed),))
    executor = PythonExecutor(PythonConfig(root=str(bank), workers=1))
    try:
        checks, remarks = check_calls(benchmark, solutions, known, executor)
    finally:
        executor.shutdown()
    assert checks[task.id] == correct
    assert not any("RecordHealthData" in remark for remark in remarks)


def test_rouge_l_by_hand() -> None:
    assert rouge_l("the cat sat", "the cat sat on the mat") == pytest.approx(2 * 1.0 * 0.6 / 1.6, abs=1e-6)  # 5 words
    assert rouge_l("a b", "c d") == 0.0
    assert rouge_l("", "c d") == rouge_l(" . ", "c d") == 0.0
    assert rouge_l("x " * 9_000, "x y " * 9_000) > 0


@pytest.mark.parametrize("between", ["\u2028", "\x85", "\x0c"])
def test_texts_may_hold_what_other_readers_take_for_the_end_of_a_line(tmp_path: Path, between: str) -> None:
    file = tmp_path / "d.jsonl"
    said = [{"role": "User", "text": f"one{between}two"}, {"role": "AI", "text": "\ud83d"}]
    lines = [json.dumps(turn, ensure_ascii=between == "\x0c" or turn["role"] == "AI") for turn in said]
    file.write_bytes("\r\n".join(lines).encode())
    assert read_dialogue(file) == [said[0], {"role": "AI", "text": "?"}]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"3",
        b"[" * 200_000,
        b'{"text": "who?"}',
        b'{"role": "User", "text": null}',
        b'{"role": "User", "text": "caf\xe9"}',
        b'{"role": 1, "text": "one"}',
        b'{"role": "API", "api_name": "X"}',
        b'{"role": "API", "api_name": "X", "param_dict": null, "result": 1}',
        b'{"role": "API", "api_name": ["X"], "param_dict": {}, "result": 1}',
    ],
)
def test_another_form_is_an_error_that_names_the_line(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "d.jsonl"
    file.write_bytes(json.dumps(DIALOGUE[0]).encode() + b"\n" + line + b"\n")
    with pytest.raises(DocumentError, match=r"d\.jsonl:2"):
        read_dialogue(file)


@pytest.mark.parametrize("first", [b"[" * 200_000, b"3", b"\xff"])
def test_a_folder_whose_lines_are_no_turns_holds_no_dialogues(tmp_path: Path, first: bytes) -> None:
    (tmp_path / "d.jsonl").write_bytes(first)
    with pytest.raises(DocumentError, match="holds no dialogues"):
        apibank(tmp_path, [])
