"""The real documents of the shared test data."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

shared_data = Path(__file__).resolve().parents[3] / "shared/data"


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Finds a file of the shared test data; fails in CI and skips elsewhere when it is missing."""

    def find(name: str) -> Path:
        path = shared_data / name
        if not path.exists() and os.environ.get("CI"):
            pytest.fail(f"the shared test data lacks {name}")
        if not path.exists():
            pytest.skip(f"NEEDS THE SHARED TEST DATA: {path}")
        return path

    return find
