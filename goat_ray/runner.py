"""Runs steps on Ray Data and keeps the books: what is finished, what was kept, what was rejected and why.

Resume rests on two things. A finished dataset has a manifest with the fingerprint of everything it
depends on; the same fingerprint means "done". An unfinished one-to-one step has a Ray Data checkpoint
with the ids it has committed; running it again goes on behind them.
"""

import gc
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext, SaveMode
from ray.data.checkpoint import CheckpointConfig
from ray.data.exceptions import SystemException

from goat_ray import __version__, metering
from goat_ray.carryover import INPUT, REMAINING, carried_over, carry_over, input_digest
from goat_ray.cluster import here
from goat_ray.console import Console
from goat_ray.errors import GoatError, RunError
from goat_ray.identity import content_id
from goat_ray.locking import held
from goat_ray.places import Place, Where
from goat_ray.records import Reject
from goat_ray.rows import Json, Record
from goat_ray.step import Step
from goat_ray.storage import (
    BOOKS,
    MANIFEST,
    OUTCOME,
    UNFINISHED,
    Dataset,
    count_outcomes,
    open_dataset,
    outcome_row,
    outcome_schema,
    read_json,
    write_json,
    write_records,
    write_tables,
)
from goat_ray.tally import Tally

In = TypeVar("In", bound=Record)
Out = TypeVar("Out", bound=Record)

CHECKPOINT = ".checkpoint"  # ids that a one-to-one step has committed
SUPERSEDED = ".superseded"  # outputs under another fingerprint, kept until someone removes them
MAX_BLOCKS = 4096
COLLECT_AFTER = 50_000  # new objects in a worker


