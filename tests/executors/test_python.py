"""Python tools in processes of their own; documents tell which functions there are, as in a run."""

import asyncio
import datetime
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goat_ray import metering
from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.errors import ConfigError
from goat_ray.executors.build import build_executor
from goat_ray.executors.config import ExecutorConfig
from goat_ray.executors.executor import CallResult, Executor, Session
from goat_ray.executors.python.processes import Process, Server
from goat_ray.records import ApiFunction
from goat_ray.settings import build

BASE = """
class API:
    def __init__(self, init_database=None, token_checker=None):
        self.database = {} if init_database is None else init_database
        self.token_checker = token_checker
    def done(self, given, output, exception=None):
        return {"api_name": type(self).__name__, "input": given, "output": output, "exception": exception}
"""
TOKENS = """
from apis.api import API
class CheckToken(API):
    description = "Checks a token."
    input_parameters = {"token": {"type": "str", "description": "The token."}}
    output_parameters = {"username": {"type": "str", "description": "Whose it is."}}
    database_name = "Account"
    def check(self, token):
        for name, account in self.database.items():
            if account["token"] == token:
                return name
        raise Exception("The token is invalid")
    def call(self, token):
        return self.done({"token": token}, self.check(token))
"""
AGENDA = """
from apis.api import API
class AddAgenda(API):
    description = "Adds an entry."
    input_parameters = {"token": {"type": "str", "description": "."}, "content": {"type": "str", "description": "."}}
    output_parameters = {"status": {"type": "str", "description": "."}}
    database_name = "Agenda"
    def call(self, token, content):
        print("adding to stdout", flush=True)
        try:
            user = self.token_checker.check(token)
        except Exception as error:
            return self.done({}, None, str(error))
        self.database.setdefault(user, []).append(content)
        return self.done({"content": content}, "success")
class QueryAgenda(API):
    description = "Lists the entries."
    input_parameters = {"token": {"type": "str", "description": "."}}
    output_parameters = {"entries": {"type": "list", "description": "."}}
    database_name = "Agenda"
    def call(self, token):
        user = self.token_checker.check(token)
        return self.done({}, {"entries": self.database.get(user, [])})
"""
TYPED = """
from apis.api import API
class Typed(API):
    description = "Says what it got."
    input_parameters = {
        "int": {"type": "int"}, "float": {"type": "float"}, "str": {"type": "str"}, "bool": {"type": "bool"},
        "list": {"type": "list"}, "names": {"type": "list(str)"}, "day": {"type": "date"}, "bare": "int",
    }
    output_parameters = {"said": {"type": "str", "description": "."}}
    def call(self, int: str = None, float=None, str: int = None, bool=None, list=None, names=None, day: "D" = None,
             bare=None, hidden=None):  # annotations that contradict what is declared count for nothing
        return self.done({}, {"said": repr([int, float, str, bool, list, names, day, bare])})
import datetime; D = datetime.date
"""
TOOLS = '''
import datetime, enum, os, sys, time
from dataclasses import dataclass

SEEN = []

class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"

@dataclass
class City:
    name: str
    founded: datetime.date

def remember(word: str) -> list[str]:
    """Keeps a word, in a global."""
    SEEN.append(word)
    return SEEN

def grow(city: City, size: Size = Size.SMALL) -> City:
    """A city ten years later."""
    assert isinstance(city, City) and isinstance(size, Size)
    return City(f"{city.name} ({size.name})", city.founded.replace(year=city.founded.year + 10))

async def later(x: int, /, *, y: int = 1) -> int:
    """A coroutine."""
    return x + y

def noise(text: str) -> str:
    """Writes wherever it can."""
    os.write(1, b"raw\\n"); print(text); print(text, file=sys.stderr); os.system("echo child")
    return text + sys.stdin.read()

def linger(folder: str) -> None:
    """Leaves a file when it begins, and another one when it ends."""
    open(f"{folder}/begun", "w").close()
    time.sleep(20)
    open(f"{folder}/ended", "w").close()

def misbehave(how: str) -> dict:
    """Goes wrong in many ways."""
    if how == "sleep": time.sleep(60)
    if how == "spin":
        while True: pass
    if how == "eat": return {"n": len(bytearray(1 << 34))}
    if how == "crash": os.abort()
    if how == "exit": sys.exit("bye")
    if how == "raise": raise KeyError("nothing here")
    if how == "object": return {"o": object()}
    if how == "nan": return {"n": float("nan")}
    if how == "huge": return {"h": "x" * 300_000}
    return {"secret": os.environ.get("TOP_SECRET"), "named": os.environ.get("TOOL_KEY")}
'''


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bank")
    for name, text in {"api": BASE, "check_token": TOKENS, "agenda": AGENDA, "typed": TYPED}.items():
        (folder / "apis").mkdir(exist_ok=True)
        (folder / "apis" / f"{name}.py").write_text(text)
    (folder / "init_database").mkdir()
    (folder / "init_database" / "Account.json").write_text('{"Ada": {"token": "t-ada"}}')
    (folder / "init_database" / "Agenda.json").write_text('{"Ada": ["tea"]}')
    (folder / "tools.py").write_text(TOOLS)
    (folder / "json.py").write_text('def shadow(x: int) -> int:\n    """Has a module\'s name."""\n    return x\n')
    (folder / "broken.py").write_text('import no_such_module\n\ndef lost() -> int:\n    """Cannot be had."""\n')
    return folder


