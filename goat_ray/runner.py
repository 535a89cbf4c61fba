"""Runs steps on Ray Data and keeps the books: what is finished, what was kept, what was rejected and why.

Resume rests on two things. A finished dataset has a manifest with the fingerprint of everything it
depends on; the same fingerprint means "done". An unfinished one-to-one step has a Ray Data checkpoint
with the ids it has committed; running it again goes on behind them.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, TypeVar

import pyarrow as pa
import ray

from goat_ray import __version__
from goat_ray.carryover import REMAINING, carried_over, carry_over
from goat_ray.cluster import ClusterConfig, nodes
from goat_ray.console import Console
from goat_ray.errors import RunError, full_disk, is_full
from goat_ray.identity import content_id
from goat_ray.locking import held
from goat_ray.logs import EVENTS, log_to_stderr
from goat_ray.placement import Need, check
from goat_ray.places import Place, Where
from goat_ray.records import Reject
from goat_ray.rows import Json, Record
from goat_ray.stage import CHECKPOINT, needs, run_stage
from goat_ray.step import Step
from goat_ray.storage import (
    BOOKS,
    MANIFEST,
    OUTCOME,
    UNFINISHED,
    Dataset,
    count_outcomes,
    open_dataset,
    open_parquet,
    parquet_files,
    read_book,
    write_json,
    write_records,
    write_tables,
)
from goat_ray.tally import Exporter, Tally

In = TypeVar("In", bound=Record)
Out = TypeVar("Out", bound=Record)

SUPERSEDED = ".superseded"  # outputs under another fingerprint, kept until someone removes them
_LEFT_BEHIND = "|".join(
    [rf"{OUTCOME}=.*", re.escape(CHECKPOINT), re.escape(REMAINING), *(rf"\.?{re.escape(book)}.*" for book in BOOKS)]
)
"""Names in a dataset's folder that has lost its books, or has none yet; a book that is being written has others."""


