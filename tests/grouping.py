"""Which tests stay together when two processes share them (``make test``): what shares a fixture that costs much."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[1]
LONG = ("tests/training/", "tests/test_whole_road.py", "tests/test_nodes.py")
ON_RAY = ("ray_cluster", "mark.vllm", "tests.nodes", "tests.full_disk", "tests.ray_start")


@cache
def group_of(file: str) -> str:
    """What takes longest, all others on a cluster, and else the tests of one file: big groups start first."""
    if file.startswith(LONG):
        return "long"
    text = (ROOT / file).read_text()
    return "cluster" if any(word in text for word in ON_RAY) else file


class Grouping(LoadScopeScheduling):  # type: ignore[misc]  # xdist's loadgroup finds no groups under pytest 9
    """Sends a group to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Grouping:
    """A hook of xdist."""
    return Grouping(config, log)
