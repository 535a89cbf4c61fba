"""Fine-tuning of the agent: the driver's side."""

import heapq
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.dataset as pads
from ray.data import Dataset

from goat_ray.errors import RunError
from goat_ray.identity import content_id
from goat_ray.records import Example
from goat_ray.training.agent_loop import AgentJob, agent_loop, epoch_name
from goat_ray.training.config import OPERATIONAL, TINY, AgentTrainingConfig
from goat_ray.training.feed import Source, epoch, quiet_data, tally, validation
from goat_ray.training.launch import Run, absolute, check_cluster, run_loop
from goat_ray.training.models import quiet_libraries, read_deepspeed_file
from goat_ray.training.progress import TrainingReport
from goat_ray.training.publishing import claim, read_report
from goat_ray.training.tiny import make_tiny_model

VERSION = 1
"""Raise it when the same examples and settings would train another model."""

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
    target = Path(output).resolve()
    run = _run(config, storage, name)
    fingerprint = _fingerprint(examples, config)
    finished = claim(target, fingerprint, TrainingReport, say)
    if finished is not None:
        return finished
    check_cluster(run)
    target.parent.mkdir(parents=True, exist_ok=True)
    base = _base(absolute(examples), target, config)
    source = Source(absolute(examples), base, config.max_length, tuple(config.kinds), config.seed)
    with quiet_data():
        job = _plan(source, base, target, fingerprint, config)
        datasets = _datasets(source, job)
    run_loop(agent_loop, job, _named(run, fingerprint), datasets, say)
    return read_report(target, TrainingReport)


def _run(config: AgentTrainingConfig, storage: str, name: str) -> Run:
    return Run(
        name=name,
        storage=storage,
        workers=config.workers,
        cpus_per_worker=config.cpus_per_worker,
        gpus_per_worker=config.gpus_per_worker,
        max_failures=config.max_failures,
        keep_checkpoints=config.keep_checkpoints,
    )
