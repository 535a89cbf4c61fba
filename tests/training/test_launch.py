import errno
from pathlib import Path

import pytest
import torch
from ray.exceptions import OutOfMemoryError
from ray.train import ControllerError, WorkerGroupError
from ray.train.v2._internal.exceptions import UserExceptionWithTraceback, WorkerGroupStartupTimeoutError

from goat_ray.errors import ModelError, RunError
from goat_ray.training.launch import Run, absolute, explain
from goat_ray.training.scanning import dataset_id, scan
from tests.training.conftest import make_example, write_parquet

RUN = Run("agent", "/runs", workers=2, cpus_per_worker=1, gpus_per_worker=0, max_failures=0, keep_checkpoints=1)


def test_a_workers_own_error_comes_through_rays_wrappers() -> None:
    mine = ModelError("no weights", remedy="Get some")
    failures = {
        0: UserExceptionWithTraceback(ValueError("gloo"), "trace"),
        1: UserExceptionWithTraceback(mine, "trace"),
    }
    assert explain(WorkerGroupError("failed", failures), RUN) is mine


@pytest.mark.parametrize(
    "cause", [OSError(errno.ENOSPC, "?"), RuntimeError("write: No space left on device (os error 28)")]
)
def test_a_full_disk_is_told_as_in_other_stages(cause: Exception) -> None:
    explained = explain(WorkerGroupError("failed", {0: UserExceptionWithTraceback(cause, "trace")}), RUN)
    assert str(explained).startswith("/runs/agent: the disk is full. What is finished is kept")


@pytest.mark.parametrize(
    "error",
    [
        WorkerGroupError("failed", {0: UserExceptionWithTraceback(torch.OutOfMemoryError("CUDA out"), "trace")}),
        WorkerGroupError("failed", {0: OutOfMemoryError("Task was killed due to the node running low on memory.")}),
        ControllerError(OutOfMemoryError("Refer to the documentation")),
        ControllerError(RuntimeError("killed due to the node running low on memory.\nRefer to the documentation")),
    ],
)
def test_too_little_memory_is_told_with_what_takes_less(error: WorkerGroupError | ControllerError) -> None:
    explained = explain(error, RUN)
    assert str(explained).startswith("/runs/agent: a worker had too little memory. Lower batch_size")


@pytest.mark.parametrize(
    "error",
    [
        WorkerGroupError("failed", {0: UserExceptionWithTraceback(ValueError("first line\nthe cause"), "trace")}),
        ControllerError(ValueError("the cause")),
    ],
)
def test_any_other_error_is_named_and_says_how_to_go_on(error: WorkerGroupError | ControllerError) -> None:
    explained = explain(error, RUN)
    assert isinstance(explained, RunError)
    assert "the cause" in explained.problem and "continues from the last checkpoint" in explained.remedy
    assert explained.place == "/runs/agent"


def test_uris_stay_and_folders_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("s3://bucket/runs") == "s3://bucket/runs"
    assert absolute("runs") == str(tmp_path / "runs")


def test_a_datasets_id_depends_on_its_rows_and_not_on_its_files(tmp_path: Path) -> None:
    rows = [make_example(number) for number in range(9)]
    columns = ("id", "target", "masked")
    one = dataset_id(write_parquet(tmp_path / "one", rows, files=1), columns)
    assert dataset_id(write_parquet(tmp_path / "two", rows[::-1], files=3), columns) == one
    unmasked = [*rows[:8], rows[8].model_copy(update={"masked": []})]
    assert dataset_id(write_parquet(tmp_path / "unmasked", unmasked), columns) != one
    assert dataset_id(write_parquet(tmp_path / "fewer", rows[:8]), columns) != one


def test_folders_that_are_no_dataset_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no column 'query'"):
        list(scan(write_parquet(tmp_path / "examples", [make_example(1), make_example(2)]), ["query"]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="no Parquet files"):
        list(scan(str(tmp_path / "empty"), ["id"]))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "part.parquet").write_text("text", encoding="utf-8")
    with pytest.raises(RunError, match="cannot be read as Parquet"):
        list(scan(str(tmp_path / "bad"), ["id"]))


def test_workers_that_never_find_a_place_are_said_to_be_so() -> None:
    """What Ray Train raises when it has waited often enough; by itself it would wait for ever."""
    error = ControllerError(WorkerGroupStartupTimeoutError(2))
    assert f"{RUN.workers} workers found no place" in str(explain(error, RUN))
