"""Fine-tuning of the agent: the driver's side."""

import heapq
from collections.abc import Callable, Iterator
from pathlib import Path

from ray.data import Dataset
from transformers import CONFIG_NAME

from goat_ray.cluster import nodes
from goat_ray.errors import RunError
from goat_ray.identity import content_id
from goat_ray.placement import check
from goat_ray.places import Place
from goat_ray.training.agent_loop import agent_loop
from goat_ray.training.checkpoints import VALIDATION_LOSS
from goat_ray.training.config import OPERATIONAL, TINY, AgentTrainingConfig, needs
from goat_ray.training.deepspeed_settings import STEP_SIZE, deepspeed_settings
from goat_ray.training.feed import ROWS_PER_BLOCK, Source, data_context, epoch, tally, validation
from goat_ray.training.jobs import AgentJob, epoch_name
from goat_ray.training.launch import Run, absolute, device_memory, run_loop
from goat_ray.training.lineage import Lineage
from goat_ray.training.memory import measure, memory_line
from goat_ray.training.models import check_base, quiet_libraries, read_model_config
from goat_ray.training.packages import check_packages
from goat_ray.training.progress import TrainingReport
from goat_ray.training.publishing import claim, read_report
from goat_ray.training.scanning import count_rows, dataset_id, scan
from goat_ray.training.tiny import make_tiny_model
from goat_ray.training.tokenization import PackedTokenizer, load_tokenizer

VERSION = 3
"""Raise it when the same examples and settings would train another model."""

DATA = ("id", "target", "masked")
"""The columns that say what an example is; its id covers its prompt."""

TINY_TEXTS = 2_000
"""Examples that the tokenizer of the model made on the spot learns from."""


