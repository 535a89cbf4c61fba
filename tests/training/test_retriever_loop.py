"""The retriever's loop in this process: what a kill amid an epoch changes, and what Ray's metrics are told."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray.train
import ray.train.torch
import torch

from goat_ray.training import retriever_loop
from goat_ray.training.jobs import RetrieverJob
from goat_ray.training.lineage import Lineage
from goat_ray.training.progress import RetrieverReport
from goat_ray.training.publishing import read_report
from tests.training.conftest import Gauges, small_embedder, write_parquet
from tests.training.test_retriever import config, examples, plain_losses

pytestmark = pytest.mark.train

STEPS = 10  # 40 queries, 8 in a step, two epochs


class Stage:
    """What Ray Train is to one worker; ``dies_at`` is a step whose checkpoint it never finishes."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.dies_at = -1
        self.saved: list[int] = []
        one = SimpleNamespace(get_world_rank=lambda: 0, get_world_size=lambda: 1, get_local_world_size=lambda: 1)
        patch.setattr(ray.train, "get_context", lambda: one)
        patch.setattr(ray.train, "get_checkpoint", self.latest)
        patch.setattr(ray.train, "report", self.report)
        patch.setattr(ray.train.torch, "get_device", lambda: torch.device("cpu"))
        patch.setattr(ray.train.torch, "prepare_model", lambda model, **_: model)
        patch.setattr(retriever_loop, "use_cores", lambda workers: workers)

    def latest(self) -> ray.train.Checkpoint | None:
        return ray.train.Checkpoint.from_directory(str(self.folder)) if self.saved else None

    def report(self, metrics: dict[str, int], checkpoint: ray.train.Checkpoint, checkpoint_dir_name: str) -> None:
        assert checkpoint_dir_name == f"step-{metrics['step']:08}"
        if metrics["step"] == self.dies_at:
            raise SystemExit("killed")
        shutil.copytree(checkpoint.path, self.folder, dirs_exist_ok=True)
        self.saved.append(metrics["step"])


def test_a_kill_amid_an_epoch_costs_the_steps_since_the_last_checkpoint_and_no_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gauges: Gauges
) -> None:
    small_embedder(tmp_path / "base")
    folder = write_parquet(tmp_path / "examples", examples(40, "train", 0) + examples(8, "validation", 1))
    settings = config(tmp_path / "base", batch_size=8, checkpoint_every=3)
    output, said = tmp_path / "retriever", list[str]()
    lineage = Lineage(
        name=output.name, base="base", examples=folder, corpus="c", config=settings.model_dump(mode="json")
    )
    job = RetrieverJob(settings, str(tmp_path / "base"), folder, str(output), "id", lineage)
    stage = Stage(tmp_path / "checkpoint", monkeypatch)

    def train() -> None:
        lines: Any = SimpleNamespace(put=said.append)
        retriever_loop.retriever_loop({"job": job, "lines": lines})

    stage.dies_at = 9
    with pytest.raises(SystemExit):
        train()
    assert stage.saved == [3, 5, 6]  # every third step, and the end of the first epoch
    stage.dies_at = -1
    train()
    assert stage.saved == [3, 5, 6, 9, 10]
    report = read_report(output, RetrieverReport)
    assert (report.resumed_at, report.steps) == (6, STEPS) and f"continuing at step 6 of {STEPS}" in said
    rows = [json.loads(line) for line in (output / "losses.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert [row["loss"] for row in rows] == pytest.approx(plain_losses(folder, settings), abs=1e-4)

    told = gauges["retriever"]
    assert told["goat_training_loss"][-4:] == [row["loss"] for row in rows[-4:]]
    assert told["goat_training_learning_rate"][-4:] == [row["learning_rate"] for row in rows[-4:]]
    assert told["goat_training_validation_loss"][-1] == report.validation_loss
    assert told["goat_training_step"][-1] == STEPS and told["goat_training_tokens"][-1] == rows[-1]["tokens"]
    assert min(told["goat_training_tokens_per_second"]) > 0
