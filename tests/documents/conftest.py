"""The real documents of the shared test data."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import conftest


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Finds a file of the shared test data by its path there, see ``tests.conftest.shared``."""
    return lambda name: conftest.shared(*name.split("/"))
