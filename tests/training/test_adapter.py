"""The default way, an adapter with dropout: killed on two workers, gone on with on one, evaluated amid epochs."""

import re
import shutil
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

pytestmark = [pytest.mark.ray, pytest.mark.train, pytest.mark.slow]

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
def trained(ray_cluster: None, examples: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, Trained]:
    """From the checkpoint that a killed driver left: once undisturbed, once with a killed worker."""
    folder = tmp_path_factory.mktemp("adapter")
    kill_a_driver(examples, folder / "hit" / "model", folder / "runs", ON_TWO)
    shutil.copytree(folder / "runs", folder / "runs-2")
    shutil.copytree(folder / "hit", folder / "undisturbed")
    undisturbed = train(examples, folder / "undisturbed" / "model", folder / "runs-2")
    killer = threading.Thread(target=kill_a_worker, args=(folder / "runs", safe_steps(folder / "runs")), daemon=True)
    killer.start()
    hit = train(examples, folder / "hit" / "model", folder / "runs")
    killer.join()
    return undisturbed, hit


def test_a_resume_changes_no_loss_with_dropout_either(trained: tuple[Trained, Trained], examples: str) -> None:
    undisturbed, hit = trained
    assert 0 < undisturbed.report.resumed_at < hit.report.resumed_at < STEPS
    assert "its checkpoint is of 2 workers; its states were divided anew for 1" in undisturbed.said
    assert len(hit.losses) == STEPS and hit.losses == pytest.approx(undisturbed.losses, abs=1e-5)
    (base,) = hit.output.parent.glob("tiny-*")
    without = plain_losses(examples, str(base), ON_ONE)[:STEPS]
    assert hit.losses == pytest.approx(without, abs=1e-2)  # dropout makes a small difference
    assert without[-1] < without[0] - 0.1


def test_evaluations_amid_epochs_stop_it_and_choose_the_best(trained: tuple[Trained, Trained]) -> None:
    undisturbed, _ = trained
    found = [re.match(r"(\w+ \d+)/\d+  validation loss (.*)", line) for line in undisturbed.said]
    losses = {one[1]: float(one[2]) for one in found if one}
    assert list(losses)[-4:] == ["epoch 1", "step 6", "epoch 2", "step 10"]
    assert undisturbed.said[-1] == "stopped early: 4 evaluations without a lower validation loss"
    best = undisturbed.report.validation_loss  # of step 2, which the killed driver may have seen
    assert best is not None and min(losses.values()) > best - 1e-4 and losses["step 10"] > best + 5e-3


def test_the_best_checkpoints_are_kept_beside_the_latest(trained: tuple[Trained, Trained]) -> None:
    for one in trained:
        kept = sorted(int(folder.name.split("-")[1]) for folder in one.storage.glob("hit-*/step-*"))
        assert kept == [2, 4, STEPS]