class Runner:
    """One run directory and the cluster that fills it."""

    def __init__(self, directory: Where, console: Console) -> None:
        self.directory = Place.of(directory)
        self.console = console
        self._still_held: Callable[[], None] = lambda: None
        self.directory.make()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the run directory; a second driver on it gets a ``RunError`` instead of a mixed-up run."""
        with held(self.directory) as self._still_held:
            yield

    def bulk(self, step: Step[In, Out], source: Dataset[In], into: str) -> Dataset[Out]:
        """Run a step over a dataset on the cluster, or return its finished output."""
        fingerprint = step.fingerprint(source.fingerprint)
        folder = self._claim(into, fingerprint, resumable=step.one_to_one)
        if folder is None:
            return self._reused(into, step.gives)
        started = time.monotonic()
        data, rows = self._left_to_do(step, source, folder)
        if rows:
            step.prepare()
            self._run_on_ray(step, data, rows, folder, into)
        return self._finish(
            folder,
            step.gives,
            fingerprint,
            step.settings(),
            time.monotonic() - started,
            _counted(folder),
            step.fingerprint(),
        )

    def gather(
        self,
        into: str,
        kind: type[Out],
        make: Callable[[], Iterable[Out | Reject]],
        *,
        settings: Json,
        inputs: Sequence[Dataset[Any]] = (),
    ) -> Dataset[Out]:
        """Write what a whole-dataset algorithm on the driver yields, or return its finished output."""
        return self._gather(into, kind, lambda folder: write_records(folder, kind, make()), settings, inputs, {})

    def gather_tables(
        self,
        into: str,
        kind: type[Out],
        make: Callable[[], Iterable[pa.Table]],
        *,
        settings: Json,
        inputs: Sequence[Dataset[Any]] = (),
        facts: dict[str, int] | None = None,
    ) -> Dataset[Out]:
        """The same for algorithms on whole columns, whose output is too long for one record at a time.

        Tables are as ``write_tables`` takes them.

        ``facts`` are counts that ``make`` fills in while it runs; they go into the manifest.
        """
        return self._gather(
            into,
            kind,
            lambda folder: write_tables(folder, kind, make()),
            settings,
            inputs,
            {} if facts is None else facts,
        )

    def _gather(
        self,
        into: str,
        kind: type[Out],
        write: Callable[[Place], None],
        settings: Json,
        inputs: Sequence[Dataset[Any]],
        facts: dict[str, int],
    ) -> Dataset[Out]:
        fingerprint = content_id(into, settings, [source.fingerprint for source in inputs])
        folder = self._claim(into, fingerprint, resumable=False)
        if folder is None:
            return self._reused(into, kind)
        started = time.monotonic()
        with self.console.working(into):
            write(folder)
        return self._finish(folder, kind, fingerprint, settings, time.monotonic() - started, facts)

    def earlier(self, name: str, kind: type[Out], settings: Json) -> Dataset[Out] | None:
        """The latest output under these settings that other inputs have superseded."""
        found = self._superseded(name, "settings", settings)
        return open_dataset(found, kind) if found else None

    def finished(self, name: str, kind: type[Out]) -> Dataset[Out]:
        """A dataset that an earlier step must have finished; raises ``RunError`` otherwise."""
        return open_dataset(self.directory / name, kind)

    # --- bookkeeping -----------------------------------------------------------------------------

    def _claim(self, into: str, fingerprint: str, *, resumable: bool) -> Place | None:
        """The folder to write to, or None if it already holds the finished output."""
        folder = self.directory / into
        current = _books(folder)
        if current is not None and current["fingerprint"] != fingerprint:
            self._set_aside(folder, current["fingerprint"])
            current = self._bring_back(folder, fingerprint)
        if (folder / MANIFEST).exists():
            return None
        if current is None or not resumable:
            folder.remove(BOOKS)
        facts = _counted(folder)  # what an interrupted run has spent belongs to the whole
        write_json(folder / UNFINISHED, {"fingerprint": fingerprint, "facts": facts})
        return folder

    def _set_aside(self, folder: Place, fingerprint: str) -> None:
        aside = self.directory / SUPERSEDED / f"{folder.name}-{fingerprint}"
        aside.remove(BOOKS)
        folder.move(aside, BOOKS)
        self.console.note(f"{folder.name}: made with other settings or inputs; moved to {aside}")

    def _bring_back(self, folder: Place, fingerprint: str) -> dict[str, Any] | None:
        aside = self.directory / SUPERSEDED / f"{folder.name}-{fingerprint}"
        if _books(aside) is None:
            return None
        aside.move(folder, BOOKS)
        return _books(folder)

    def _superseded(self, name: str, key: str, value: Any) -> Place | None:
        """The latest finished output that was set aside and whose manifest says so."""
        aside = (self.directory / SUPERSEDED).children()
        books = {folder: read_json(folder / MANIFEST) for folder in aside if folder.name.startswith(f"{name}-")}
        fitting = {folder: book for folder, book in books.items() if book is not None and book.get(key) == value}
        return max(fitting, key=lambda folder: (fitting[folder]["finished"], folder.name), default=None)

    def _left_to_do(self, step: Step[In, Out], source: Dataset[In], folder: Place) -> tuple[str, int]:
        """(where the records to work on lie, how many) once earlier outcomes of unchanged ones are taken over."""
        if not step.own_input_only:
            return source.data, source.rows
        left = carried_over(folder)
        if left is None and (earlier := self._superseded(folder.name, "step", step.fingerprint())):
            left = carry_over(earlier, source, folder)
        if left is None:
            return source.data, source.rows
        taken = source.rows - left[1]
        self.console.note(f"{folder.name}: {taken:,} of {source.rows:,} are as before and taken over")
        return left

    def _reused(self, into: str, kind: type[Out]) -> Dataset[Out]:
        dataset = open_dataset(self.directory / into, kind)
        self.console.done(into, dataset.rows, dataset.rejects, seconds=None)
        return dataset

    def _finish(
        self,
        folder: Place,
        kind: type[Out],
        fingerprint: str,
        settings: Json,
        seconds: float,
        facts: dict[str, int],
        step: str = "",
    ) -> Dataset[Out]:
        kept, rejects = count_outcomes(folder)
        manifest = {
            "fingerprint": fingerprint,
            "record": kind.__name__,
            "rows": kept,
            "rejects": rejects,
            "facts": facts,
            "settings": settings,
            "step": step,  # fingerprint of the step without its inputs
            "seconds": round(seconds, 2),
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "goat_ray": __version__,
        }
        self._still_held()
        write_json(folder / MANIFEST, manifest)
        # Only now: a kill between success and the manifest must find the ids that are committed.
        for scratch in (CHECKPOINT, REMAINING):
            (folder / scratch).remove()
        (folder / UNFINISHED).remove()
        self.console.done(folder.name, kept, rejects, seconds)
        return Dataset(folder, kind, fingerprint, kept, rejects)

    # --- Ray Data --------------------------------------------------------------------------------

    def _run_on_ray(self, step: Step[In, Out], data: str, count: int, folder: Place, into: str) -> None:
        tally = Tally.options(num_cpus=0, scheduling_strategy=here()).remote(into)  # type: ignore[attr-defined]
        need, source = step.resources, Place.of(data)
        with _data_context(folder if step.one_to_one else None), self.console.progress(into, count, tally):
            rows = ray.data.read_parquet(
                source.path,
                filesystem=source.filesystem,
                columns=step.takes.arrow_schema().names,
                override_num_blocks=min(-(-count // need.batch_size), MAX_BLOCKS),
            )
            outcomes = rows.map_batches(
                _Worker,
                fn_constructor_args=(step, tally),
                batch_format="pyarrow",
                batch_size=need.batch_size,
                num_cpus=need.cpus,
                num_gpus=need.gpus or None,
                compute=ActorPoolStrategy(min_size=1, max_size=need.workers or _default_workers(need.cpus, need.gpus)),
            )
            try:
                outcomes.write_parquet(
                    folder.path, filesystem=folder.filesystem, partition_cols=[OUTCOME], mode=SaveMode.APPEND
                )
            except Exception as error:  # Ray wraps what steps raise in many ways
                raise _explain(error, step, folder) from error
            finally:
                with suppress(ray.exceptions.RayError):  # which would hide why the step stopped
                    facts = Counter(_counted(folder)) + Counter(ray.get(tally.counts.remote()))
                    write_json(folder / UNFINISHED, {**(read_json(folder / UNFINISHED) or {}), "facts": dict(facts)})


def _counted(folder: Place) -> dict[str, int]:
    """What the workers of an unfinished step have counted, in this run and in those before it."""
    facts: dict[str, int] = (read_json(folder / UNFINISHED) or {}).get("facts", {})
    return facts


def _books(folder: Place) -> dict[str, Any] | None:
    """What is written in a dataset folder: the manifest if finished, else the mark of unfinished work."""
    return read_json(folder / MANIFEST) or read_json(folder / UNFINISHED)


@contextmanager
def _data_context(checkpoint_in: Place | None) -> Iterator[None]:
    """Ray Data's process-wide settings for one step, put back afterwards."""
    context = DataContext.get_current()
    names = (
        "enable_progress_bars",
        "use_datasource_v2",
        "checkpoint_config",
        "wait_for_min_actors_s",
        "raise_original_map_exception",
    )
    before = {name: getattr(context, name) for name in names}
    context.raise_original_map_exception = True  # so that our own errors reach the user as they are
    context.enable_progress_bars = False  # ours count records and rejects, Ray's count blocks
    # The newer reader ignores override_num_blocks, and a single block would be checkpointed all or nothing.
    context.use_datasource_v2 = False
    # Too few CPUs for one actor would otherwise wait in silence for ever.
    context.wait_for_min_actors_s = 300
    if checkpoint_in is not None:
        context.checkpoint_config = CheckpointConfig(
            id_column="id",
            checkpoint_path=(checkpoint_in / CHECKPOINT).path,
            override_filesystem=checkpoint_in.filesystem,
            delete_checkpoint_on_success=False,
        )
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)


