"""What a training counts and says of its steps."""

import time

import pytest
import torch

from goat_ray.training.meter import Meter
from goat_ray.training.progress import Progress
from goat_ray.training.ray_metrics import METRICS, RayMetrics
from tests.training.conftest import Gauges


@pytest.mark.parametrize(("log_every", "steps"), [(5, 3), (2, 3), (3, 3)])
def test_a_training_that_stops_early_leaves_no_step_out(log_every: int, steps: int) -> None:
    """Also none before the first row, of which the report tells first and last loss."""
    said: list[str] = []
    meter = Meter(Progress(), total=100, log_every=log_every, device=torch.device("cpu"), say=said.append)
    for number in range(steps):
        meter.add(torch.tensor(float(number)), 1, 10)
        meter.step(0.1)
    meter.finish(0.1)
    meter.finish(0.1)
    rows = meter.state.losses
    assert [row.step for row in rows] == sorted({row.step for row in rows}) and rows[-1].step == steps
    assert rows[-1].tokens == 10 * steps and len(said) == len(rows)


@pytest.mark.parametrize("resumed_at", [0, 40])
def test_the_time_left_counts_evaluations_and_checkpoints_of_this_start(
    resumed_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step takes 1 s, and a pause of 8 s comes after every second one: 5 s a step."""
    now, said = [1000.0], list[str]()
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    state = Progress(step=resumed_at, seconds=0.1 * resumed_at)  # what came before was on faster machines
    meter = Meter(state, total=60, log_every=20, device=torch.device("cpu"), say=said.append)
    with meter.timed():
        for number in range(20):
            now[0] += 1
            if number % 2:
                with meter.paused():
                    now[0] += 8
            meter.step(0.1)
    left = 5 * (60 - resumed_at - 20)
    assert said[-1].endswith(f"  0:{left // 60:02}:{left % 60:02} left")
    assert state.seconds == pytest.approx(0.1 * resumed_at + 20)


def test_rays_metrics_are_told_what_the_rows_say(gauges: Gauges) -> None:
    meter = Meter(Progress(), 4, log_every=2, device=torch.device("cpu"), say=None, trackers=[RayMetrics("agent")])
    for number in range(4):
        meter.add(torch.tensor(float(number)), 1, 10)
        meter.step(learning_rate=0.1 * number)
    meter.validated(2.5, "epoch 1/1")
    told = gauges["agent"]
    assert set(told) == set(METRICS)
    assert told["goat_training_loss"] == [0.5, 2.5] and told["goat_training_learning_rate"] == pytest.approx([0.1, 0.3])
    assert told["goat_training_step"] == [2, 4, 4] and told["goat_training_tokens"] == [20, 40]
    assert told["goat_training_validation_loss"] == [2.5] and min(told["goat_training_tokens_per_second"]) > 0