class Runner:
    """One run directory and the cluster that fills it.

    ``held`` tells what else of the run holds places in the cluster while its steps work, such as a teacher's engines.
    """

    def __init__(
        self,
        directory: Where,
        console: Console,
        cluster: ClusterConfig | None = None,
        held: Callable[[], Sequence[Need]] = tuple,
    ) -> None:
        self.directory = Place.of(directory)
        self.cluster = cluster or ClusterConfig()
        self.console = console
        self.held = held
        self._still_held: Callable[[], None] = lambda: None
        log_to_stderr(self.cluster.log_level, run=str(self.directory))
        self.directory.make()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the run directory; a second driver on it gets a ``RunError`` instead of a mixed-up run.

        A disk that is full, whoever finds it so, is a ``RunError`` as well.
        """
        try:
            with held(self.directory) as self._still_held:
                yield
        except OSError as error:
            if is_full(error):
                raise full_disk(str(error.filename or self.directory)) from error
            raise

    def bulk(self, step: Step[In, Out], source: Dataset[In], into: str) -> Dataset[Out]:
        """Run a step over a dataset on the cluster, or return its finished output."""
        fingerprint = step.fingerprint(source.fingerprint)
        folder = self._claim(into, fingerprint, resumable=step.one_to_one)
        if folder is None:
            return self._reused(into, step.gives)
        started = time.monotonic()
        data, rows = self._left_to_do(step, source, folder)
        if rows:
            check(step.name, needs(step.name, self.cluster.resources(step.name, step.resources)), nodes())
            step.prepare()
            self._run_on_ray(step, data, rows, folder)
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
        made = self._finish(folder, kind, fingerprint, settings, time.monotonic() - started, facts)
        if ray.is_initialized():  # else there is nobody to export to
            self._exporter.rows(into, made.rows, made.rejects)
        return made

    @cached_property
    def _exporter(self) -> Exporter:
        return Exporter()

    def earlier(self, name: str, kind: type[Out], settings: Json) -> Dataset[Out] | None:
        """The latest output under these settings that other inputs have superseded."""
        found = self._superseded(name, "settings", settings)
        return open_dataset(found, kind) if found else None

    def finished(self, name: str, kind: type[Out]) -> Dataset[Out]:
        """A dataset that an earlier step must have finished; raises ``RunError`` otherwise."""
        return open_dataset(self.directory / name, kind)

    def set_aside(self, name: str) -> None:
        """Move a dataset of other settings or inputs out of the way, so that nobody takes it for this run's."""
        folder = self.directory / name
        if (books := _books(folder)) is None:
            return
        aside = self.directory / SUPERSEDED / f"{name}-{books['fingerprint']}"
        aside.remove(BOOKS)
        folder.move(aside, BOOKS)
        self.console.note(f"{name}: made with other settings or inputs; moved to {aside}")

    # --- bookkeeping -----------------------------------------------------------------------------

    def _claim(self, into: str, fingerprint: str, *, resumable: bool) -> Place | None:
        """The folder to write to, or None if it already holds the finished output."""
        folder = self.directory / into
        current = _books(folder)
        if current is not None and current["fingerprint"] != fingerprint:
            self.set_aside(into)
            current = None
        if current is None:
            _refuse_foreign(folder)
            folder.remove(BOOKS)
            current = self._bring_back(folder, fingerprint)
        if (folder / MANIFEST).exists():
            return None
        if current is not None and not resumable:
            folder.remove(BOOKS)
        facts = _counted(folder)  # what an interrupted run has spent belongs to the whole
        write_json(folder / UNFINISHED, {"fingerprint": fingerprint, "facts": facts})
        return folder

    def _bring_back(self, folder: Place, fingerprint: str) -> dict[str, Any] | None:
        aside = self.directory / SUPERSEDED / f"{folder.name}-{fingerprint}"
        if _books(aside) is None:
            return None
        aside.move(folder, BOOKS)
        return _books(folder)

    def _superseded(self, name: str, key: str, value: Any) -> Place | None:
        """The latest finished output that was set aside and whose manifest says so."""
        aside = (self.directory / SUPERSEDED).children()
        books = {folder: read_book(folder / MANIFEST) for folder in aside if folder.name.startswith(f"{name}-")}
        fitting = {folder: book for folder, book in books.items() if book is not None and book.get(key) == value}
        return max(fitting, key=lambda folder: (fitting[folder]["finished"], folder.name), default=None)

    def _left_to_do(self, step: Step[In, Out], source: Dataset[In], folder: Place) -> tuple[str, int]:
        """(where the records to work on lie, how many) once earlier outcomes of unchanged ones are taken over."""
        if not step.own_input_only:
            return source.data, source.rows
        left = carried_over(folder)
        if left is None and not (folder / CHECKPOINT).exists():  # one that was brought back has outcomes of its own
            earlier = self._superseded(folder.name, "step", step.fingerprint())
            left = None if earlier is None else carry_over(earlier, source, folder)
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
            "seconds_at_work": round(_at_work(folder), 2),  # without the start of workers and engines
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "goat_ray": __version__,
        }
        self._still_held()
        write_json(folder / MANIFEST, manifest)
        EVENTS.info("finished", extra={"step": folder.name, "rows": kept, "rejects": rejects, "seconds": seconds})
        # Only now: a kill between success and the manifest must find the ids that are committed.
        for scratch in (CHECKPOINT, REMAINING):
            (folder / scratch).remove()
        (folder / UNFINISHED).remove()
        self.console.done(folder.name, kept, rejects, seconds)
        return Dataset(folder, kind, fingerprint, kept, rejects)

    def _run_on_ray(self, step: Step[In, Out], data: str, count: int, folder: Place) -> None:
        tally, left = Tally(folder.name), count - _committed(folder)
        EVENTS.info("started", extra={"step": folder.name, "records": left})
        try:
            with self.console.progress(folder.name, left, tally.read):
                run_stage(step, data, count, folder, tally, self.cluster, self.held())
        finally:
            with suppress(ray.exceptions.RayError):  # which would hide why the step stopped
                counts, seconds = tally.close()
                facts = dict(Counter(_counted(folder)) + Counter(counts))
                books = {"facts": facts, "seconds_at_work": _at_work(folder) + seconds}
                write_json(folder / UNFINISHED, (read_book(folder / UNFINISHED) or {}) | books)


def _refuse_foreign(folder: Place) -> None:
    """Raise ``RunError`` where a folder without books holds anything but what a killed run leaves: it is not ours."""
    names = [folder.name] if folder.is_file() else [child.name for child in folder.children()]
    if foreign := [name for name in names if not re.fullmatch(_LEFT_BEHIND, name)]:
        raise RunError(
            f"holds files that no step has written ({foreign[0]})",
            place=str(folder),
            remedy="Choose another run.directory, or move it away",
        )


def _committed(folder: Place) -> int:
    """How many records an interrupted run has finished, by Ray Data's checkpoint: outcomes may be cut off."""
    files = (file for file in parquet_files(folder / CHECKPOINT) if "pending" not in file.name)
    return sum(open_parquet(file).metadata.num_rows for file in files)


def _counted(folder: Place) -> dict[str, int]:
    """What the workers of an unfinished step have counted, in this run and in those before it."""
    facts: dict[str, int] = (read_book(folder / UNFINISHED) or {}).get("facts", {})
    return facts


def _at_work(folder: Place) -> float:
    """How long the workers of an unfinished step have worked, in this run and in those before it."""
    return float((read_book(folder / UNFINISHED) or {}).get("seconds_at_work", 0.0))


def _books(folder: Place) -> dict[str, Any] | None:
    """What is written in a dataset folder: the manifest if finished, else the mark of unfinished work."""
    return read_book(folder / MANIFEST) or read_book(folder / UNFINISHED)
