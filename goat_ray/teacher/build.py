"""From the configuration to a teacher."""

from functools import partial
from typing import Any

from goat_ray.places import Place
from goat_ray.rows import Json
from goat_ray.teacher.asking import Asker, Patience
from goat_ray.teacher.budget import Lease, Ledger, LedgerAccess, LocalLedger
from goat_ray.teacher.chat import ChatTeacher
from goat_ray.teacher.client import ChatClient
from goat_ray.teacher.config import SAMPLING, TeacherConfig
from goat_ray.teacher.model_folder import stamp
from goat_ray.teacher.rules import RulesTeacher
from goat_ray.teacher.task import Teacher

_SPENT = "spent.json"


def build_teacher(config: TeacherConfig, cache: Place | None = None) -> Teacher:
    """Make the teacher that a configuration names: cheap, picklable, connected only by ``start``.

    ``cache`` is the folder for answers and for the account of what was spent, seen by all nodes; without it
    nothing is remembered.
    """
    if config.backend == "rules":
        return RulesTeacher()
    return _EngineTeacher(config, cache) if config.backend == "vllm" else _ConfiguredTeacher(config, cache)


_OPERATIONAL = frozenset(
    {"gpu_memory_utilization", "max_num_seqs", "max_num_batched_tokens", "enforce_eager", "cpu_offload_gb"}
)
"""Of an engine's further arguments, those that change how fast it answers and not what."""


class _ConfiguredTeacher(ChatTeacher):
    """A chat teacher as the configuration describes it."""

    def __init__(self, config: TeacherConfig, cache: Place | None) -> None:
        label = f"{config.backend}:{config.adapter or config.model}"
        context = config.engine.max_model_len if config.backend == "vllm" else None
        super().__init__(label, partial(connect, config, cache), config.concurrency, cache, context)
        self._config = config
        # Here, on the driver: workers elsewhere may not see the folders.
        folders = [config.model, *([config.engine.adapters[config.adapter]] if config.adapter else [])]
        self._weights = list(filter(None, map(stamp, folders))) if config.backend == "vllm" else []

    def settings(self) -> Json:
        decisive = {"backend", "model", "temperature", "max_tokens"}
        # Only if set: a setting that came later must not make anew what was made without it.
        optional = {"adapter", *SAMPLING} - decisive
        chosen = self._config.model_dump(mode="json", include=optional, exclude_defaults=True)
        of_engine = {"quantization", "dtype", "chat_template_kwargs"}
        extra = {name: value for name, value in self._config.engine.extra.items() if name not in _OPERATIONAL}
        return {
            **self._config.model_dump(mode="json", include=decisive),
            **chosen,
            **self._config.engine.model_dump(mode="json", include=of_engine, exclude_defaults=True),
            **({"extra": extra} if extra else {}),
            **({"weights": self._weights} if self._weights else {}),
        }

    def prepare(self) -> None:
        super().prepare()
        _ledger(self._config, self._cache)  # on the driver, which outlives all workers


class _EngineTeacher(_ConfiguredTeacher):
    """One whose engines this project starts itself."""

    def check(self) -> None:
        from goat_ray.teacher.vllm import check

        check(self._config)

    def prepare(self) -> None:
        from goat_ray.teacher.vllm import deploy, renew

        super().prepare()
        renew(self._config)
        deploy(self._config)

    def release(self) -> None:
        from goat_ray.teacher.vllm import shutdown

        super().release()
        shutdown(self._config)


def connect(config: TeacherConfig, cache: Place | None = None) -> Asker:
    """Connect to the model that a configuration names; call it in the event loop that will ask."""
    lease = Lease(
        _ledger(config, cache),
        remedy="Finished answers are kept. Raise teacher.budget and run the same command again to go on",
    )
    patience = Patience(config.max_retries, config.patience_s, config.timeout_s)
    place = config.base_url if config.backend == "openai" else f"the engines of {config.model}"
    return Asker(_client(config), place, config.concurrency, patience, lease, config.max_tokens)


def _client(config: TeacherConfig) -> ChatClient:
    # Imported where used: the client libraries take seconds to load, and most processes need none of them.
    client: Any
    if config.backend == "openai":
        from goat_ray.teacher.openai import OpenAiClient as client
    else:
        from goat_ray.teacher.vllm import VllmClient as client
    made: ChatClient = client(config)
    return made


def _ledger(config: TeacherConfig, cache: Place | None) -> LedgerAccess | None:
    """The account to book on: one for the cluster where there is one, else this process's own."""
    if not config.budget.is_limited:
        return None
    file = cache / _SPENT if cache is not None else None
    from goat_ray.teacher.shared_ledger import shared_ledger

    return shared_ledger(config.budget, file) or LocalLedger(Ledger(config.budget, file))
