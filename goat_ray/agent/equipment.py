"""What an agent is made of, by name: cheap to pickle, opened where the agent runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from goat_ray.agent.config import AgentConfig
from goat_ray.agent.loop import Agent
from goat_ray.agent.retrieval import Retriever
from goat_ray.agent.served import open_model, start_engines, stop_engines
from goat_ray.executors.build import ALONE, Outside, build_executor
from goat_ray.executors.config import ExecutorConfig
from goat_ray.storage import FunctionStore


@dataclass(frozen=True)
class Equipment:
    """Model, retriever, functions and executor."""

    model: str  # folder or hub name; empty where an endpoint serves it
    retriever: str  # folder or hub name; empty is the default embedder
    functions: str  # Parquet folder of a ``functions`` dataset
    executor: ExecutorConfig
    agent: AgentConfig
    outside: Outside = ALONE

    def prepare(self) -> None:
        """Called once on the driver: start the engines, if there are any to start."""
        self.outside.prepare()
        start_engines(self.model, self.agent)

    def release(self) -> None:
        """Called once on the driver when all is done: others may need the engines' place."""
        stop_engines(self.model, self.agent)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Around the use of an agent on the driver itself."""
        try:
            self.prepare()
            yield
        finally:
            self.release()

    def open(self) -> Agent:
        """Load everything; raises ``ModelError`` where a model is not there."""
        functions = list(FunctionStore.open(self.functions))
        return Agent(
            open_model(self.model, self.agent),
            Retriever(functions, self.retriever, parts=self.agent.document),
            build_executor(self.executor, functions, self.outside),
            self.agent,
        )
