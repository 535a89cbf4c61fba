"""`goat evaluate BENCH` as a command with the shipped configurations: judged, checked by tools, planned."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from goat_ray.cli import app
from goat_ray.evaluation.apibank import apibank
from goat_ray.evaluation.results import SECONDS, Result
from goat_ray.teacher.fake_server import FakeServer
from goat_ray.teacher.rules import RulesTeacher
from tests.conftest import ROOT, shared

pytestmark = [pytest.mark.ray, pytest.mark.slow]

TOKEN = """
class GetUserToken:
    description = "Gets the token of a user."
    input_parameters = {"username": {"type": "str", "description": "The name of the user."}}
    output_parameters = {"token": {"type": "str", "description": "The token of the user."}}
    database_name = "Account"
    def __init__(self, init_database=None):
        self.database = init_database or {}
    def call(self, username):
        given = {"username": username}
        output = {"token": self.database[username]["token"]}
        return {"api_name": "GetUserToken", "input": given, "output": output, "exception": None}
    def check_api_call_correctness(self, response, groundtruth):
        return response["output"] == groundtruth["output"]
"""
MEETING = """
class AddMeeting:
    description = "Adds a meeting of several people."
    input_parameters = {
        "topic": {"type": "str", "description": "The topic of the meeting."},
        "attendees": {"type": "list(str)", "description": "The names of the people."},
    }
    output_parameters = {"status": {"type": "str", "description": "Whether it is added."}}
    def call(self, topic: str, attendees: list):
        given = {"topic": topic, "attendees": attendees}
        return {"api_name": "AddMeeting", "input": given, "output": "success", "exception": None}
    def check_api_call_correctness(self, response, groundtruth):
        return response["input"] == groundtruth["input"]
"""


def turn(name: str, arguments: dict[str, Any], given: dict[str, Any], output: Any) -> dict[str, Any]:
    result = {"api_name": name, "input": given, "output": output, "exception": None}
    return {"role": "API", "api_name": name, "param_dict": arguments, "result": result}


SAID = {"role": "User", "text": "I am Ada. Plan tea with Bob and me."}
GET_TOKEN = turn("GetUserToken", {"username": "Ada"}, {"username": "Ada"}, {"token": "t-ada"})
ADD = turn(
    "AddMeeting",
    {"topic": "tea", "attendees": "['Ada', 'Bob']"},  # as all of API-Bank's own files write lists
    {"topic": "tea", "attendees": ["Ada", "Bob"]},
    "success",
)
SEARCH = turn("ToolSearcher", {"keywords": "meeting"}, {"keywords": "meeting"}, {"name": "AddMeeting"})
DONE = {"role": "AI", "text": "You meet Bob for tea."}
DIALOGUES = {
    "level-1-given-desc/AddMeeting-GetUserToken-level-2-1.jsonl": [SAID, GET_TOKEN, ADD, DONE],
    "level-2-toolsearcher/AddMeeting-level-3-1.jsonl": [SAID, SEARCH, ADD, DONE],
}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the shipped configuration expects of API-Bank, made small."""
    bank = tmp_path_factory.mktemp("bank") / "api-bank"
    for folder in ("apis", "init_database"):
        (bank / folder).mkdir(parents=True)
    (bank / "apis" / "get_user_token.py").write_text(TOKEN)
    (bank / "apis" / "add_meeting.py").write_text(MEETING)
    (bank / "init_database" / "Account.json").write_text('{"Ada": {"token": "t-ada"}}')
    for name, turns in DIALOGUES.items():
        file = bank / "lv1-lv2-samples" / name
        file.parent.mkdir(parents=True)
        file.write_text("\n".join(map(json.dumps, turns)))
    return bank


