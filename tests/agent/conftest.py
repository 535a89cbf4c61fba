"""Agents on the demo's functions, in the sandbox, whose model is an endpoint that answers by the book."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from goat_ray.agent.config import AgentConfig, EndpointConfig
from goat_ray.agent.loop import Agent
from goat_ray.agent.retrieval import Retriever
from goat_ray.agent.served import open_model
from goat_ray.executors.sandbox import SandboxExecutor
from goat_ray.executors.sandbox.config import SandboxConfig
from goat_ray.records import ApiFunction
from goat_ray.teacher.fake_server import FakeServer
from tests.world import World

OpenAgent = Callable[..., AbstractContextManager[Agent]]


@pytest.fixture(scope="session")
def retriever(world: World) -> Retriever:
    """The untuned retriever over the demo's functions."""
    return Retriever(list(world.functions))


@pytest.fixture(scope="session")
def open_agent(world: World, retriever: Retriever) -> OpenAgent:
    """Opens an agent whose model is a fake server, on the demo's functions or others; the rest are its settings."""

    @contextmanager
    def opened(
        server: FakeServer, functions: Sequence[ApiFunction] = (), sandbox: SandboxConfig | None = None, **settings: Any
    ) -> Iterator[Agent]:
        endpoint = EndpointConfig(model="fake", base_url=server.base_url, patience_s=2.0)
        config = AgentConfig(endpoint=endpoint, **settings)
        executor = SandboxExecutor(list(functions or world.functions), sandbox or SandboxConfig())
        searched = Retriever(functions) if functions else retriever
        agent = Agent(open_model("", config), searched, executor, config)
        try:
            yield agent
        finally:
            executor.run(agent.close())
            executor.shutdown()

    return opened
