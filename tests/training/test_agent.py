"""Real trainings with DeepSpeed. The same examples and seed give the losses of a plain loop everywhere.

Starting workers takes most of the time, so each training serves several tests.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import ray
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from goat_ray.errors import ModelError, RunError
from goat_ray.training.agent import train_agent
from goat_ray.training.config import AgentTrainingConfig, LoraConfig, TinyModelConfig
from goat_ray.training.progress import Losses, TrainingReport
from tests.training.plain_loop import plain_losses

pytestmark = [pytest.mark.ray, pytest.mark.train, pytest.mark.slow]

CONFIG = AgentTrainingConfig(
    method="full",
    tiny=TinyModelConfig(hidden=32, layers=2, vocabulary=400, context=256),
    epochs=2,
    batch_size=4,
    gradient_accumulation=2,
    learning_rate=3e-3,
    max_length=128,
    workers=2,
    checkpoint_every=1,
    log_every=1,
    max_failures=1,
)
STEPS = 8  # 54 examples, 16 in a step: 4 in each epoch
WAIT_S = 300

DRIVER = """
import sys
from goat_ray.cluster import ClusterConfig, connect
from goat_ray.training.agent import train_agent
from goat_ray.training.config import AgentTrainingConfig
address, examples, output, config, storage = sys.argv[1:]
connect(ClusterConfig(address=address))
train_agent(examples, output, AgentTrainingConfig.model_validate_json(config), storage=storage, name="killed")
"""


def read_losses(output: Path) -> list[Losses]:
    return [Losses.model_validate_json(line) for line in (output / "losses.jsonl").read_text().splitlines()]


def wait_for_checkpoint(storage: Path) -> None:
    deadline = time.monotonic() + WAIT_S
    while not list(storage.glob("*/checkpoint_manager_snapshot.json")):
        assert time.monotonic() < deadline, "no checkpoint appeared"
        time.sleep(0.02)


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=torch.arange(5, 25)[None]).logits


def load(folder: Path) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(folder).eval()


@pytest.fixture(scope="module")
def plain(ray_cluster: None, examples: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingReport]:
    """An undisturbed training with ZeRO-3, states and weights offloaded, whose best model comes out."""
    folder = tmp_path_factory.mktemp("plain")
    config = CONFIG.model_copy(update={"zero_stage": 3, "offload": "parameters", "keep": "best", "patience": 1})
    said: list[str] = []
    report = train_agent(
        examples, str(folder / "model"), config, storage=str(folder / "runs"), name="plain", say=said.append
    )
    assert [line.split("  ")[0] for line in said if line.startswith("step")] == [f"step {n}/8" for n in range(1, 9)]
    assert said[0].startswith("45.7 k parameters, ZeRO-3, 2 workers: about") and "of its node's memory" in said[0]
    assert "tokens/s" in said[1] and said[1].endswith("left")
    again = train_agent(
        examples, str(folder / "model"), config, storage=str(folder / "runs"), name="plain", say=said.append
    )
    assert again == report, "a finished training is not run again"
    return folder / "model", report


def test_the_loss_goes_down_and_the_report_adds_up(plain: tuple[Path, TrainingReport]) -> None:
    output, report = plain
    losses = read_losses(output)
    assert [row.step for row in losses] == list(range(1, STEPS + 1))
    assert report.first_loss == losses[0].loss and report.last_loss == losses[-1].loss
    assert report.last_loss < report.first_loss - 0.5
    assert report.validation_loss is not None and report.validation_loss < report.first_loss - 0.5
    assert (report.steps, report.resumed_at, report.dropped) == (STEPS, 0, {})
    assert report.examples == {"plan": 18, "call": 18, "answer": 18}
    assert report.tokens == losses[-1].tokens
    assert losses[0].learning_rate > losses[-1].learning_rate
    assert report.peak_memory_gb > 0.1
    (events,) = output.parent.glob("tensorboard/model-*/events*")
    assert b"validation_loss" in events.read_bytes() and b"tokens_per_second" in events.read_bytes()
    card = (output / "README.md").read_text()
    assert "goat-ray" in card and json.loads((output / "training.json").read_text())["lineage"]["corpus"] in card


def test_one_worker_without_zero_is_a_plain_loop_and_two_with_zero_3_are_one(
    plain: tuple[Path, TrainingReport], examples: str, tmp_path: Path
) -> None:
    config = CONFIG.model_copy(update={"zero_stage": 0, "workers": 1, "batch_size": 2 * CONFIG.batch_size})
    train_agent(examples, str(tmp_path / "model"), config, storage=str(tmp_path / "runs"), name="one")
    (base,) = tmp_path.glob("tiny-*")
    one = [row.loss for row in read_losses(tmp_path / "model")]
    assert one == pytest.approx(plain_losses(examples, str(base), config), abs=1e-4)
    assert [row.loss for row in read_losses(plain[0])] == pytest.approx(one, abs=1e-3)


def test_zero_3_gathers_weights_that_load(plain: tuple[Path, TrainingReport]) -> None:
    output, _ = plain
    (base,) = output.parent.glob("tiny-*")
    before, after = logits(load(base)), logits(load(output))
    assert not torch.allclose(before, after, atol=0.1)
    prompt = AutoTokenizer.from_pretrained(output).apply_chat_template(
        [{"role": "user", "content": "hello"}], add_generation_prompt=True, tokenize=False
    )
    assert prompt.endswith("assistant\n")


def test_a_killed_worker_changes_nothing_and_zero_2_packed_learns_what_zero_3_padded_does(
    plain: tuple[Path, TrainingReport], examples: str, tmp_path: Path
) -> None:
    storage = tmp_path / "runs"
    killed: list[int] = []

    def kill_a_worker() -> None:
        wait_for_checkpoint(storage)
        workers = [
            process for process in psutil.Process().children(recursive=True) if "RayTrainWorker" in process.name()
        ]
        newest = max(workers, key=lambda process: process.create_time())  # not one of an earlier training
        killed.append(newest.pid)
        newest.send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill_a_worker, daemon=True)
    killer.start()
    config = CONFIG.model_copy(update={"packing": True})
    report = train_agent(examples, str(tmp_path / "model"), config, storage=str(storage), name="worker")
    killer.join()
    assert killed and report.resumed_at > 0
    for mine, reference in zip(read_losses(tmp_path / "model"), read_losses(plain[0]), strict=True):
        assert mine.step == reference.step and mine.tokens == reference.tokens
        assert mine.loss == pytest.approx(reference.loss, abs=1e-4)
    torch.testing.assert_close(logits(load(tmp_path / "model")), logits(load(plain[0])), atol=1e-3, rtol=0)


def test_a_killed_driver_resumes_and_an_adapter_with_the_losses_of_a_plain_loop_comes_out(
    ray_cluster: None, examples: str, tmp_path: Path
) -> None:
    lora = LoraConfig(dropout=0.0)
    config = CONFIG.model_copy(update={"method": "lora", "lora": lora, "learning_rate": 3e-2, "zero_stage": 1})
    output, storage = tmp_path / "model", tmp_path / "runs"
    address = ray.get_runtime_context().gcs_address
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, address, examples, str(output), config.model_dump_json(), str(storage)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_checkpoint(storage)
    finally:
        driver.kill()
        driver.wait()
    assert not output.exists()

    said: list[str] = []
    report = train_agent(examples, str(output), config, storage=str(storage), name="killed", say=said.append)
    assert 0 < report.resumed_at < STEPS
    assert said[1].startswith(f"continuing at step {report.resumed_at}")
    losses = read_losses(output)
    assert [row.step for row in losses] == list(range(1, STEPS + 1))
    assert losses[-1].loss < losses[0].loss

    (base,) = output.parent.glob("tiny-*")
    expected = plain_losses(examples, str(base), config)
    assert [row.loss for row in losses] == pytest.approx(expected, abs=1e-3)
    assert json.loads((output / "adapter_config.json").read_text())["base_model_name_or_path"] == str(base)
    assert {"adapter_model.safetensors", "tokenizer.json"} <= {path.name for path in output.iterdir()}
    adapted = PeftModel.from_pretrained(load(base), output).eval()
    assert not torch.allclose(logits(adapted), logits(load(base)), atol=1e-3)


@pytest.mark.usefixtures("ray_cluster")
class TestErrorsBeforeAnyWork:
    def train(self, examples: str, tmp_path: Path, **changes: object) -> None:
        config = CONFIG.model_copy(update=changes)
        train_agent(examples, str(tmp_path / "model"), config, storage=str(tmp_path / "runs"), name="bad")

    def test_a_cluster_that_is_too_small(self, examples: str, tmp_path: Path) -> None:
        cpus = int(ray.cluster_resources()["CPU"])
        with pytest.raises(RunError, match=r"logical CPUs.*Lower workers"):
            self.train(examples, tmp_path, workers=cpus)

    def test_gpus_that_are_not_there(self, examples: str, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="GPU"):
            self.train(examples, tmp_path, gpus_per_worker=1.0)

    def test_no_examples(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="Parquet"):
            self.train(str(tmp_path / "none"), tmp_path)

    def test_a_base_model_that_is_not_there(self, examples: str, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="base_model"):
            self.train(examples, tmp_path, base_model="/no/such/model")

    def test_targets_that_do_not_fit(self, examples: str, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="54 dropped as target-too-long"):
            self.train(examples, tmp_path, max_length=10)