@pytest.fixture(scope="module")
def functions(root: Path) -> dict[str, ApiFunction]:
    config = DocumentsConfig(paths=[str(root / "apis"), *map(str, root.glob("*.py"))])
    found = Ingest(config).process(discover(config))
    return {one.name: one for one in found if isinstance(one, ApiFunction)}


def built(root: Path, **settings: Any) -> Executor:
    config = {"backend": "python", "python": {"root": str(root), "timeout_s": 10, **settings}}
    return build_executor(ExecutorConfig.model_validate(config), [])


@pytest.fixture(scope="module")
def executor(root: Path) -> Iterator[Executor]:
    executor = built(root, memory_mb=256, max_bytes=100_000)
    yield executor
    asyncio.run(executor.close())


@pytest.fixture
def session(executor: Executor) -> Iterator[Session]:
    session = executor.session()
    yield session
    asyncio.run(session.close())


def run(session: Session, function: ApiFunction, **arguments: Any) -> tuple[int, Any]:
    result = asyncio.run(session.call(function, arguments))
    assert isinstance(result, CallResult) and result.origin == "real"
    return result.status, result.body


def test_tools_of_a_session_share_their_databases(session: Session, functions: dict[str, ApiFunction]) -> None:
    metering.drain()
    assert functions["AddAgenda"].service == "apis"
    assert run(session, functions["AddAgenda"], token="t-ada", content="cake") == (200, "success")
    assert run(session, functions["QueryAgenda"], token="t-ada") == (200, {"entries": ["tea", "cake"]})
    assert run(session, functions["CheckToken"], token="t-ada") == (200, "Ada")
    assert metering.drain() == {("status 200", "python"): 3}


def test_each_session_starts_anew(executor: Executor, functions: dict[str, ApiFunction]) -> None:
    first, second = executor.session(), executor.session()
    assert run(first, functions["AddAgenda"], token="t-ada", content="cake")[0] == 200
    assert run(first, functions["remember"], word="a") == (200, ["a"])
    assert run(second, functions["QueryAgenda"], token="t-ada") == (200, {"entries": ["tea"]})
    assert run(second, functions["remember"], word="b") == (200, ["b"])
    assert run(first, functions["remember"], word="c") == (200, ["a", "c"])


def test_an_exception_of_a_tool_class_is_its_answer(session: Session, functions: dict[str, ApiFunction]) -> None:
    status, body = run(session, functions["AddAgenda"], token="wrong", content="x")
    assert (status, body) == (400, {"error": "The token is invalid"})
    status, body = run(session, functions["QueryAgenda"], token="wrong")  # which does not catch it
    assert status == 500 and "The token is invalid" in body["error"]


def test_arguments_and_results_are_what_the_annotations_say(
    session: Session, functions: dict[str, ApiFunction]
) -> None:
    assert {one.name for one in functions["grow"].parameters} == {"city.name", "city.founded", "size"}
    given = {"city.name": "Rome", "city.founded": "0753-04-21", "size": "l"}
    assert run(session, functions["grow"], **given) == (200, {"name": "Rome (LARGE)", "founded": "0763-04-21"})
    assert run(session, functions["later"], x=2, y=3) == (200, 5)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("remember", {}),
        ("remember", {"word": "a", "more": 1}),
        ("later", {"x": "many"}),
        ("grow", {"city.name": "Rome", "city.founded": "long ago"}),
        ("AddAgenda", {"token": "t-ada"}),
    ],
)
def test_arguments_that_do_not_fit_are_told(
    session: Session, functions: dict[str, ApiFunction], name: str, arguments: dict[str, Any]
) -> None:
    status, body = run(session, functions[name], **arguments)
    assert status == 422 and body["error"]


