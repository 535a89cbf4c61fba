"""Fine-tuning of the retriever: the driver's side."""

from collections.abc import Callable
from pathlib import Path

from goat_ray.cluster import nodes
from goat_ray.errors import RunError
from goat_ray.graph.embedding import resolve_embedder
from goat_ray.identity import content_id
from goat_ray.placement import check
from goat_ray.places import Place
from goat_ray.training.config import OPERATIONAL, RetrieverTrainingConfig, needs
from goat_ray.training.jobs import RetrieverJob
from goat_ray.training.launch import Run, absolute, run_loop
from goat_ray.training.lineage import Lineage
from goat_ray.training.progress import RetrieverReport
from goat_ray.training.publishing import claim, read_report
from goat_ray.training.retriever_data import COLUMNS, batch_count, count_retrieval_data
from goat_ray.training.retriever_loop import retriever_loop
from goat_ray.training.scanning import dataset_id

DEFAULT_BASE = "sentence-transformers/all-MiniLM-L6-v2"
"""What ``resolve_embedder`` finds where no base is configured, by its name on the hub."""

VERSION = 2
"""Raise it when the same examples and settings would train another model."""


def train_retriever(
    examples: str,
    output: str,
    config: RetrieverTrainingConfig,
    *,
    storage: str,
    name: str,
    say: Callable[[str], None] = print,
) -> RetrieverReport:
    """Fine-tune the retriever on a folder of ``RetrievalExample`` Parquet files, on the connected Ray cluster.

    ``output`` becomes a sentence-transformers folder with ``losses.jsonl`` and the report beside the
    model. ``storage`` (a folder or URI) holds the checkpoints under ``name``. Called again after a kill it
    continues from the last one; called again when it is finished it only reads the report. On more than
    one machine all folders must be shared.

    Raises ``RunError`` (too few examples, workers that keep failing), ``ConfigError`` (a cluster too small) and
    ``ModelError``.
    """
    examples, target = absolute(examples), Place.of(output)
    corpus = dataset_id(examples, COLUMNS)
    fingerprint = training_id(corpus, config)
    finished = claim(target, fingerprint, RetrieverReport, say)
    if finished is not None:
        return finished
    resolve_embedder(config.base_model)  # a model that is not what it should be is an error here, not in each worker
    queries, documents = count_retrieval_data(examples, "train")
    if documents < 2 or queries // batch_count(queries, config.batch_size) < config.workers:
        raise RunError(
            f"{queries} training queries with {documents} distinct documents are too few to learn from their "
            "difference",
            place=examples,
            remedy="Synthesize samples that call more functions, or lower workers",
        )
    check("training.retriever", needs("training.retriever", config), nodes())
    target.parent.make()
    # Other settings or data: another run, not a mixed-up one.
    run = Run.of(config, storage, f"{name}-{fingerprint}", keep_checkpoints=1)
    base = absolute(config.base_model) if Path(config.base_model or "-").is_dir() else config.base_model
    lineage = Lineage(
        name=target.name,
        base=base or DEFAULT_BASE,
        examples=examples,
        corpus=corpus,
        config=config.model_dump(mode="json"),
        retriever=True,
    )
    job = RetrieverJob(config, base, examples, str(target), fingerprint, lineage)
    run_loop(retriever_loop, job, run, {}, say)
    return read_report(target, RetrieverReport)


def training_id(corpus: str, config: RetrieverTrainingConfig) -> str:
    """The id of all that decides what is trained."""
    return content_id("retriever", VERSION, config.model_dump(mode="json", exclude=set(OPERATIONAL)), corpus)