@pytest.fixture
def clone(bank: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Beside the working directory's run, whose graph is made by the first test and finished for the next."""
    monkeypatch.chdir(bank.parent)
    yield bank
    shutil.rmtree("runs/apibank/benchmarks", ignore_errors=True)


@pytest.fixture
def fresh_clone(bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no run has been."""
    monkeypatch.chdir(tmp_path)
    os.symlink(bank, "api-bank")


def evaluate(
    name: str, config: str, root: str | Path, contenders: dict[str, Any], *changes: str, status: int = 0
) -> str:
    """What the command prints. Contenders with entries are written as files of predictions."""
    chosen = []
    for contender, entries in contenders.items():
        if entries is not None:
            Path(f"{contender}.json").write_text(json.dumps(entries))
        chosen += ["-c", contender if entries is None else f"{contender}.json"]
    settings = [word for change in changes for word in ("--set", change)]
    command = ["evaluate", name, str(ROOT / "configs" / config), "--root", str(root), *chosen, *settings]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == status, result.output
    return result.output


def test_tools_of_a_clone_check_calls(ray_cluster: None, clone: Path) -> None:
    tasks = apibank(clone / "lv1-lv2-samples", []).tasks

    def answers(response: str, **changed: Any) -> list[dict[str, Any]]:
        made = {"GetUserToken": {"username": "Ada"}, "AddMeeting": {"topic": "tea", "attendees": ["Ada", "Bob"]}}
        paths = [[{"docid": name, "llm_generation": made.get(name, {}) | changed} for name, _ in t.gold] for t in tasks]
        return [
            {"query": task.query, "api_path": path, "final_response": response}
            for task, path in zip(tasks, paths, strict=True)
        ]

    contenders = {"good": answers("You meet Bob for tea."), "bad": answers("No.", topic="coffee"), "graph": None}
    told = evaluate("apibank", "apibank.yaml", "api-bank/lv1-lv2-samples", contenders, "graph.execute=false")
    results = {name: Result.read(Path("runs/apibank/benchmarks/apibank") / name) for name in contenders}
    wanted = {"GetUserToken": 1.0, "AddMeeting": 1.0, "ToolSearcher": 0.0}  # which the clone does not have
    for run, correct in {"good": wanted, "bad": dict.fromkeys(wanted, 0.0)}.items():
        values = results[run].values("correct")
        assert {task.gold[0][0]: values[task.id] for task in tasks if task.id in values} == correct
    assert list(results["good"].values("ROUGE-L").values()) == pytest.approx([1.0, 1.0])
    assert "the tool ToolSearcher is not among the run's functions" in told
    assert "the gold call itself" not in told
    assert results["graph"].values("correct") == {} and set(results["graph"].values("CP")) == {tasks[-1].id}
    assert "correctness is not taken for graph: the calls of its plan have no arguments" in told
    assert "SR is not taken for graph: its plan has no response to judge" in told
    assert told.count("Documents") == told.count("Dependency graph") == 1, "all contenders stand on the same road"


def test_tools_of_a_clone_check_the_calls_of_the_model_at_an_endpoint(ray_cluster: None, clone: Path) -> None:
    """One that answers by script, and is asked without a training before it: it never searches for tools."""
    made = {"GetUserToken": {"username": "Ada"}, "AddMeeting": {"topic": "tea", "attendees": ["Ada", "Bob"]}}

    def agent(body: dict[str, Any]) -> str:
        question = body["messages"][0]["content"]
        if question.endswith("one a line:"):
            return "AddMeeting" if "API: [" in question else "GetUserToken"
        if question.endswith("JSON:"):
            return json.dumps(made[question.rsplit("\nAPI: ", 1)[1].split(":")[0]])
        return "You meet Bob for tea."

    with FakeServer(answers=agent) as server:
        endpoint = f"agent.endpoint={{model: fake, base_url: {server.base_url}}}"
        root = f"executor.python.root={clone}"  # as the workers of this cluster, who make the calls, see it
        told = evaluate(
            "apibank", "apibank.yaml", "api-bank/lv1-lv2-samples", {}, endpoint, root, "graph.execute=false"
        )
    benchmark = Path("runs/apibank/benchmarks/apibank")
    assert {folder.name for folder in benchmark.iterdir()} == {"graph", "endpoint"}, "nothing else by default"
    result = Result.read(benchmark / "endpoint")
    assert f"endpoint is fake at {server.base_url}, with the untuned retriever" in result.remarks
    assert not Path("runs/apibank/samples").exists()
    correct = result.values("correct")
    tasks = apibank(clone / "lv1-lv2-samples", []).tasks
    found = [(task.gold[0][0], correct[task.id]) for task in tasks if task.id in correct]
    added = [("AddMeeting", 1.0)] * 2  # right after another call
    assert found == [("GetUserToken", 1.0), *added, ("ToolSearcher", 0.0), *added]
    assert list(result.values("ROUGE-L").values()) == pytest.approx([1.0, 1.0])
    assert list(result.values("CP").values()) == [0.0], "asked without the dialogue, it gets the token"
    assert len(result.values(SECONDS)) == len(tasks)
    assert not any("correctness is not taken" in remark for remark in result.remarks)
    assert "SR is not taken: it needs a configuration" in told


@pytest.mark.parametrize(
    ("contenders", "change", "said"),
    [
        (["graph", "tuned"], "agent.endpoint={model: m, base_url: http://x/v1}", "before its training and after it"),
        (["endpoint"], "", "agent.endpoint, and none is set"),
        (["graph", "graph-tuned"], "training.retriever.gpus_per_worker=1", "training.retriever: needs"),
        (["graph", "untuned"], "training.agent.gpus_per_worker=1", "training.agent: needs"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_work(
    ray_cluster: None,
    fresh_clone: None,
    monkeypatch: pytest.MonkeyPatch,
    contenders: list[str],
    change: str,
    said: str,
) -> None:
    released = []
    monkeypatch.setattr(RulesTeacher, "release", lambda _: released.append("engines"))
    changes = [change] if change else []
    chosen = dict.fromkeys(contenders)
    told = evaluate("apibank", "apibank.yaml", "api-bank/lv1-lv2-samples", chosen, *changes, status=1)
    assert said in told
    assert not Path("runs/apibank/functions").exists()
    assert released == ["engines"]


def test_a_model_judges_success(ray_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.symlink(shared("restbench"), "restbench")
    gold = json.loads(Path("restbench/tmdb_queries.json").read_text())
    entries = [{"query": one["query"], "api_path": one["solution"], "final_response": "Done."} for one in gold]
    entries[-1]["final_response"] = ""

    def verdict(body: dict[str, Any]) -> dict[str, Any]:
        return {"accept": f"Request: {gold[0]['query']}" in body["messages"][-1]["content"], "reason": "as I see it"}

    with FakeServer(answers=verdict) as server:
        teacher = f"teacher={{backend: openai, model: fake, base_url: {server.base_url}}}"
        told = evaluate("restbench", "tmdb.yaml", "restbench/tmdb_queries.json", {"gold": entries}, teacher)
    result = Result.read(Path("runs/tmdb/benchmarks/restbench-tmdb/gold"))
    assert set(result.values("CP").values()) == {1.0}
    success = result.values("SR")
    assert [task.query for task in result.tasks if success[task.id]] == [gold[0]["query"]]
    assert [task.note for task in result.tasks if task.query == gold[-1]["query"]] == ["there is no response"]
    assert "read as the documented path" in told and "SR is not taken" not in told