def train_agent(
    examples: str,
    output: str,
    config: AgentTrainingConfig,
    *,
    storage: str,
    name: str,
    say: Callable[[str], None] = print,
) -> TrainingReport:
    """Fine-tune the agent on a folder of ``Example`` Parquet files, on the connected Ray cluster.

    ``output`` becomes a folder in the Hugging Face layout: the adapter or the whole model, the
    tokenizer, ``losses.jsonl`` and the report. ``storage`` (a folder or URI) holds the checkpoints under
    ``name``. Called again after a kill it continues from the last checkpoint; called again when it is
    finished it only reads the report. On more than one machine all folders must be shared.

    Raises ``RunError`` (no examples, a cluster too small, workers that keep failing), ``ModelError``
    and ``ConfigError``.
    """
    examples, target = absolute(examples), Place.of(output)
    data = dataset_id(examples, DATA)
    fingerprint = training_id(data, config)
    finished = claim(target, fingerprint, TrainingReport, say)
    if finished is not None:
        return finished
    check_packages(config)
    run = run_of(config, storage, f"{name}-{fingerprint}")  # other settings or data: another run, not a mixed-up one
    check("training.agent", needs("training.agent", config), nodes())
    target.parent.make()
    quiet_libraries(gpu=False)
    base = _base(examples, data, target, config)
    say(_memory(base, config, run))
    for line in left_behind(run, config):
        say(line)
    source = Source(
        examples=examples,
        tokenizer=PackedTokenizer.pack(load_tokenizer(base)),
        max_length=config.max_length,
        kinds=config.kinds,
        seed=config.seed,
        blocks=max(1, -(-count_rows(examples) // ROWS_PER_BLOCK)),
    )
    with data_context():
        job = _plan(source, base, target, fingerprint, data, config)
        say(f"trains on {job.tally.line}")
        run_loop(agent_loop, job, run, _datasets(source, job), say)
    return read_report(target, TrainingReport)


def run_of(config: AgentTrainingConfig, storage: str, name: str) -> Run:
    """How the training is run, and which of its checkpoints are kept."""
    lowest = VALIDATION_LOSS if config.keep == "best" else None
    return Run.of(config, storage, name, config.keep_checkpoints, lowest)


def left_behind(run: Run, config: AgentTrainingConfig) -> Iterator[str]:
    """What to say where a training that starts anew differs from one with checkpoints in the size of a step alone.

    The learning-rate schedule and the order of the examples count in steps, so it cannot go on from there.
    """
    storage = Place.of(run.storage)
    if _has_checkpoints(storage / run.name):
        return
    training, _, own = run.name.rpartition("-")
    for folder in storage.children():
        same, _, size = folder.name.rpartition("-")
        if same != training or not _has_checkpoints(folder):
            continue
        workers, per_worker = config.workers, int(size) // config.workers
        going_on = f"no batch_size and gradient_accumulation of {workers} workers go on from them"
        if per_worker * workers == int(size):
            batch = max(rows for rows in range(1, config.batch_size + 1) if per_worker % rows == 0)
            going_on = f"batch_size: {batch} with gradient_accumulation: {per_worker // batch} goes on from them"
        yield (
            f"begins at step 0: the checkpoints in {folder} are of {size} examples a step, and now a step has {own} "
            f"(workers x batch_size x gradient_accumulation); {going_on}"
        )


def _has_checkpoints(folder: Place) -> bool:
    return any(one.name.startswith("step-") for one in folder.children())


def training_id(data: str, config: AgentTrainingConfig) -> str:
    """The id of all that is trained, and after it the examples of a step: all that may differ for ``left_behind``."""
    spread = {"workers", "batch_size", "gradient_accumulation"}
    settings = config.model_dump(mode="json", exclude={*OPERATIONAL, *spread, "deepspeed"})
    deepspeed = {name: value for name, value in deepspeed_settings(config).items() if name not in STEP_SIZE}
    # Losses of all of validation are not to be compared with those of the shares that came later.
    version = [VERSION, "validation by shares"] if min(config.kinds.values()) < 1 else VERSION
    return f"{content_id('agent', version, settings, deepspeed, data)}-{config.examples_per_step}"


def base_model(examples: str, output: str, config: AgentTrainingConfig) -> str:
    """Where the model is that ``train_agent`` starts from, made if it has to be: what "untuned" means."""
    data = dataset_id(absolute(examples), DATA)
    return _base(absolute(examples), data, Place.of(output), config)


def _base(examples: str, data: str, target: Place, config: AgentTrainingConfig) -> str:
    """The base model's folder or hub name; the tiny one is made beside the output if it is not there yet."""
    if config.base_model != TINY:
        return absolute(config.base_model) if Path(config.base_model).is_dir() else config.base_model
    folder = target.parent / f"{TINY}-{content_id(config.tiny.model_dump(), config.seed, data)}"
    if not (folder / CONFIG_NAME).exists():
        quiet_libraries(gpu=False)
        with folder.made(CONFIG_NAME) as aside:
            make_tiny_model(aside, _texts(examples), **config.tiny.model_dump(), seed=config.seed)
    return str(folder)


def _texts(examples: str) -> list[str]:
    rows = (row for batch in scan(examples, ["id", "prompt", "target"]) for row in batch.to_pylist())
    # The lowest ids: as good as a random choice, and the same whatever the files are.
    chosen = heapq.nsmallest(TINY_TEXTS, rows, key=lambda row: str(row["id"]))
    return [text for row in chosen for text in (row["prompt"], row["target"])]


def _memory(base: str, config: AgentTrainingConfig, run: Run) -> str:
    """What the training will take of each device; a model that cannot take the examples is an error here."""
    model = read_model_config(base)
    check_base(model, base, config)
    return memory_line(measure(model, config), config, device_memory(run))


def _plan(
    source: Source, base: str, target: Place, fingerprint: str, corpus: str, config: AgentTrainingConfig
) -> AgentJob:
    tallies = tally(source)
    train, held_out = tallies["train"], tallies["validation"]
    rows_per_worker = train.kept.total() // config.workers
    if not rows_per_worker:
        reasons = "".join(f", {what}" for what in train.lost)
        raise RunError(
            f"{train.kept.total()} training examples are too few for {config.workers} workers{reasons}",
            place=source.examples,
            remedy="Synthesize more samples, raise max_length, or include more kinds",
        )
    evaluated_on = held_out.kept.total()
    if evaluated_on < config.workers and (config.keep == "best" or config.patience or config.validate_every):
        raise RunError(
            f"{evaluated_on} validation examples are too few to evaluate on {config.workers} workers",
            place=source.examples,
            remedy="Give splits.validation a share, raise those of training.agent.kinds, or leave out keep: best, "
            "patience and validate_every",
        )
    rows_per_step = config.batch_size * config.gradient_accumulation
    return AgentJob(
        config=config,
        deepspeed=deepspeed_settings(config),
        base=base,
        output=str(target),
        fingerprint=fingerprint,
        lineage=Lineage(
            name=target.name, base=base, examples=source.examples, corpus=corpus, config=config.model_dump(mode="json")
        ),
        tally=train,
        steps_per_epoch=-(-rows_per_worker // rows_per_step),
        rows_per_step=rows_per_step,
        evaluated_on=evaluated_on if evaluated_on >= config.workers else 0,
    )


def _datasets(source: Source, job: AgentJob) -> dict[str, Dataset]:
    """Lazy datasets: Ray Train starts one when the workers first ask for it."""
    rows = job.tally.kept.total()
    cut = {"workers": job.config.workers, "window": job.config.window}
    datasets = {
        epoch_name(number): epoch(source, number, rows, job.rows_per_step, **cut) for number in range(job.config.epochs)
    }
    return {**datasets, "validation": validation(source)} if job.evaluated_on else datasets
