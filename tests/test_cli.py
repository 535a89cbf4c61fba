"""The command line: help with examples, one-line errors, readable inspection."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from goat_ray.cli import app

run = CliRunner().invoke
COMMANDS = ["run", "ingest", "graph", "sample", "synthesize", "train", "evaluate", "submit"]


@pytest.mark.parametrize(
    "command",
    [
        *COMMANDS,
        *(f"inspect {what}" for what in ("functions", "edges", "graph", "samples")),
        *(f"evaluate {what}" for what in ("restbench", "apibank", "goatbench", "compare")),
    ],
)
def test_help_has_an_example(command: str) -> None:
    result = run(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert f"Example: goat {command}" in result.output


def test_version() -> None:
    assert run(app, ["--version"]).output.startswith("goat-ray ")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_broken_configuration_is_one_line_and_status_1(command: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("document: {}\n")
    result = run(app, [command, str(path)])
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "did you mean 'documents'" in result.output


def test_inspecting_what_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    result = run(app, ["inspect", "samples", str(tmp_path)])
    assert result.exit_code == 1
    assert "goat run" in result.output