class _Worker:
    """The thin adapter between a step and Ray Data: Arrow in, Arrow out."""

    def __init__(self, step: Step[Any, Any], tally: Any) -> None:
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
        self._schema = outcome_schema(step.gives)
        if step.own_input_only:
            self._schema = self._schema.append(pa.field(INPUT, pa.uint64()))

    def __call__(self, table: pa.Table) -> pa.Table:
        if self._failure is not None:
            raise self._failure
        given = table.to_pylist()
        batch = [self._step.takes.from_row(row) for row in given]
        try:
            outcomes = list(self._step.process(batch))
        finally:  # what a batch has cost counts even where it ends the run; waiting, as this worker may end, too
            if counts := metering.drain():
                ray.get(self._tally.count.remote(counts))
        if self._step.one_to_one and sorted(o.id for o in outcomes) != sorted(r.id for r in batch):
            raise RunError(
                f"step {self._step.name!r} did not give exactly one outcome for each record",
                remedy="This is a bug in the step; please report it",
            )
        rejects = Counter(outcome.reason for outcome in outcomes if isinstance(outcome, Reject))
        self._tally.add.remote(len(batch), len(outcomes) - rejects.total(), dict(rejects))
        rows = [outcome_row(outcome) for outcome in outcomes]
        if self._step.own_input_only:
            digests = {row["id"]: input_digest(row) for row in given}
            rows = [row | {INPUT: digests[row["id"]]} for row in rows]
        return pa.Table.from_pylist(rows, schema=self._schema)


def _default_workers(cpus: float, gpus: float) -> int:
    """As many workers as the cluster holds, leaving one CPU for reading and writing."""
    cluster: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    if gpus:
        return max(1, int(cluster.get("GPU", 0) / gpus))
    workers = max(1, int((cluster.get("CPU", 1) - 1) / cpus))
    # On one machine Ray may have been told of more CPUs than there are; more workers than cores only wait.
    return min(workers, os.cpu_count() or 1) if len(ray.nodes()) == 1 else workers  # type: ignore[no-untyped-call]


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
    text = str(error).strip().splitlines()
    return RunError(
        f"step {step.name!r} stopped: {type(error).__name__}: {text[0] if text else ''}",
        place=str(folder),
        remedy="What is finished is kept; mend the cause and run the same command again",
    )
