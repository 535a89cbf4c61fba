"""The agent's model on engines or endpoints that others serve, instead of in the agent's own process."""

from collections.abc import Sequence

from goat_ray import metering
from goat_ray.agent.config import AgentConfig
from goat_ray.agent.model import Chat, LanguageModel, TransformersModel, base_of
from goat_ray.identity import digest
from goat_ray.places import Place
from goat_ray.teacher.asking import Asker
from goat_ray.teacher.build import connect
from goat_ray.teacher.client import Completion, Tools
from goat_ray.teacher.config import TeacherConfig
from goat_ray.teacher.task import Failure

WHOM = "agent"  # requests and tokens are counted for
ADAPTER = "agent"


def open_model(folder: str, config: AgentConfig, adapter: str = "") -> LanguageModel:
    """The model in a folder, run as the configuration says. Engines must be up, see ``start_engines``.

    Raises ``ModelError`` where it cannot be loaded.
    """
    served = config.endpoint or served_by(folder, config, adapter)
    return TransformersModel(folder, config.batch_size) if served is None else ServedModel(served)


def served_by(folder: str, config: AgentConfig, adapter: str = "") -> TeacherConfig | None:
    """The engines that serve the model in a folder, if any do. An adapter is served on its base model.

    A base model may share its engines with the agent of an adapter that was trained on it.
    """
    if config.engine is None:
        return None
    engine = config.engine
    base = base_of(folder)
    adapter = adapter if base == folder else folder
    if adapter:
        engine = engine.model_copy(update={"adapters": {ADAPTER: Place.of(adapter).url}})
    return TeacherConfig(
        backend="vllm",
        model=base,
        adapter=ADAPTER if base != folder else "",
        engine=engine,
        temperature=0.0,
        concurrency=config.concurrency,
    )


def start_engines(folder: str, config: AgentConfig, adapter: str = "") -> None:
    """Start the engines that serve the model, if any do; called once on the driver."""
    if served := served_by(folder, config, adapter):
        from goat_ray.teacher import vllm

        vllm.check(served)
        vllm.renew(served)
        vllm.deploy(served)


def stop_engines(folder: str, config: AgentConfig, adapter: str = "") -> None:
    """Give back what ``start_engines`` took."""
    if served := served_by(folder, config, adapter):
        from goat_ray.teacher import vllm

        vllm.shutdown(served)


class ServedModel:
    """A chat model behind a client, with the teacher's patience and concurrency. Lives in one event loop."""

    def __init__(self, config: TeacherConfig) -> None:
        self._config = config
        self._asker: Asker | None = None

    async def complete(
        self, chat: Chat, max_tokens: int, tools: Tools = (), names: Sequence[str] = ()
    ) -> Completion | Failure:
        if self._asker is None:
            self._asker = connect(self._config)
        seed = digest(list(chat)) >> 33  # 31 bits, from what is asked
        result = await self._asker.ask(list(chat), None, seed, WHOM, max_tokens, tools)
        if isinstance(result, Failure):
            metering.count("failures", WHOM)
        return result

    async def close(self) -> None:
        """Disconnect."""
        if self._asker is not None:
            asker, self._asker = self._asker, None
            await asker.close()
