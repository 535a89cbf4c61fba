"""Whether every stage that is still to come has room in the cluster and what it needs, said before any of them starts.

Each stage asks again when its turn comes; what is found here is found hours earlier.
"""

from collections.abc import Iterator, Sequence

from goat_ray.config import GoatConfig
from goat_ray.errors import ConfigError
from goat_ray.placement import Need, Node, check
from goat_ray.places import Place
from goat_ray.stage import needs as stage_needs
from goat_ray.step import Resources
from goat_ray.storage import MANIFEST
from goat_ray.teacher.config import EngineConfig, TeacherConfig
from goat_ray.teacher.engine import gpus_per_replica
from goat_ray.teacher.engine import needs as engine_needs
from goat_ray.teacher.model_folder import check_folders, check_shape
from goat_ray.training.config import TINY
from goat_ray.training.config import needs as training_needs
from goat_ray.training.deepspeed_settings import deepspeed_settings
from goat_ray.training.packages import check_packages
from goat_ray.training.publishing import RECORD

_SAMPLES = ("ingest", "graph", "sample", "synthesize")
_BOTH = (*_SAMPLES, "train_retriever", "train_agent")
BEFORE = {
    **{part: _SAMPLES[: number + 1] for number, part in enumerate(_SAMPLES)},
    "train_retriever": (*_SAMPLES, "train_retriever"),
    "evaluate_retriever": (*_SAMPLES, "train_retriever"),
    "train_agent": (*_SAMPLES, "train_agent"),
    "train": _BOTH,
    **dict.fromkeys(("evaluate_agent", "evaluate", "run"), (*_BOTH, "evaluate")),
}
"""What each part of the road makes, in order, where it is not there yet; the part itself is among it."""

STEPS = {
    "ingest": ("ingest",),
    "graph": ("embed", "verify", "execute"),
    "sample": ("draw",),
    "synthesize": ("call", "narrate", "examine"),
    "train_agent": ("format",),
    "evaluate": ("predict",),
}
"""The stages on Ray Data of each."""

_BEFORE_ENGINES = ("ingest", "embed")


def check_road(config: GoatConfig, part: str, nodes: Sequence[Node]) -> None:
    """Raise ``ConfigError`` for the first stage of a part that could never run on these nodes, or as it is set."""
    if "evaluate" in BEFORE[part] and config.agent.endpoint is not None:
        raise ConfigError(
            "the endpoint's one model would answer for the agent before its training and after it",
            place="agent.endpoint",
            remedy="Leave it out (--set agent.endpoint=null), or score its model on a benchmark: goat evaluate BENCH "
            "CONFIG --root FILES -c endpoint",
        )
    if "train_agent" in BEFORE[part] and not _is_finished(config, "train_agent"):
        check_packages(config.training.agent)
        deepspeed_settings(config.training.agent)
    if "evaluate" in BEFORE[part] and not _is_finished(config, "evaluate"):
        _check_agents(config)
    for stage, needs in stages(config, part, nodes):
        check(stage, needs, nodes)


def stages(config: GoatConfig, part: str, nodes: Sequence[Node]) -> Iterator[tuple[str, list[Need]]]:
    """The stages that a part still has to make, each with all that must run at the same time."""
    engines = teachers_engines(config, nodes)
    for one in BEFORE[part]:
        if _is_finished(config, one):
            continue
        if one == "graph" and config.graph.candidates.search.shards > 1:
            search = config.graph.candidates.search
            yield "search", [Need("graph.candidates.search", search.shards, search.cpus, placement=search.placement)]
        for step in STEPS.get(one, ()):
            beside = engines if one in _SAMPLES and step not in _BEFORE_ENGINES else []
            if step == "predict":
                beside = _engines(config.agent.engine, "agent.engine", nodes) if config.agent.engine else []
                beside += engines if config.executor.backend == "llm" else []  # which answer the agent's calls
            yield step, [*stage_needs(step, config.cluster.resources(step, _own(config, step))), *beside]
        if one == "train_retriever":
            yield "training.retriever", training_needs("training.retriever", config.training.retriever)
        if one == "train_agent":
            yield "training.agent", training_needs("training.agent", config.training.agent)


def teachers_engines(config: GoatConfig, nodes: Sequence[Node]) -> list[Need]:
    """What the engines hold that all language stages share; nothing where the teacher is not of this cluster."""
    return _engines(config.teacher.engine, "teacher.engine", nodes) if config.teacher.backend == "vllm" else []


def _check_agents(config: GoatConfig) -> None:
    """Raise for engines that cannot serve what the agent is trained on: they start when all trainings are over."""
    engine, base, tiny = config.agent.engine, config.training.agent.base_model, config.training.agent.tiny
    if engine is None:
        return
    if base == TINY:
        keys = {"num_attention_heads": "heads", "num_hidden_layers": "layers", "max_position_embeddings": "context"}
        check_shape({key: getattr(tiny, name) for key, name in keys.items()}, engine, "agent.engine")
    else:
        served = TeacherConfig(backend="vllm", model=base, engine=engine)
        check_folders(served, "training.agent.base_model", "agent.engine")


def _engines(options: EngineConfig, setting: str, nodes: Sequence[Node]) -> list[Need]:
    return engine_needs(options, gpus_per_replica(options, nodes), setting)


def _own(config: GoatConfig, step: str) -> Resources:
    """What a stage takes where ``cluster.stages`` says nothing about it."""
    if step == "embed":
        return Resources(config.graph.embedding.cpus, config.graph.embedding.gpus)
    if step == "predict":
        return Resources(config.evaluation.cpus, config.evaluation.gpus)
    return Resources()


def _is_finished(config: GoatConfig, one: str) -> bool:
    """Whether there is an output; one of other settings counts, too, and its stage then asks when its turn comes."""
    run = Place.of(config.run.directory)
    marks = {
        "ingest": run / "functions" / MANIFEST,
        "graph": run / ("edges" if config.graph.execute else "verified") / MANIFEST,
        "sample": run / "plans" / MANIFEST,
        "synthesize": run / "samples" / MANIFEST,
        "train_retriever": run / "retriever" / RECORD,
        "train_agent": run / "agent" / RECORD,
        "evaluate": run / "scores" / MANIFEST,
    }
    return marks[one].exists()
