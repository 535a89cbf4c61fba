"""Shared fixtures. One Ray cluster serves the whole session; starting one per test would cost minutes."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.grouping import pytest_collection_modifyitems as pytest_collection_modifyitems  # a hook
from tests.world import World, make_world

# A timing is never a test, and a run that fails must fail again.
hypothesis.settings.register_profile("goat", deadline=None, derandomize=True)
hypothesis.settings.load_profile("goat")

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def private_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A HOME of its own: Ray writes an auth token there, which would leak into later clusters."""
    home = tmp_path_factory.mktemp("home")
    settings = {"HOME": str(home), "RAY_AUTH_MODE": "disabled", "HF_HUB_OFFLINE": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    os.environ.pop("RAY_ADDRESS", None)
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def ray_cluster(private_home: None) -> Iterator[None]:
    """The session's local Ray cluster, as `goat` starts it on a laptop."""
    import ray

    from goat_ray.cluster import ClusterConfig, connect

    connect(ClusterConfig(local_cpus=6))
    yield
    ray.shutdown()


def shared(*parts: str) -> Path:
    """A file of the shared test data; fails in CI and skips elsewhere when it is missing.

    The data belong to others and may not be copied into the project, so a checkout alone does not have them.
    """
    path = SHARED.joinpath(*parts)
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"the shared test data lacks {'/'.join(parts)}")
        pytest.skip(f"needs the shared test data: {'/'.join(parts)}")
    return path


@pytest.fixture(scope="session")
def tmdb_document() -> Path:
    """The real TMDB OpenAPI document."""
    return shared("restbench", "tmdb_oas.json")


@pytest.fixture(scope="session")
def demo_documents() -> Path:
    """The folder of documents that ships with the demo."""
    return ROOT / "configs" / "demo" / "documents"


@pytest.fixture(scope="session")
def world(demo_documents: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The demo's functions and verified graph, made once."""
    return make_world(demo_documents, tmp_path_factory.mktemp("world"))
