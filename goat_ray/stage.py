"""A step as Ray Data runs it: Parquet in, an actor pool, Parquet out."""

import gc
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext, SaveMode
from ray.data.checkpoint import CheckpointConfig, IdColumnCheckpointManager, NumpyArrayBasedCheckpointFilter
from ray.data.exceptions import SystemException

from goat_ray import metering
from goat_ray.carryover import INPUT, input_digest
from goat_ray.cluster import ClusterConfig, nodes
from goat_ray.errors import GoatError, RunError, full_disk, is_full
from goat_ray.logs import EVENTS, Level, log_to_stderr
from goat_ray.placement import Need, Node, Room
from goat_ray.places import Place
from goat_ray.records import Reject
from goat_ray.step import Resources, Step
from goat_ray.storage import OUTCOME, outcome_row, outcome_schema
from goat_ray.tally import Tally

CHECKPOINT = ".checkpoint"  # ids that a one-to-one step has committed
IO_CPUS = 0.5  # of a task that reads or writes: on two logical CPUs there is room for it beside a worker
RESERVED = 0.05
"""Of the cluster, shared out evenly among reading, working and writing; each has room for one task at any share. Ray's
own half of the cluster leaves workers no more than two thirds of its CPUs, however little there is to write."""
MAX_BLOCKS = 4096
AT_HAND = 2  # batches in a worker: both at work where its step overlaps, else one of them waiting
COLLECT_AFTER = 50_000  # new objects in a worker


def needs(name: str, need: Resources) -> list[Need]:
    """What must find a place at once for a stage to go on: one worker, and a task that reads or writes beside it."""
    beside = need.placement.model_copy(update={"memory_gb": 0.0})
    return [
        Need(f"cluster.stages.{name}", 1, need.cpus, need.gpus, need.placement),
        Need("reading and writing", 1, IO_CPUS, placement=beside),
    ]


