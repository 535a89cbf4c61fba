"""Intervals, what is written, and runs side by side."""

import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from goat_ray.cli import app
from goat_ray.errors import RunError
from goat_ray.evaluation.comparison import comparison_table
from goat_ray.evaluation.confidence import interval
from goat_ray.evaluation.results import Measured, Result, TaskResult
from goat_ray.places import Place


def result(run: str, values: list[float], benchmark: str = "b") -> Result:
    tasks = [
        TaskResult(
            id=str(n),
            query=f"q{n}",
            group=f"{n % 2 + 1} calls",
            gold=["f"],
            made=[],
            measured=[Measured(metric="CP", value=value)],
        )
        for n, value in enumerate(values)
    ]
    return Result(benchmark, run, tasks, ["a remark"])


def shown(*results: Result) -> str:
    console = Console(file=io.StringIO(), width=300)
    console.print(comparison_table(results))
    text: str = console.file.getvalue()
    return text


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=20))
def test_an_interval_holds_the_mean_and_is_the_same_each_time(values: list[float]) -> None:
    low, high = interval(values, "x")
    assert min(values) <= low <= sum(values) / len(values) <= high <= max(values)
    assert (low, high) == interval(values, "x")


def test_an_interval_of_a_share_is_near_the_normal_one() -> None:
    low, high = interval([1.0] * 30 + [0.0] * 70, "CP")
    assert low == pytest.approx(0.3 - 1.96 * (0.3 * 0.7 / 100) ** 0.5, abs=0.015)
    assert high == pytest.approx(0.3 + 1.96 * (0.3 * 0.7 / 100) ** 0.5, abs=0.015)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = result("graph", [0.0, 1.0, 1.0])
    written.write(tmp_path, [])
    assert Result.read(tmp_path) == written
    rows = pq.read_table(tmp_path / "scores.parquet").to_pylist()
    assert {(row["group"], row["count"]) for row in rows} == {("all", 3), ("1 calls", 2), ("2 calls", 1)}
    assert json.loads((tmp_path / "scores.json").read_text())["remarks"] == ["a remark"]
    with pytest.raises(RunError, match="holds no results"):
        Result.read(tmp_path / "nowhere")


def test_runs_side_by_side_have_paired_differences() -> None:
    text = shown(result("graph", [0.0, 1.0] * 20), result("tuned", [1.0, 1.0] * 20))
    lines = text.splitlines()
    at = next(number for number, line in enumerate(lines) if line.split()[:2] == ["CP", "all"])
    assert "0.500 [" in lines[at] and "1.000 [1.000, 1.000] n=40" in lines[at] and "(+0.500 [" in lines[at + 1]


def test_results_of_different_benchmarks_are_not_compared() -> None:
    with pytest.raises(RunError, match="a, b"):
        comparison_table([result("x", [1.0], "a"), result("y", [1.0], "b")])


def test_a_predictions_file_is_scored_and_compared_without_a_configuration(folder: Place, tmp_path: Path) -> None:
    queries = [{"query": "q", "solution": ["GET /a", "GET /b "]}]
    (folder / "x_queries.json").write_bytes(json.dumps(queries).encode())
    for name, path in {"good": ["GET /a", "GET /c", "GET /b"], "bad": ["GET /b"]}.items():
        entry = {"query": "q", "api_path": path, "final_response": "It is so."}
        (tmp_path / f"{name}.json").write_text(json.dumps([entry]))
    command = ["evaluate", "restbench", "--root", str(folder / "x_queries.json"), "--into", str(tmp_path / "out")]
    command += ["-c", f"fine={tmp_path / 'good.json'}", "-c", str(tmp_path / "bad.json")]
    run = CliRunner().invoke
    made = run(app, command)
    assert made.exit_code == 0, made.output
    assert "'GET /b ' read without its blanks" in made.output and "SR is not taken" in made.output
    folders = [str(tmp_path / "out" / "restbench-x" / name) for name in ("bad", "fine")]
    compared = run(app, ["evaluate", "compare", *folders])
    assert compared.exit_code == 0 and "(+1.000 [+1.000, +1.000])" in compared.output
    twice = run(app, [*command, "-c", f"bad={tmp_path / 'good.json'}"])
    assert twice.exit_code == 1 and "the same name" in twice.output
    alone = run(app, [*command[:4], "-c", "graph"])
    assert alone.exit_code == 1 and "Give a configuration" in alone.output
