"""Documents, responses and models are not trusted: nothing that they say steers the terminal it is shown on."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console as RichConsole
from typer.testing import CliRunner

from goat_ray.agent.events import Answered, Event, Named, Retrieved, Thought, Trouble, Usage
from goat_ray.cli import app
from goat_ray.console import Console
from goat_ray.errors import RunError, printable
from goat_ray.inspection import edge_line, event_lines, function_lines, graph_scores, sample_lines
from goat_ray.places import Place
from goat_ray.records import ApiFunction, Document, Edge, OutputField, Reject
from goat_ray.runner import Runner
from goat_ray.storage import FunctionStore
from tests.world import World, make_samples

EVIL = "\x1b]0;owned\x07 \x9b2J \x7f\r\x00"


def harmless(*lines: str) -> bool:
    text = "\n".join(lines)
    return "owned" in text and not any(ord(one) < 32 or 127 <= ord(one) < 160 for one in text if one not in "\n\t")


def evil_function() -> ApiFunction:
    outputs = [OutputField(path="$.id", type="string", description=EVIL)]
    return ApiFunction.create(
        service=EVIL, name="list", method="GET", path="/owned\x1b[2J", summary=EVIL, outputs=outputs
    )


def test_text_is_as_it_was_but_for_control_characters() -> None:
    assert printable("Ärzte\tin 東京\nok") == "Ärzte\tin 東京\nok"
    assert printable("a\x1b[31mb") == "a\ufffd[31mb"


def test_errors_do_not_steer_the_terminal() -> None:
    assert harmless(str(RunError(f"has no {EVIL}", place=EVIL, remedy="Mend it")))


def test_lines_of_records_do_not_steer_the_terminal(world: World) -> None:
    function = evil_function()
    assert harmless(*function_lines(function))
    sample = make_samples(world, 4)[0]
    assert harmless(*sample_lines(sample.model_copy(update={"query": EVIL}), world.functions))
    assert harmless(*sample_lines(sample.model_copy(update={"response": EVIL}), world.functions))
    edge = Edge(
        **{"id": "1", "source": function.id, "field": "$.id", "target": function.id, "parameter": "p", "wants": ""},
        **{"carries": EVIL, "similarity": 1.0, "reason": "", "teacher": ""},
    )
    assert harmless(edge_line(edge, FunctionStore.of([function])))


@pytest.mark.parametrize(
    "event",
    [
        Retrieved(functions=[Named(id="1", name=EVIL, title="t")]),
        Thought(text=EVIL),
        Trouble(reason="r", detail=EVIL, again=True),
        Answered(text=EVIL, problems=[], usage=Usage(), seconds=1.0),
        Answered(text="", problems=[EVIL], usage=Usage(), seconds=1.0),
    ],
)
def test_lines_of_an_agent_do_not_steer_the_terminal(event: Event) -> None:
    assert harmless(*event_lines(event))


def test_commands_do_not_pass_them_on(tmp_path: Path) -> None:
    runner = Runner(tmp_path, Console())
    found: list[Document | Reject] = [Reject(id="1", reason="odd", detail=EVIL)]
    runner.gather("documents", Document, lambda: found, settings={})
    runner.gather("functions", ApiFunction, lambda: [evil_function()], settings={})
    runner.gather("edges", Edge, lambda: [], settings={})
    run = str(tmp_path)
    for command in (["rejects", run, "documents"], ["functions", run], ["graph", run]):
        said = CliRunner().invoke(app, ["inspect", *command])
        assert said.exit_code == 0 and harmless(said.output), said.output
    gold = {"source": "list", "target": "list", "param": EVIL}
    (tmp_path / "gold.jsonl").write_text(json.dumps(gold))
    assert harmless(*graph_scores(Place.of(tmp_path), tmp_path / "gold.jsonl", None, 5))


def test_notes_do_not_steer_the_terminal() -> None:
    said = io.StringIO()
    Console(RichConsole(file=said, force_terminal=False)).note(f"missing {EVIL}")
    assert harmless(said.getvalue())