@pytest.mark.parametrize(
    ("name", "value", "got"),
    [
        ("int", "12", 12),
        ("int", 12, 12),
        ("int", -12, -12),
        ("int", "-12", None),  # API-Bank reads no sign
        ("int", "1.0", None),
        ("int", "²", None),
        ("int", True, None),
        ("int", 1.5, None),
        ("bare", "12", 12),
        ("float", "1.5", 1.5),
        ("float", "2", 2.0),
        ("float", 2, 2),
        ("float", "1e3", None),
        ("str", "12", "12"),
        ("str", 34567890, "34567890"),
        ("str", True, "True"),
        ("str", ["a"], None),
        ("bool", "True", True),
        ("bool", "true", False),  # as API-Bank has it
        ("bool", False, False),
        ("bool", 1, None),
        ("list", "[{'name': 'heart_rate', 'value': 80}]", [{"name": "heart_rate", "value": 80}]),
        ("list", [{"name": "heart_rate"}], [{"name": "heart_rate"}]),
        ("list", "Ada, Bob", None),
        ("list", {"name": "heart_rate"}, None),
        ("names", "['Ada', \"Bob\"]", ["Ada", "Bob"]),
        ("names", ["Ada", "Bob"], ["Ada", "Bob"]),
        ("names", "['O'Hara']", None),
        ("day", "2023-05-01", datetime.date(2023, 5, 1)),  # no type of API-Bank's: the annotation's
        ("hidden", "x", None),
    ],
)
def test_arguments_of_tool_classes_are_what_they_declare(
    session: Session, functions: dict[str, ApiFunction], name: str, value: Any, got: Any
) -> None:
    status, body = run(session, functions["Typed"], **{name: value})
    if got is None:
        assert status == 422 and name in body["error"]
        return
    said = [None] * 8
    said[["int", "float", "str", "bool", "list", "names", "day", "bare"].index(name)] = got
    assert (status, body) == (200, {"said": repr(said)})


def test_what_tools_print_or_read_does_no_harm(session: Session, functions: dict[str, ApiFunction]) -> None:
    assert run(session, functions["noise"], text="hello") == (200, "hello")
    assert run(session, functions["noise"], text="again") == (200, "again")


@pytest.mark.parametrize(
    ("how", "status", "error"),
    [
        ("raise", 500, "KeyError: 'nothing here'"),
        ("exit", 500, "SystemExit: bye"),
        ("eat", 500, "MemoryError"),
        ("object", 502, "returned what JSON cannot have"),
        ("nan", 502, "returned no JSON"),
        ("huge", 502, "more than 100000 bytes"),
    ],
)
def test_failures_are_results_and_the_session_goes_on(
    session: Session, functions: dict[str, ApiFunction], how: str, status: int, error: str
) -> None:
    assert run(session, functions["remember"], word="a") == (200, ["a"])
    found, body = run(session, functions["misbehave"], how=how)
    assert (found, error in body["error"]) == (status, True), body
    assert run(session, functions["remember"], word="b") == (200, ["a", "b"])


@pytest.mark.parametrize(("how", "status"), [("sleep", 504), ("spin", 502), ("crash", 502)])
def test_a_call_that_ends_its_process_ends_its_session_only(
    root: Path, functions: dict[str, ApiFunction], how: str, status: int
) -> None:
    executor = built(root, timeout_s=4 if how == "sleep" else 20, cpu_s=1)
    bad, good = executor.session(), executor.session()
    assert run(good, functions["remember"], word="a") == (200, ["a"])
    assert run(bad, functions["misbehave"], how=how)[0] == status
    again, body = run(bad, functions["remember"], word="a")
    assert again == 503 and "ended with an earlier call" in body["error"]
    assert run(good, functions["remember"], word="b") == (200, ["a", "b"])
    assert run(executor.session(), functions["remember"], word="c") == (200, ["c"])
    asyncio.run(executor.close())


def test_a_call_that_nobody_waits_for_any_more_is_ended_with_its_session(
    root: Path, functions: dict[str, ApiFunction], tmp_path: Path
) -> None:
    executor = built(root, timeout_s=600, workers=1)

    async def give_up() -> None:
        async with executor.session() as session:
            call = asyncio.ensure_future(session.call(functions["linger"], {"folder": str(tmp_path)}))
            while not (tmp_path / "begun").exists():
                await asyncio.sleep(0.01)
            call.cancel()
        assert not (tmp_path / "ended").exists(), "the event loop stood still until the tool had ended"
        assert (await executor.session().call(functions["remember"], {"word": "a"})).body == ["a"]

    executor.run(give_up())
    executor.shutdown()
    assert not (tmp_path / "ended").exists(), "the only thread waited for the tool"


