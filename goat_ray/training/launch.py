"""Starts a training loop on Ray Train and brings its progress lines and errors to the driver."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

import ray
from ray.data import Dataset
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError
from ray.train.v2.api.config import LoggingConfig
from ray.util.queue import Queue

from goat_ray.cluster import here
from goat_ray.errors import GoatError, RunError, full_disk, is_full
from goat_ray.placement import ANYWHERE, Placement
from goat_ray.places import Place
from goat_ray.training.config import AgentTrainingConfig, RetrieverTrainingConfig
from goat_ray.training.feed import data_context, in_order

_POLL_S = 0.5
_WAITS = 30  # of a minute each for a place for the workers, which others may hold; Ray Train would wait for ever
_GPU_ANSWER_S = 60.0

_WORKER_ENVIRONMENT = {
    # OpenMP threads that wait by spinning take the cores from whatever else runs: with one other busy
    # process on 2 cores a step of MiniLM took 8.3 s, and 0.7 s with this. GNU's may spin for a moment (tens of
    # microseconds), which makes steps of a small model a tenth faster, and no slower beside such a process.
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "1000",
    "TOKENIZERS_PARALLELISM": "false",
}


@dataclass(frozen=True)
class Run:
    """How to run a loop: where its checkpoints are and what it may use."""

    name: str  # the same name in the same storage continues the same training
    storage: str
    workers: int
    cpus_per_worker: float
    gpus_per_worker: float
    max_failures: int
    keep_checkpoints: int
    keep_lowest: str | None = None  # of which reported number; without one the last are kept
    placement: Placement = ANYWHERE

    @classmethod
    def of(
        cls,
        config: AgentTrainingConfig | RetrieverTrainingConfig,
        storage: str,
        name: str,
        keep_checkpoints: int,
        keep_lowest: str | None = None,
    ) -> "Run":
        """A training as it is configured."""
        return cls(
            name=name,
            storage=storage,
            workers=config.workers,
            cpus_per_worker=config.cpus_per_worker,
            gpus_per_worker=config.gpus_per_worker,
            placement=config.placement,
            max_failures=config.max_failures,
            keep_checkpoints=keep_checkpoints,
            keep_lowest=keep_lowest,
        )


def run_loop(
    loop: Callable[[dict[str, Any]], None],
    job: Any,
    run: Run,
    datasets: Mapping[str, Dataset],
    say: Callable[[str], None],
) -> None:
    """Run ``loop({"job": job, "lines": queue})`` on all workers until it returns.

    Lines that a worker puts into the queue reach ``say`` on the driver. Raises ``RunError`` if the loop
    fails more than ``run.max_failures`` times.
    """
    storage = Place.of(run.storage)
    with data_context(), _relayed(say) as lines, _own_interrupts():
        trainer = TorchTrainer(
            loop,
            train_loop_config={"job": job, "lines": lines},
            scaling_config=ScalingConfig(  # type: ignore[call-arg] # as below
                num_workers=run.workers,
                use_gpu=run.gpus_per_worker > 0,
                resources_per_worker=run.placement.bundle(run.cpus_per_worker, run.gpus_per_worker),
                label_selector=run.placement.labels or None,
            ),
            run_config=RunConfig(  # type: ignore[call-arg] # the stub is the one of Ray Train's first version
                name=run.name,
                storage_path=storage.path,
                storage_filesystem=storage.filesystem,
                checkpoint_config=CheckpointConfig(
                    num_to_keep=run.keep_checkpoints,
                    checkpoint_score_attribute=run.keep_lowest,
                    checkpoint_score_order="min",
                ),
                failure_config=FailureConfig(  # type: ignore[call-arg]
                    max_failures=run.max_failures, controller_failure_limit=_WAITS
                ),
                logging_config=LoggingConfig(log_level="ERROR"),
                worker_runtime_env={"env_vars": _WORKER_ENVIRONMENT},
            ),
            datasets=dict(datasets),
            dataset_config=in_order(),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            raise explain(error, run) from error


def absolute(place: str) -> str:
    """A folder's absolute path; URIs such as ``s3://bucket/runs`` stay as they are."""
    return place if "://" in place else str(Path(place).resolve())


