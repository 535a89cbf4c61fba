"""What a training counts and says of its steps."""

import pytest
import torch

from goat_ray.training.meter import Meter
from goat_ray.training.progress import Progress


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
