"""Which tests stay together when two processes share them (``make test``): what shares a fixture that costs much."""

import pytest

TRAINING = ("tests/training/", "tests/test_whole_road.py")


def group_of(item: pytest.Item) -> str:
    """The tests of one file, all tests that train, and all others on the shared cluster."""
    file = item.nodeid.partition("::")[0]
    if "ray_cluster" in getattr(item, "fixturenames", ()):
        return "training" if file.startswith(TRAINING) else "cluster"
    return file


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item)))