def test_a_session_that_closes_while_its_process_is_made_calls_nothing(
    root: Path, functions: dict[str, ApiFunction], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = built(root)
    fork, asked, goes_on = Server.fork, threading.Event(), threading.Event()

    def slow_fork(server: Server) -> Process:
        asked.set()
        goes_on.wait()
        return fork(server)

    monkeypatch.setattr(Server, "fork", slow_fork)

    async def give_up() -> None:
        session = executor.session()
        call = asyncio.ensure_future(session.call(functions["linger"], {"folder": str(tmp_path)}))
        await asyncio.to_thread(asked.wait)
        call.cancel()
        closing = asyncio.ensure_future(session.close())
        await asyncio.sleep(0)
        goes_on.set()
        await closing

    executor.run(give_up())
    executor.shutdown()
    assert not (tmp_path / "begun").exists()


def test_only_the_root_is_run(session: Session, functions: dict[str, ApiFunction]) -> None:
    elsewhere = ApiFunction.create(service="os", name="getcwd", method="CALL")
    assert run(session, elsewhere)[0] == 501
    assert run(session, functions["shadow"], x=1)[0] == 501, "the standard library's json is no tool"
    status, body = run(session, functions["lost"])
    assert status == 501 and "no_such_module" in body["error"]


def test_tools_see_only_the_variables_that_are_named(
    root: Path, functions: dict[str, ApiFunction], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOP_SECRET", "s3cr3t")
    monkeypatch.setenv("TOOL_KEY", "key-of-the-tools")
    executor = built(root, env=["TOOL_KEY"])
    assert run(executor.session(), functions["misbehave"], how="") == (200, {"secret": None, "named": "***"})
    asyncio.run(executor.close())


def test_many_sessions_at_once(executor: Executor, functions: dict[str, ApiFunction]) -> None:
    async def both(number: int) -> list[Any]:
        session = executor.session()
        first = await session.call(functions["remember"], {"word": str(number)})
        second = await session.call(functions["remember"], {"word": "x"})
        await session.close()
        return [first.status, second.body]

    async def all_of_them() -> list[list[Any]]:
        return await asyncio.gather(*map(both, range(40)))

    assert asyncio.run(all_of_them()) == [[200, [str(number), "x"]] for number in range(40)]


def test_closing_ends_every_process(root: Path) -> None:
    (root / "pid.py").write_text('import os\n\ndef pid() -> int:\n    """Its process."""\n    return os.getpid()\n')
    executor = built(root, preload=["tools"])
    process = run(executor.session(), ApiFunction.create(service="pid", name="pid", method="CALL"))[1]
    os.kill(process, 0)
    asyncio.run(executor.close())
    with pytest.raises(ProcessLookupError):
        for _ in range(1000):  # the kernel may take a moment
            os.kill(process, 0)
            time.sleep(0.01)


def test_the_server_that_forks_is_started_again(root: Path) -> None:
    (root / "up.py").write_text('import os\n\ndef up() -> int:\n    """Who forked it."""\n    return os.getppid()\n')
    function = ApiFunction.create(service="up", name="up", method="CALL")
    executor = built(root)
    server = run(executor.session(), function)[1]
    os.kill(server, signal.SIGKILL)
    tries = (run(executor.session(), function) for _ in range(20))  # the first may find that it is gone
    assert next(answer for status, answer in tries if status == 200) != server
    asyncio.run(executor.close())


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"root": ""}, "set executor.python.root"),
        ({"root": "/nowhere/at/all"}, "root names no folder"),
        ({"preload": ["no_such_module"]}, "No module named 'no_such_module'"),
        ({"interpreter": "/bin/false"}, "ended without a word"),
        ({"interpreter": "/no/such/python"}, "No such file"),
    ],
)
def test_what_cannot_start_is_told_at_once(root: Path, settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        config = {"backend": "python", "python": {"root": str(root), **settings}}
        build_executor(build(config, ExecutorConfig, place="test"), [])


def test_the_settings_are_plain(root: Path) -> None:
    config = ExecutorConfig.model_validate({"backend": "python", "python": {"root": str(root)}})
    assert json.loads(config.model_dump_json())["python"]["root"] == str(root)


def test_answers_are_known_by_the_code_and_the_databases_that_give_them(tmp_path: Path) -> None:
    def decisive(root: Path) -> dict[str, Any]:
        config = {"backend": "python", "python": {"root": str(root)}}
        return build(config, ExecutorConfig, place="test").decisive()

    tool, database = tmp_path / "tools" / "apis" / "agenda.py", tmp_path / "tools" / "init_database" / "Agenda.json"
    for file, text in ((tool, "def add(): return 1"), (database, "{}")):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    before = decisive(tmp_path / "tools")
    assert decisive(tmp_path / "tools") == before
    tool.write_text("def add(): return 2", encoding="utf-8")
    changed = decisive(tmp_path / "tools")
    database.write_text('{"John": []}', encoding="utf-8")
    refilled = decisive(tmp_path / "tools")
    assert len({before["python"]["files"], changed["python"]["files"], refilled["python"]["files"]}) == 3
    moved = (tmp_path / "tools").rename(tmp_path / "elsewhere")
    assert decisive(moved) == refilled