def run_stage(
    step: Step[Any, Any],
    data: str,
    count: int,
    folder: Place,
    tally: Tally,
    cluster: ClusterConfig,
    held: Sequence[Need] = (),
) -> None:
    """Turn ``count`` records in the Parquet folder ``data`` into outcomes in ``folder``.

    ``tally`` is told of each batch; ``held`` is what else of this run holds places meanwhile.
    Raises the step's own ``GoatError``, or a ``RunError`` about what else stopped it.
    """
    need, source, found = cluster.resources(step.name, step.resources), Place.of(data), nodes()
    worker, beside = needs(step.name, need)
    beside_options = beside.placement.options(IO_CPUS)
    _await_room(step.name, beside_options, cluster.patience_s)
    at_once = AT_HAND if step.overlaps else 1
    with _data_context(folder if step.one_to_one else None, cluster.patience_s, at_once) as context:
        committed = _committed(context, folder)
        rows = ray.data.read_parquet(
            source.path,
            filesystem=source.filesystem,
            columns=step.takes.arrow_schema().names,
            override_num_blocks=min(-(-count // need.batch_size), MAX_BLOCKS),
            concurrency=most_tasks(found),
            **beside_options,
        )
        outcomes = rows.map_batches(
            _Worker,
            fn_constructor_args=(step, tally, committed, folder, cluster.log_level),
            batch_format="pyarrow",
            batch_size=need.batch_size,
            compute=ActorPoolStrategy(
                min_size=1,
                max_size=need.workers or most_workers(worker, beside, held, found),
                max_tasks_in_flight_per_actor=AT_HAND,  # more would be kept from workers that are still to start
                max_concurrent_calls_per_actor=at_once,
                enable_true_multi_threading=step.overlaps,
            ),
            **need.placement.options(need.cpus, need.gpus),
        )
        try:
            outcomes.write_parquet(
                folder.path,
                filesystem=folder.filesystem,
                partition_cols=[OUTCOME],
                mode=SaveMode.APPEND,
                concurrency=most_tasks(found),
                ray_remote_args=beside_options,
            )
        except Exception as error:  # Ray wraps what steps raise in many ways
            EVENTS.exception("stopped", extra={"step": folder.name})
            raise _explain(error, step, folder) from error


def _await_room(name: str, options: dict[str, Any], patience_s: float) -> None:
    """Wait until a task that reads finds a place: Ray Data would wait for one in silence, and for ever."""
    task = ray.remote(lambda: None).options(**options).remote()
    placed, _ = ray.wait([task], timeout=patience_s)
    if not placed:
        ray.cancel(task)
        raise RunError(
            f"step {name!r} found no room within {patience_s:g} s",
            remedy="Others hold what the cluster has (see 'ray status'); run the same command again when they end, or "
            "raise cluster.patience_s",
        )


@contextmanager
def _data_context(checkpoint_in: Place | None, patience_s: float, at_once: int) -> Iterator[DataContext]:
    """Ray Data's process-wide settings for one step, put back afterwards. Workers process so many batches at once."""
    context = DataContext.get_current()
    names = (
        "enable_progress_bars",
        "use_datasource_v2",
        "checkpoint_config",
        "wait_for_min_actors_s",
        "raise_original_map_exception",
        "op_resource_reservation_ratio",
    )
    before = {name: getattr(context, name) for name in names}
    scaling = context.autoscaling_config
    threshold = scaling.actor_pool_util_upscaling_threshold
    # Ray divides the batches in a worker by those at once, and this is where one more worker is started.
    scaling.actor_pool_util_upscaling_threshold = threshold / at_once
    context.raise_original_map_exception = True  # so that our own errors reach the user as they are
    context.enable_progress_bars = False  # ours count records and rejects, Ray's count blocks
    # The newer reader ignores override_num_blocks, and a single block would be checkpointed all or nothing.
    context.use_datasource_v2 = False
    context.op_resource_reservation_ratio = RESERVED
    # Too few CPUs for one actor would otherwise wait in silence for ever.
    context.wait_for_min_actors_s = int(patience_s)
    if checkpoint_in is not None:
        context.checkpoint_config = CheckpointConfig(
            id_column="id",
            checkpoint_path=(checkpoint_in / CHECKPOINT).path,
            override_filesystem=checkpoint_in.filesystem,
            delete_checkpoint_on_success=False,
            checkpoint_manager_cls=_NoFilter,
        )
    try:
        with warnings.catch_warnings():
            # Fewer files than a machine has cores to read them are no news to anyone.
            warnings.filterwarnings("ignore", "The maximum number of concurrent tasks", UserWarning)
            yield context
    finally:
        scaling.actor_pool_util_upscaling_threshold = threshold
        for name, value in before.items():
            setattr(context, name, value)


class _NoFilter(IdColumnCheckpointManager):
    """Finished records are left out by the workers themselves.

    Ray's own filter is one more pool of actors, of a whole CPU and a gigabyte each and bound to no pool: on two
    logical CPUs a resumed step had none left to read with, and waited for ever.
    """

    def load_checkpoint(self, *_: Any, **__: Any) -> tuple[None, int]:
        return None, 0


def _committed(context: DataContext, folder: Place) -> tuple[CheckpointConfig, Any] | None:
    """The ids that an earlier run has committed, as a reference; what it wrote and did not commit is removed."""
    config = context.checkpoint_config
    if config is None or not (folder / CHECKPOINT).exists():
        return None
    manager = IdColumnCheckpointManager(checkpoint_config=config, data_context=context)
    ids, _ = manager.load_checkpoint(folder.path, folder.filesystem)
    return None if ids is None else (config, ids)


class _Worker:
    """The thin adapter between a step and Ray Data: Arrow in, Arrow out."""

    def __init__(
        self,
        step: Step[Any, Any],
        tally: Tally,
        committed: tuple[CheckpointConfig, Any] | None,
        folder: Place,
        log_level: Level | None,
    ) -> None:
        log_to_stderr(log_level, run=str(folder.parent), step=folder.name)
        self._failure: GoatError | None = None
        try:
            step.start()
        except GoatError as error:
            # Raised with the first batch instead: Ray turns what a constructor raises into a dead actor's log.
            self._failure = error
        # Records are trees, which need no collector; at its default it took a fifth of the call step's time.
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
        self._step = step
        self._tally = tally
        self._begun = False
        self._committed = None if committed is None else NumpyArrayBasedCheckpointFilter(*committed)
        self._schema = outcome_schema(step.gives)
        if step.own_input_only:
            self._schema = self._schema.append(pa.field(INPUT, pa.uint64()))

    def __call__(self, table: pa.Table) -> pa.Table:
        if self._failure is not None:
            raise self._failure
        if not self._begun:
            self._tally.begin()
            self._begun = True
        if self._committed is not None:
            table = self._committed.filter_rows_for_block(table)
        given = table.to_pylist()
        batch = [self._step.takes.from_row(row) for row in given]
        try:
            outcomes = list(self._step.process(batch))
        finally:  # what a batch has cost counts even where it ends the run
            if counts := metering.drain():
                self._tally.count(counts)
        if self._step.one_to_one and sorted(o.id for o in outcomes) != sorted(r.id for r in batch):
            raise RunError(
                f"step {self._step.name!r} did not give exactly one outcome for each record",
                remedy="This is a bug in the step; please report it",
            )
        dropped = [outcome for outcome in outcomes if isinstance(outcome, Reject)]
        rejects = Counter(reject.reason for reject in dropped)
        self._tally.add(len(batch), len(outcomes) - len(dropped), dict(rejects))
        EVENTS.info("batch", extra={"records": len(batch), "dropped": len(dropped)})
        for reject in dropped:
            EVENTS.debug("dropped", extra={"record": reject.id, "reason": reject.reason})
        rows = [outcome_row(outcome) for outcome in outcomes]
        if self._step.own_input_only:
            digests = {row["id"]: input_digest(row) for row in given}
            rows = [row | {INPUT: digests[row["id"]]} for row in rows]
        return pa.Table.from_pylist(rows, schema=self._schema)


def most_workers(worker: Need, beside: Need, held: Sequence[Need], found: Sequence[Node]) -> int:
    """As many workers as the nodes have room for, leaving some for reading and writing at the same time."""
    room = Room(found)
    for need in held:
        room.take(need)
    cpus = sum(node.resources.get("CPU", 0.0) for node in found)
    room.take(beside, at_most=max(2, int(RESERVED * cpus / beside.cpus)))
    workers = max(1, room.take(worker, at_most=MAX_BLOCKS))
    return min(workers, most_tasks(found) or workers)


def most_tasks(found: Sequence[Node]) -> int | None:
    """Processes of one kind that are worth starting where all is one machine; None where the cluster is larger.

    Ray may have been told of more CPUs than there are, and more processes than cores only wait, in 150 MiB each.
    """
    return (os.cpu_count() or 1) if len(found) == 1 else None


def _explain(error: BaseException, step: Step[Any, Any], folder: Place) -> GoatError:
    """The error below Ray's wrappers, as one of ours."""
    found: BaseException | None = error
    while found is not None:
        # Ray raises a task's error as a class of both kinds, whose text is a stack trace; its cause is the real one.
        if isinstance(found, GoatError) and not isinstance(found, ray.exceptions.RayTaskError):
            return found
        last, found = found, getattr(found, "cause", None) or found.__cause__
        if not isinstance(last, SystemException):
            error = last
    if is_full(error):
        return full_disk(str(folder))
    if isinstance(error, ray.exceptions.OutOfDiskError):
        return full_disk("a node's object_spilling_directory")
    text = str(error).strip().splitlines()
    return RunError(
        f"step {step.name!r} stopped: {type(error).__name__}: {text[0] if text else ''}",
        place=str(folder),
        remedy="What is finished is kept; mend the cause and run the same command again",
    )
