"""``goat agent ask`` on a run directory: what is used, what is shown, and what comes out as JSON."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from goat_ray.cli import app
from goat_ray.cli_agent import until_stopped
from goat_ray.config import load_config
from goat_ray.console import Console
from goat_ray.equipping import equip
from goat_ray.records import ApiFunction
from goat_ray.runner import Runner
from goat_ray.teacher.fake_server import FakeServer
from tests.agent.scripts import QUERY, REPLY, SEARCH, book, turns
from tests.world import World

run = CliRunner().invoke


@pytest.fixture
def config(world: World, tmp_path: Path) -> Path:
    """A configuration whose run directory holds functions, and nothing that was trained."""
    Runner(tmp_path / "run", Console()).gather("functions", ApiFunction, lambda: world.functions, settings={})
    path = tmp_path / "c.yaml"
    path.write_text(f"run: {{directory: {tmp_path / 'run'}}}\ndocuments: {{paths: [unused]}}\n")
    return path


def ask(config: Path, server: FakeServer, *more: str):
    endpoint = f"agent.endpoint={{model: fake, base_url: {server.base_url}}}"
    return run(app, ["agent", "ask", QUERY, "--config", str(config), "--set", endpoint, *more])


def test_asking_shows_what_is_used_and_each_step(config: Path) -> None:
    with FakeServer(answers=book("searchAuthors\nflyToMoon", "searchAuthors\nlistAuthorBooks")) as server:
        result = ask(config, server)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == f"model      fake at {server.base_url}"
    assert lines[1].startswith("retriever  sentence-transformers/all-MiniLM-L6-v2, as it is: none was trained")
    assert "calls go to the executor 'sandbox'" in lines[2]
    assert [line.split()[0] for line in lines[3:] if line[0] != " "] == ["Retrieved", "Trouble", "Planned", "Answer"]
    assert "Trouble    unknown-function: flyToMoon; the model is asked again" in lines
    assert any("(from call 1 $.results[0].id)  -> 200" in line for line in lines)
    assert "Answer     Two books." in lines


def test_an_untrained_retriever_is_the_one_that_its_training_would_start_from(config: Path) -> None:
    changes = ["agent.endpoint={model: fake, base_url: http://127.0.0.1:1}", "training.retriever.base_model=mine"]
    equipment, remarks = equip(load_config(config, changes))
    assert equipment.retriever == "mine" and remarks[1] == "retriever  mine, as it is: none was trained in this run"


def test_asking_in_react_mode_gives_events_as_json(config: Path) -> None:
    with FakeServer(answers=turns(SEARCH, REPLY)) as server:
        result = ask(config, server, "--set", "agent.mode=react", "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["event"] for event in events] == ["retrieved", "thought", "called", "thought", "answered"]
    assert events[-1]["text"] == "She wrote two books."
    assert "model      fake at" in result.stderr


def test_no_answer_is_status_1_and_says_why(config: Path) -> None:
    with FakeServer(answers=book()) as server:
        result = ask(config, server, "--set", "agent.max_tokens=1")
    assert result.exit_code == 1
    assert "Answer     none\nProblem    token-limit: " in result.output


def test_without_a_model_the_user_learns_how_to_get_one(config: Path) -> None:
    result = run(app, ["agent", "ask", QUERY, "--config", str(config)])
    assert result.exit_code == 1
    assert result.output.count("\n") == 1 and "goat train" in result.output and "agent.endpoint" in result.output


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("agent.server.host=0.0.0.0", "token_env"),
        ("agent.server.port=0", "agent.server.port"),
        ("agent={endpoint: {model: m, base_url: 'http://x/v1'}, engine: {}}", "leave one of them out"),
        ("agent.endpoint={base_url: 'http://x/v1'}", "needs a model"),
    ],
)
def test_settings_that_cannot_be_are_refused(config: Path, setting: str, said: str) -> None:
    result = run(app, ["agent", "serve", "--config", str(config), "--set", setting])
    assert result.exit_code == 1
    assert said in result.output and result.output.count("\n") == 1


@pytest.fixture
def python_interrupts() -> Iterator[Callable[..., object]]:
    """Python's own handler of SIGINT, whatever earlier tests' libraries have left in this process."""
    others = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, others)


def test_a_second_interrupt_ends_a_release_that_hangs(python_interrupts: Callable[..., object]) -> None:
    def interrupt() -> None:
        while signal.getsignal(signal.SIGINT) is python_interrupts:
            time.sleep(0.01)
        # As the kernel delivers it: a signal that this thread raised for itself would wake nobody who waits.
        signal.pthread_kill(main, signal.SIGINT)

    main = threading.get_ident()
    thread = threading.Thread(target=interrupt)
    thread.start()
    until_stopped()
    thread.join()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
