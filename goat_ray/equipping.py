"""From a configuration to its agent: what was trained in the run directory, else the base models."""

from goat_ray.agent.equipment import Equipment
from goat_ray.config import GoatConfig
from goat_ray.errors import RunError
from goat_ray.executors.build import Outside
from goat_ray.executors.limits import Limits
from goat_ray.graph.embedding import DEFAULT_MODEL
from goat_ray.places import Place
from goat_ray.records import ApiFunction
from goat_ray.simulation import LlmExecutor
from goat_ray.storage import MANIFEST, Dataset, open_dataset
from goat_ray.teacher.build import build_teacher
from goat_ray.training.config import TINY
from goat_ray.training.publishing import RECORD


def equip(config: GoatConfig, limits: Limits | None = None) -> tuple[Equipment, list[str]]:
    """The agent of a run directory, and a line on each of its parts that says what it is.

    Documents are read first where the run directory has no functions. ``limits`` are those of the hosts that several
    agents call. Raises ``RunError`` where there is no model.
    """
    directory = Place.of(config.run.directory)
    functions = _functions(config, directory)
    model, about_model = _model(config, directory / "agent")
    retriever, about_retriever = _retriever(config, directory / "retriever")
    player = None
    if config.executor.backend == "llm":
        player = LlmExecutor(build_teacher(config.teacher, cache=directory / "answers"))
    equipment = Equipment(model, retriever, functions.data, config.executor, config.agent, Outside(limits, player))
    return equipment, [
        f"model      {about_model}",
        f"retriever  {about_retriever}",
        f"functions  {functions.rows:,} of {functions.folder}; calls go to the executor {config.executor.backend!r}",
    ]


def _functions(config: GoatConfig, directory: Place) -> Dataset[ApiFunction]:
    folder = directory / "functions"
    if not (folder / MANIFEST).exists():
        from goat_ray.pipeline import Road  # which starts Ray and loads what a finished run needs not

        Road(config).perform("ingest")
    return open_dataset(folder, ApiFunction)


def _model(config: GoatConfig, trained: Place) -> tuple[str, str]:
    endpoint = config.agent.endpoint
    if endpoint is not None:
        return "", f"{endpoint.model} at {endpoint.base_url}"
    if (trained / RECORD).exists():
        return str(trained), f"{trained}, trained in this run"
    base = config.training.agent.base_model
    if base == TINY:
        raise RunError(
            "no agent was trained here, and an untrained 'tiny' knows no language",
            place=str(trained),
            remedy="Run 'goat train' first, or set agent.endpoint, or training.agent.base_model to a chat model",
        )
    return base, f"{base}, as it is: none was trained in this run"


def _retriever(config: GoatConfig, trained: Place) -> tuple[str, str]:
    if (trained / RECORD).exists():
        return str(trained), f"{trained}, trained in this run"
    base = config.training.retriever.base_model
    return base, f"{base or DEFAULT_MODEL}, as it is: none was trained in this run"
