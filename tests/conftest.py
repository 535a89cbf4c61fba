"""Shared fixtures. One Ray cluster serves the whole session; starting one per test would cost minutes."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest

from goat_ray.places import Place
from tests.grouping import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler  # a hook
from tests.world import World, make_world

# A timing is never a test, and a run that fails must fail again.
hypothesis.settings.register_profile("goat", deadline=None, derandomize=True)
hypothesis.settings.load_profile("goat")

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
BOOKSHOP_TOKEN = "pl4nted/s3cret+token"
"""What the http executor is to send and nobody else is to see."""


@pytest.fixture(scope="session", autouse=True)
def private_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A HOME of its own: Ray writes an auth token there, which would leak into later clusters."""
    home = tmp_path_factory.mktemp("home")
    settings = {"HOME": str(home), "RAY_AUTH_MODE": "disabled", "HF_HUB_OFFLINE": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    settings |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}", "AWS_REGION": "us-east-1"}
    settings |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hush-hush"}
    settings |= {"BOOKSHOP_TOKEN": BOOKSHOP_TOKEN}  # Ray's workers inherit all of it
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    os.environ.pop("RAY_ADDRESS", None)
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """So many different ones."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@pytest.fixture(scope="session")
def store(private_home: None) -> Iterator[Place]:
    """A bucket of a real S3-compatible server on this machine, where the environment says that S3 is."""
    from moto.server import ThreadedMotoServer
    from pyarrow.fs import S3FileSystem

    endpoint = os.environ["AWS_ENDPOINT_URL"]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it reports each request
    server = ThreadedMotoServer("127.0.0.1", int(endpoint.rpartition(":")[2]), verbose=False)
    server.start()
    S3FileSystem(endpoint_override=endpoint, allow_bucket_creation=True).create_dir("goat")
    yield Place.of("s3://goat")
    server.stop()


@pytest.fixture
def store_folder(store: Place, request: pytest.FixtureRequest) -> Place:
    """A folder of the store for one test."""
    return store / request.node.name


@pytest.fixture(params=["local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A folder for one test, on this machine and in a store."""
    return Place.of(tmp_path) if request.param == "local" else request.getfixturevalue("store_folder")


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
