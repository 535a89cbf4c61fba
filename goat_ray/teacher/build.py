"""From the configuration to a teacher."""

from collections.abc import Callable
from functools import partial

from goat_ray.records import Json
from goat_ray.teacher.chat import ChatClient, ChatTeacher
from goat_ray.teacher.config import TeacherConfig
from goat_ray.teacher.rules import RulesTeacher
from goat_ray.teacher.task import Teacher


def build_teacher(config: TeacherConfig) -> Teacher:
    """Make the teacher that a configuration names: cheap, picklable, connected only by ``start``."""
    if config.backend == "rules":
        return RulesTeacher()
    return _EngineTeacher(config) if config.backend == "vllm" else _ConfiguredTeacher(config)


class _ConfiguredTeacher(ChatTeacher):
    """A chat teacher as the configuration describes it."""

    def __init__(self, config: TeacherConfig) -> None:
        super().__init__(f"{config.backend}:{config.model}", partial(_connect, config), concurrency=config.concurrency)
        self._config = config

    def settings(self) -> Json:
        decisive = {"backend", "model", "temperature", "max_tokens"}
        return self._config.model_dump(mode="json", include=decisive)


class _EngineTeacher(_ConfiguredTeacher):
    """One whose engines this project starts itself."""

    def prepare(self) -> None:
        from goat_ray.teacher.vllm import deploy

        deploy(self._config)

    def release(self) -> None:
        from goat_ray.teacher.vllm import shutdown

        shutdown(self._config)


def _connect(config: TeacherConfig) -> ChatClient:
    # Imported where used: the client libraries take seconds to load, and most processes need none of them.
    client: Callable[[TeacherConfig], ChatClient]
    if config.backend == "openai":
        from goat_ray.teacher.openai import OpenAiClient as client
    else:
        from goat_ray.teacher.vllm import VllmClient as client
    return client(config)
