"""What an agent is made of, by name: cheap to pickle, opened where the agent runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from goat_ray.agent.config import AgentConfig
from goat_ray.agent.loop import Agent
from goat_ray.agent.retrieval import Retriever
from goat_ray.agent.served import open_model, served_by, start_engines, stop_engines
from goat_ray.executors.build import ALONE, Outside, build_executor
from goat_ray.executors.config import ExecutorConfig
from goat_ray.storage import FunctionStore
from goat_ray.teacher.config import TeacherConfig


@dataclass(frozen=True)
class Equipment:
    """Model, retriever, functions and executor."""

    model: str  # folder or hub name; empty where an endpoint serves it
    retriever: str  # folder or hub name; empty is the default embedder
    functions: str  # Parquet folder of a ``functions`` dataset
    executor: ExecutorConfig
    agent: AgentConfig
    outside: Outside = ALONE
    adapter: str = ""  # of that model, for another agent on the same engines

    @property
    def engines(self) -> TeacherConfig | None:
        """What serves the model, whichever of its adapters answers; None where nothing but the agent's own process."""
        served = served_by(self.model, self.agent, self.adapter)
        return served and served.model_copy(update={"adapter": ""})

    def prepare(self) -> None:
        """Called once on the driver: start the engines, if there are any to start."""
        self.outside.prepare()
        start_engines(self.model, self.agent, self.adapter)

    def release(self) -> None:
        """Called once on the driver when all is done: others may need the engines' place."""
        stop_engines(self.model, self.agent, self.adapter)

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
            open_model(self.model, self.agent, self.adapter),
            Retriever(functions, self.retriever, parts=self.agent.document),
            build_executor(self.executor, functions, self.outside),
            self.agent,
        )
