"""What is said where the output is no terminal, as in `ray job logs`."""

import io
import re
import time
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from goat_ray.console import Console
from goat_ray.records import Document
from goat_ray.runner import Runner


def test_long_work_on_the_driver_is_not_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goat_ray.console.PLAIN_INTERVAL_S", 0.01)
    said = io.StringIO()
    runner = Runner(tmp_path, Console(RichConsole(file=said, force_terminal=False)))

    def make() -> list[Document]:
        while "neighbours: at work for 0 s" not in said.getvalue():
            time.sleep(0.01)
        return [Document(id="1", path="p", root="r")]

    runner.gather("neighbours", Document, make, settings=None)

    lines = said.getvalue().splitlines()
    assert re.fullmatch(r"  neighbours +1 kept  .*", lines[-1]), "and nothing comes after its end"
    assert set(lines[:-1]) == {"  neighbours: at work for 0 s"}


def test_a_step_says_how_far_it_is_and_how_long_it_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goat_ray.console.PLAIN_INTERVAL_S", 0.01)
    file, done, worked = io.StringIO(), [0], [0.0]
    console = Console(RichConsole(file=file, force_terminal=False, width=40))
    with console.progress("verified", 4000, lambda: (done[0], done[0] // 2, worked[0])):
        await_text(file, "  verified: starting workers\n")
        worked[0] = 75.0
        await_text(file, "  verified: at work on the first of 4,000 for 75 s\n")
        done[0] = 1000
        await_text(file, "1,000 of")
    line = file.getvalue().splitlines()[-1]
    assert re.fullmatch(r"  verified: 1,000 of 4,000 \(500 kept\), [\d,]+/s, about [\d,]+ s left", line)


def await_text(file: io.StringIO, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in file.getvalue():
        assert time.monotonic() < deadline, file.getvalue()
        time.sleep(0.01)
