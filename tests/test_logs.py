"""Structured logs: each line names run, step and record, and only where somebody asked for them."""

import json
from pathlib import Path
from typing import Any

import pytest

from goat_ray.cluster import ClusterConfig
from goat_ray.console import Console
from goat_ray.logs import EVENTS, log_to_stderr
from goat_ray.runner import Runner
from tests.steps import Shout, documents


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_a_line_is_an_object_with_the_context_of_its_process(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("INFO", run="runs/one", step="call")
    EVENTS.info("batch", extra={"records": 2})
    EVENTS.debug("dropped", extra={"record": "r1"})
    (line,) = lines(capsys.readouterr().err)
    assert line.pop("time").endswith("+00:00")
    for place in ("job", "node", "worker"):  # where another test has connected this process
        line.pop(place, None)
    assert line == {"level": "INFO", "message": "batch", "records": 2, "run": "runs/one", "step": "call"}

    log_to_stderr(None)
    EVENTS.error("nobody asked")
    assert capsys.readouterr().err == ""


@pytest.mark.ray
def test_workers_name_each_record_that_they_drop(tmp_path: Path, ray_cluster: None) -> None:
    from ray._private.worker import global_worker  # where Ray keeps its files is no public knowledge

    runner = Runner(tmp_path / "run", Console(), ClusterConfig(log_level="DEBUG"))
    source = runner.gather("documents", type(documents(1)[0]), lambda: documents(100), settings={})
    out = runner.bulk(Shout(), source, into="loud")

    files = Path(global_worker.node.get_logs_dir_path()).glob("worker-*.err")
    said = [line for file in files for line in lines(file.read_text()) if line.get("run") == str(runner.directory)]
    dropped = {line["record"]: line for line in said if line["message"] == "dropped"}
    assert dropped.keys() == {reject.id for reject in out.rejected()}
    for line in dropped.values():
        assert line["step"] == "loud" and line["reason"] == "tenth" and line["node"] and line["worker"]
    assert sum(line["records"] for line in said if line["message"] == "batch") == 100
    log_to_stderr(None)
