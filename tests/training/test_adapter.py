"""The default way, an adapter with dropout: killed on two workers, gone on with on one, evaluated amid epochs."""

import re
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from goat_ray.training.agent import train_agent
from goat_ray.training.config import LoraConfig
from goat_ray.training.progress import Losses, TrainingReport
from tests.training.conftest import make_example, write_parquet
from tests.training.plain_loop import plain_losses
from tests.training.test_agent import CONFIG, HELD_OUT, kill_a_driver, kill_a_worker, safe_steps

pytestmark = [pytest.mark.ray, pytest.mark.train, pytest.mark.slow, pytest.mark.soak]

ON_TWO = CONFIG.model_copy(
    update={
        "method": "lora",
        "lora": LoraConfig(dropout=0.05),
        "learning_rate": 3e-2,
        "zero_stage": 1,
        "offload": "none",
        "packing": True,
        "validate_every": 2,
        "patience": 4,
    }
)
STEPS = 10  # of 12: evaluated after 2, 4, 6, 8 and 10, and no more is foreseen of what is held out than after 2
ON_ONE = ON_TWO.model_copy(update={"workers": 1, "batch_size": 2 * ON_TWO.batch_size})


@dataclass(frozen=True)
class Trained:
    """A finished training and what it said."""

    output: Path
    storage: Path
    report: TrainingReport
    said: list[str]

    @property
    def losses(self) -> list[float]:
        lines = (self.output / "losses.jsonl").read_text().splitlines()
        return [Losses.model_validate_json(line).loss for line in lines]


def train(examples: str, output: Path, storage: Path) -> Trained:
    said: list[str] = []
    report = train_agent(examples, str(output), ON_ONE, storage=str(storage), name="hit", say=said.append)
    return Trained(output, storage, report, said)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("examples") / "kept"
    return write_parquet(folder, [*HELD_OUT, *(make_example(number) for number in range(6, 60))])


@pytest.fixture(scope="module")
def trained(ray_cluster: None, examples: str, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Gone on with from the checkpoint that a killed driver left, with a worker killed on the way."""
    folder = tmp_path_factory.mktemp("adapter")
    kill_a_driver(examples, folder / "model", folder / "runs", ON_TWO)
    killer = threading.Thread(target=kill_a_worker, args=(folder / "runs", safe_steps(folder / "runs")), daemon=True)
    killer.start()
    done = train(examples, folder / "model", folder / "runs")
    killer.join()
    return done


def test_kills_change_no_loss_by_more_than_dropout_does(trained: Trained, examples: str) -> None:
    assert 0 < trained.report.resumed_at < STEPS
    assert "its checkpoint is of 2 workers; its states were divided anew for 1" in trained.said
    (base,) = trained.output.parent.glob("tiny-*")
    without = plain_losses(examples, str(base), ON_ONE)[:STEPS]
    assert len(trained.losses) == STEPS and trained.losses == pytest.approx(without, abs=1e-2)
    assert without[-1] < without[0] - 0.1


def test_evaluations_amid_epochs_stop_it_and_choose_the_best(trained: Trained) -> None:
    found = [re.match(r"(\w+ \d+)/\d+  validation loss (.*)", line) for line in trained.said]
    losses = {one[1]: float(one[2]) for one in found if one}
    assert list(losses)[-4:] == ["epoch 1", "step 6", "epoch 2", "step 10"]
    assert trained.said[-1] == "stopped early: 4 evaluations without a lower validation loss"
    best = trained.report.validation_loss  # of step 2, which the killed driver may have seen
    assert best is not None and min(losses.values()) > best - 1e-4 and losses["step 10"] > best + 5e-3


def test_the_best_checkpoints_are_kept_beside_the_latest(trained: Trained) -> None:
    kept = sorted(int(folder.name.split("-")[1]) for folder in trained.storage.glob("hit-*/step-*"))
    assert kept == [2, 4, STEPS]