def device_memory(run: Run) -> float | None:
    """Bytes that one worker has: its GPU's, or an equal share of the cluster's memory; None where nobody can tell."""
    if not run.gpus_per_worker:
        return float(ray.cluster_resources().get("memory", 0.0)) / run.workers or None  # type: ignore[no-untyped-call]
    measured = ray.remote(**run.placement.options(0, run.gpus_per_worker))(_gpu_memory).remote()
    try:
        return float(ray.get(measured, timeout=_GPU_ANSWER_S))
    except ray.exceptions.RayError:  # none is free, or none is there yet
        ray.cancel(measured, force=True)
        return None


def _gpu_memory() -> int:
    import torch

    return int(torch.cuda.get_device_properties(0).total_memory)


def explain(error: TrainingFailedError, run: Run) -> GoatError:
    """The workers' own error below Ray's wrappers, as one of ours."""
    failures = list(getattr(error, "worker_failures", {}).values()) or [getattr(error, "controller_failure", error)]
    causes = [getattr(failure, "_base_exc", failure) for failure in failures]
    for cause in causes:
        if isinstance(cause, GoatError):
            return cause
        if is_full(cause):
            return full_disk(f"{run.storage}/{run.name}")
        if _is_out_of_memory(cause):
            return RunError(
                "a worker had too little memory",
                place=f"{run.storage}/{run.name}",
                remedy="Lower batch_size or max_length, or set gradient_checkpointing for an agent, or leave workers "
                "more; then run the same command again",
            )
    if isinstance(causes[0], WorkerGroupStartupTimeoutError):
        return RunError(
            f"{run.workers} workers found no place at once for half an hour",
            place=f"{run.storage}/{run.name}",
            remedy="Others hold what the cluster has (see 'ray status'); run the same command again when they end",
        )
    text = str(causes[0]).strip().splitlines()
    return RunError(
        f"training stopped: {type(causes[0]).__name__}: {text[-1] if text else 'no message'}",
        place=f"{run.storage}/{run.name}",
        remedy="Mend the cause and run the same command again: it continues from the last checkpoint",
    )


def _is_out_of_memory(error: BaseException) -> bool:
    """Of a GPU, by torch's error, or of a node, where Ray kills workers: by its error or another's text."""
    return type(error).__name__ == "OutOfMemoryError" or "running low on memory" in str(error)


@contextmanager
def _relayed(say: Callable[[str], None]) -> Iterator[Queue]:
    """A queue whose lines a thread on the driver hands to ``say``."""
    lines = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here()})
    stop = threading.Event()
    listener = threading.Thread(target=_listen, args=(lines, say, stop), daemon=True)
    listener.start()
    try:
        yield lines
    finally:
        stop.set()
        listener.join()
        lines.shutdown(force=True)


def _listen(lines: Queue, say: Callable[[str], None], stop: threading.Event) -> None:
    while True:
        stopping = stop.is_set()  # read first: what was put before the stop is still said
        try:
            say(lines.get(timeout=_POLL_S))
        except Empty:
            if stopping:
                return
        except ray.exceptions.RayError:
            return  # the cluster is gone; the trainer reports that


@contextmanager
def _own_interrupts() -> Iterator[None]:
    """Put the handler of Ctrl-C back: Ray Train leaves its own, which ends the process once it is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def use_cores(workers_on_node: int) -> int:
    """Share the node's cores among its workers; returns the threads of this one. Called in a worker."""
    import torch

    cores = len(os.sched_getaffinity(0))
    threads = max(1, cores // workers_on_node)
    torch.set_num_threads(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    return threads
