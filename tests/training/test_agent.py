"""One training that is hit by everything: its losses are those of a plain loop that nothing ever happened to.

Starting workers takes most of the time, so one training serves several tests; what differs between the ways of dividing
the states is in ``test_engines.py``.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import ray
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from goat_ray.errors import ConfigError, ModelError, RunError
from goat_ray.records import Example
from goat_ray.training.agent import DATA, train_agent, training_id
from goat_ray.training.config import AgentTrainingConfig, TinyModelConfig
from goat_ray.training.progress import Losses, TrainingReport
from goat_ray.training.scanning import dataset_id
from goat_ray.training.tokenization import load_tokenizer, tokenize
from tests.training.conftest import make_example, write_parquet
from tests.training.plain_loop import plain_losses, summed

pytestmark = [pytest.mark.ray, pytest.mark.train, pytest.mark.slow]

CONFIG = AgentTrainingConfig(
    method="full",
    tiny=TinyModelConfig(hidden=32, layers=2, vocabulary=400, context=256),
    epochs=3,
    batch_size=4,
    gradient_accumulation=2,
    learning_rate=1e-2,
    max_length=128,
    workers=2,
    zero_stage=3,
    offload="parameters",
    keep="best",
    patience=1,
    checkpoint_every=1,
    log_every=1,
    max_failures=1,
)
ALONE = CONFIG.model_copy(update={"workers": 1, "batch_size": 2 * CONFIG.batch_size})
TOO_SHORT = CONFIG.model_copy(update={"max_length": 10})
STEPS = 8  # 54 examples, 16 in a step: 4 in each epoch, and after the second one it stops
WAIT_S = 300


def unforeseen(number: int) -> Example:
    """An example whose target is like no other."""
    letters = random.Random(number).choices([chr(code) for code in range(0x4E00, 0x9FFF)], k=20)
    return make_example(number, "validation").model_copy(update={"target": "".join(letters), "masked": []})


HELD_OUT = [unforeseen(number) for number in range(6)]

DRIVER = """
import sys
from goat_ray.cluster import ClusterConfig, connect
from goat_ray.training.agent import train_agent
from goat_ray.training.config import AgentTrainingConfig
address, examples, output, config, storage = sys.argv[1:]
connect(ClusterConfig(address=address))
train_agent(examples, output, AgentTrainingConfig.model_validate_json(config), storage=storage, name="hit")
"""


@dataclass(frozen=True)
class Trained:
    """A finished training: what it left and what it said, from the second start on."""

    examples: str
    output: Path
    storage: Path
    report: TrainingReport
    said: list[str]
    killed: int  # steps that were safe when the first driver was killed

    @property
    def base(self) -> Path:
        (base,) = self.output.parent.glob("tiny-*")
        return base

    @property
    def losses(self) -> list[Losses]:
        return [Losses.model_validate_json(line) for line in (self.output / "losses.jsonl").read_text().splitlines()]


def safe_steps(storage: Path) -> int:
    """The steps of the latest checkpoint that a training would go on from."""
    texts = [file.read_text() for file in storage.glob("*/checkpoint_manager_snapshot.json")]
    return max((int(name) for text in texts for name in re.findall(r"step-(\d+)", text)), default=0)


def wait_for_checkpoint(storage: Path, after: int) -> int:
    deadline = time.monotonic() + WAIT_S
    while (steps := safe_steps(storage)) <= after:
        assert time.monotonic() < deadline, "no checkpoint appeared"
        time.sleep(0.02)
    return steps


def kill_a_driver(examples: str, output: Path, storage: Path, config: AgentTrainingConfig) -> int:
    """Begin a training, and kill the driver after a step or two."""
    address = ray.get_runtime_context().gcs_address
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, address, examples, str(output), config.model_dump_json(), str(storage)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return wait_for_checkpoint(storage, after=0)
    finally:
        driver.kill()
        driver.wait()


def kill_a_worker(storage: Path, after: int) -> None:
    wait_for_checkpoint(storage, after)
    workers = [process for process in psutil.Process().children(recursive=True) if "RayTrainWorker" in process.name()]
    newest = max(workers, key=lambda process: process.create_time())  # not one of an earlier training
    newest.send_signal(signal.SIGKILL)


@pytest.fixture(scope="module")
def trained(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Begun on one worker, its driver killed; gone on with on two, one of them killed; stopped early; the best kept.

    The more is learned of the training examples, the less of the validation examples is foreseen, as in overfitting.
    """
    folder = tmp_path_factory.mktemp("trained")
    examples = write_parquet(folder / "examples", [*HELD_OUT, *(make_example(n) for n in range(6, 60))])
    output, storage = folder / "model", folder / "runs"
    killed = kill_a_driver(examples, output, storage, ALONE)
    assert not output.exists()
    said: list[str] = []

    def train() -> TrainingReport:
        return train_agent(examples, str(output), CONFIG, storage=str(storage), name="hit", say=said.append)

    killer = threading.Thread(target=kill_a_worker, args=(storage, safe_steps(storage)), daemon=True)
    killer.start()
    report = train()
    killer.join()
    spoken = len(said)
    assert train() == report and len(said) == spoken, "a finished training is not run again"
    return Trained(examples, output, storage, report, said, killed)


def test_kills_and_another_number_of_workers_change_no_loss(trained: Trained) -> None:
    first, again, *_ = [line for line in trained.said if line.startswith("continuing")]
    assert 0 < trained.killed <= int(first.split()[3]) < int(again.split()[3]) == trained.report.resumed_at < STEPS
    assert "its checkpoint is of 1 workers; its states were divided anew for 2" in trained.said
    assert [row.step for row in trained.losses] == list(range(1, STEPS + 1))
    expected = plain_losses(trained.examples, str(trained.base), CONFIG)[:STEPS]
    assert [row.loss for row in trained.losses] == pytest.approx(expected, abs=1e-4)


