"""A corpus survives kills of its driver and of its workers: in the end it is that of an undisturbed run.

`tests/benchmarks/kill_loop.py` does the same with more kills.
"""

import random
from pathlib import Path

import pytest

from tests.killing import Killer, prepare, sample_lines
from tests.world import World

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
def test_killed_drivers_and_workers_leave_no_trace(ray_cluster: None, world: World, tmp_path: Path, kills: int) -> None:
    import ray

    address = ray.get_runtime_context().gcs_address
    killer = Killer(address, accepted=150, random_=random.Random(5))
    for name in ("whole", "killed"):
        prepare(tmp_path / name, world)
    killer.undisturbed(tmp_path / "whole")

    hits = killer.run(tmp_path / "killed", kills)

    assert hits >= kills / 2  # the last of them may come too late
    lines = sample_lines(tmp_path / "killed")
    assert len(lines) == 150
    assert lines == sample_lines(tmp_path / "whole")
