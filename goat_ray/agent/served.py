"""The agent's model on engines or endpoints that others serve, instead of in the agent's own process."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from goat_ray import metering
from goat_ray.agent.config import AgentConfig
from goat_ray.agent.model import LanguageModel, TransformersModel, base_of
from goat_ray.identity import digest
from goat_ray.teacher.asking import Asker
from goat_ray.teacher.background import BackgroundLoop
from goat_ray.teacher.build import connect
from goat_ray.teacher.client import Completion
from goat_ray.teacher.config import TeacherConfig
from goat_ray.teacher.task import Message

WHOM = "agent"  # requests and tokens are counted for
ADAPTER = "agent"


def open_model(folder: str, config: AgentConfig) -> LanguageModel:
    """The model in a folder, run as the configuration says. Engines must be up, see ``start_engines``."""
    served = served_by(folder, config)
    return TransformersModel(folder, config.batch_size) if served is None else ServedModel(served)


def served_by(folder: str, config: AgentConfig) -> TeacherConfig | None:
    """Who serves the model in a folder; None where each worker loads it. An adapter is served on its base model."""
    if config.engine is None:
        return None
    engine = config.engine
    base = base_of(folder)
    if base != folder:
        engine = engine.model_copy(update={"adapters": {ADAPTER: str(Path(folder).absolute())}})
    return TeacherConfig(
        backend="vllm",
        model=base,
        adapter=ADAPTER if base != folder else "",
        engine=engine,
        temperature=0.0,
        concurrency=config.concurrency,
    )


def start_engines(folder: str, config: AgentConfig) -> None:
    """Start the engines that serve the model, if any do; called once on the driver."""
    if served := served_by(folder, config):
        from goat_ray.teacher import vllm

        vllm.check(served)
        vllm.deploy(served)


def stop_engines(folder: str, config: AgentConfig) -> None:
    """Give back what ``start_engines`` took."""
    if served := served_by(folder, config):
        from goat_ray.teacher import vllm

        vllm.shutdown(served)


class ServedModel:
    """A chat model behind a client, with the teacher's patience and concurrency. Greedy unless configured otherwise."""

    def __init__(self, config: TeacherConfig) -> None:
        self._loop = BackgroundLoop("agent")
        self._asker = self._loop.run(self._open(config))

    async def _open(self, config: TeacherConfig) -> Asker:
        return connect(config)

    def generate(self, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        """One continuation for each prompt; empty where the model gave none, e.g. for a prompt beyond its context."""
        return self._loop.run(self._generate(prompts, max_new_tokens))

    async def _generate(self, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        return await asyncio.gather(*(self._continue(prompt, max_new_tokens) for prompt in prompts))

    async def _continue(self, prompt: str, max_new_tokens: int) -> str:
        messages: list[Message] = [{"role": "user", "content": prompt}]
        seed = digest(prompt) >> 33  # 31 bits, from what is asked
        result = await self._asker.ask(messages, None, seed, WHOM, max_new_tokens)
        if isinstance(result, Completion):
            return result.text
        metering.count("failures", WHOM)
        return ""

    def close(self) -> None:
        """Disconnect."""
        self._loop.run(self._asker.close())
        self._loop.close()