def test_the_report_adds_up(trained: Trained) -> None:
    output, report, losses = trained.output, trained.report, trained.losses
    assert report.first_loss == losses[0].loss and report.last_loss == losses[-1].loss
    assert report.last_loss < report.first_loss - 0.5
    assert (report.steps, report.dropped, report.tokens) == (STEPS, {}, losses[-1].tokens)
    assert report.examples == {"plan": 18, "call": 18, "answer": 18}
    assert losses[0].learning_rate > losses[-1].learning_rate
    assert report.peak_memory_gb > 0.1
    logs = b"".join(events.read_bytes() for events in output.parent.glob("tensorboard/model-*/events*"))
    assert b"validation_loss" in logs and b"tokens_per_second" in logs
    card = (output / "README.md").read_text()
    assert "goat-ray" in card and json.loads((output / "training.json").read_text())["lineage"]["corpus"] in card


def test_the_console_is_told_what_it_takes_and_how_it_goes(trained: Trained) -> None:
    memory, trains, *lines = trained.said
    kinds = ", ".join(f"{kind} {tokens} of 18" for kind, tokens in sorted(trained.report.trained_tokens.items()))
    assert trains == f"trains on {sum(trained.report.trained_tokens.values())} tokens of 54 examples an epoch: {kinds}"
    assert memory.startswith("45.7 k parameters, ZeRO-3, 2 workers: about") and "of its node's memory" in memory
    (last,) = [line for line in lines if line.startswith(f"step {STEPS}/12 ")]
    assert "tokens/s" in last and last.endswith("left")
    assert lines[-1] == "stopped early: 1 epochs without a lower validation loss"
    at = next(number for number, line in enumerate(lines) if line.startswith("epoch 2/3  validation loss"))
    assert lines[at - 1].startswith("epoch 2/3  evaluating on ") and lines[at - 1].endswith(" examples")


def test_as_many_checkpoints_are_kept_as_are_wanted(trained: Trained) -> None:
    """Those that were evaluated, at the ends of the two epochs; the steps between have no validation loss."""
    kept = sorted(int(folder.name.split("-")[1]) for folder in trained.storage.glob("hit-*/step-*"))
    assert len(kept) == CONFIG.keep_checkpoints and kept == [4, STEPS]


def test_the_model_that_comes_out_is_the_best_one(trained: Trained) -> None:
    """ZeRO-3's parts of it are gathered, and those of the epoch before the last."""
    said = [float(line.split()[-1]) for line in trained.said if "validation loss" in line and line.startswith("epoch")]
    best = trained.report.validation_loss
    assert best is not None and said[-1] > best + 0.01
    tokenizer = load_tokenizer(str(trained.base))
    tokens = [found for example in HELD_OUT if (found := tokenize(example, tokenizer, CONFIG.max_length))]
    model = AutoModelForCausalLM.from_pretrained(trained.output).eval()
    with torch.no_grad():
        losses = [summed(model, one).item() for one in tokens]
    assert sum(losses) / sum(one.trained for one in tokens) == pytest.approx(best, abs=1e-4)
    prompt = AutoTokenizer.from_pretrained(trained.output).apply_chat_template(
        [{"role": "user", "content": "hello"}], add_generation_prompt=True, tokenize=False
    )
    assert prompt.endswith("assistant\n")


@pytest.mark.usefixtures("ray_cluster")
class TestErrorsBeforeAnyWork:
    def train(self, examples: str, tmp_path: Path, **changes: object) -> None:
        config = CONFIG.model_copy(update=changes)
        train_agent(examples, str(tmp_path / "model"), config, storage=str(tmp_path / "runs"), name="bad")

    def test_a_cluster_that_is_too_small(self, examples: str, tmp_path: Path) -> None:
        cpus = int(ray.cluster_resources()["CPU"])
        with pytest.raises(ConfigError, match=r"training\.agent.*needs 1 x \(1 CPU\), beside training\.agent with"):
            self.train(examples, tmp_path, workers=cpus)

    def test_gpus_that_are_not_there(self, examples: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="1 GPU"):
            self.train(examples, tmp_path, gpus_per_worker=1.0)

    def test_no_examples(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="Parquet"):
            self.train(str(tmp_path / "none"), tmp_path)

    def test_a_base_model_that_is_not_there(self, examples: str, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="base_model"):
            self.train(examples, tmp_path, base_model="/no/such/model")

    def test_checkpoints_with_another_number_of_examples_in_a_step_are_told_of_before_targets_that_do_not_fit(
        self, examples: str, tmp_path: Path
    ) -> None:
        config, said = TOO_SHORT.model_copy(update={"workers": 1}), list[str]()
        before = tmp_path / "runs" / f"bad-{training_id(dataset_id(examples, DATA), TOO_SHORT)}"
        (before / "step-00000003").mkdir(parents=True)
        (before / "step-00000003" / "progress.json").touch()
        with pytest.raises(RunError, match="54 dropped as target-too-long"):
            train_agent(
                examples, str(tmp_path / "model"), config, storage=str(tmp_path / "runs"), name="bad", say=said.append
            )
        assert said[1].startswith(f"begins at step 0: the checkpoints in {before} are of 16 examples a step, and now")
        assert said[1].endswith("batch_size: 4 with gradient_accumulation: 4 goes on from them")
