"""A corpus survives kills of its driver, of its workers and of nodes: in the end it is that of an undisturbed run.

`tests/benchmarks/kill_loop.py` does the same with a larger corpus, or for longer.
"""

import random
from pathlib import Path

import pytest

from tests.killing import Killer, Repeated
from tests.nodes import started
from tests.world import World

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ACCEPTED = 150
KILLS_A_RUN = 7  # more would seldom hit before a run's end


def test_killed_drivers_and_workers_leave_no_trace(ray_cluster: None, world: World, tmp_path: Path) -> None:
    import ray

    address = ray.get_runtime_context().gcs_address
    assert killed(Killer(address, ACCEPTED, random.Random(5)), 2, tmp_path, world) >= 2


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_twenty_kills_with_nodes_among_them_leave_no_trace(private_home: None, world: World, tmp_path: Path) -> None:
    chance = random.Random(5)
    with started(2) as nodes:
        killer = Killer(nodes.address, ACCEPTED, chance, {"node": lambda: nodes.replace_any(chance)})
        assert killed(killer, 20, tmp_path, world) >= 20
    assert set(killer.kills) == {"driver", "worker", "node"}


def killed(killer: Killer, kills: int, folder: Path, world: World) -> int:
    """Runs until so many kills have hit something, each checked; how many that were."""
    runs = Repeated(killer, folder, world)
    assert len(runs.expected) == ACCEPTED
    while killer.kills.total() < kills:
        runs.run(min(KILLS_A_RUN, kills - killer.kills.total()))
    return killer.kills.total()
