"""What the user sees: progress with rates and estimates, and one line for each finished dataset."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from goat_ray.errors import printable
from goat_ray.places import Place
from goat_ray.records import Score

PLAIN_INTERVAL_S = 10.0  # between progress lines where the output is no terminal, as in `ray job logs`
POLL_S = 0.5

Read = Callable[[], tuple[int, int, float]]
"""How many records have gone into a step so far, how many have come out, and the seconds that workers are at work."""


class Console:
    """Prints for people: bars on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, rich: RichConsole | None = None) -> None:
        self.rich = rich or RichConsole(highlight=False)
        self._said: set[str] | None = None  # what need not be said again

    def note(self, text: str) -> None:
        """One remark."""
        self.rich.print(f"  {printable(text)}", markup=False, soft_wrap=True)

    @contextmanager
    def quietly_again(self) -> Iterator[None]:
        """Around parts that share earlier ones: what is reused a second time is not mentioned a second time."""
        outer, self._said = self._said, self._said if self._said is not None else set()
        try:
            yield
        finally:
            self._said = outer

    def _is_news(self, what: str) -> bool:
        if self._said is None:
            return True
        news = what not in self._said
        self._said.add(what)
        return news

    def heading(self, text: str) -> None:
        """The start of a part of the road."""
        if not self._is_news(f"# {text}"):
            return
        self.rich.print(f"\n[bold]{text}[/bold]")

    def done(self, name: str, kept: int, rejects: dict[str, int], seconds: float | None) -> None:
        """The funnel line of a finished dataset; ``seconds`` is None where it was finished before."""
        if not self._is_news(name) and seconds is None:
            return
        dropped = sum(rejects.values())
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(rejects.items(), key=lambda i: -i[1]))
        text = f"  {name:<20}{kept:>10,} kept"
        if dropped:
            text += f"  {dropped:>8,} dropped ({reasons})"
        took = "finished before" if seconds is None else f"{seconds:.1f} s"
        if seconds and kept + dropped:
            took += f", {(kept + dropped) / seconds:,.0f}/s"
        self.rich.print(f"{text}  [dim]{took}[/dim]", soft_wrap=True)

    def trained(self, name: str, folder: Place, report: Any) -> None:
        """How a training went."""
        if not self._is_news(f"trained {name}"):
            return
        self.note(
            f"{name}: {report.steps:,} steps, loss {report.first_loss:.3f} -> {report.last_loss:.3f}, "
            f"{report.seconds:,.0f} s, in {folder}"
        )

    def scores(self, scores: Sequence[Score]) -> None:
        """A table with one row a metric and one column a run."""
        runs = list(dict.fromkeys(score.run for score in scores))
        table = Table(box=None, header_style="bold", padding=(0, 3, 0, 2))
        for heading in ("metric", *runs, "instances"):
            table.add_column(heading, justify="left" if heading == "metric" else "right")
        for metric in dict.fromkeys(score.metric for score in scores):
            row = {score.run: score for score in scores if score.metric == metric}
            values = [f"{row[run].value:.3f}" if run in row else "" for run in runs]
            table.add_row(metric, *values, f"{next(iter(row.values())).count:,}")
        self.rich.print(table)

    def summary(self, directory: Place) -> None:
        """Where things lie, and how to look at them."""
        place = os.path.relpath(directory.local) if directory.local else str(directory)
        self.heading("Done")
        graph = "edges" if (directory / "edges").exists() else "verified"  # without execution
        for what, where in (
            ("samples (Parquet)", "samples/outcome=kept"),
            ("training examples", "examples/outcome=kept"),
            ("dependency graph", f"{graph}/outcome=kept"),
            ("tuned agent", "agent"),
            ("tuned retriever", "retriever"),
            ("scores", "scores/outcome=kept"),
        ):
            self.note(f"{what:<20}{place}/{where}")
        self.note(f"{'look at them':<20}goat inspect samples {place}; goat inspect funnel {place}")

    @contextmanager
    def working(self, name: str) -> Iterator[None]:
        """Around work on the driver that cannot say how far it is; one that takes long says how long it has taken."""
        with self.rich.status(f"{name} …") if self.rich.is_terminal else _beside(self._still, name):
            yield

    @contextmanager
    def progress(self, name: str, total: int, read: Read) -> Iterator[None]:
        """Around a step on the cluster: records done, rate and time left."""
        with _beside(self._bars if self.rich.is_terminal else self._lines, name, total, read):
            yield

    def _still(self, name: str, stop: threading.Event) -> None:
        started = time.monotonic()
        while not stop.wait(PLAIN_INTERVAL_S):
            self.note(f"{name}: at work for {time.monotonic() - started:,.0f} s")

    def _bars(self, name: str, total: int, read: Read, stop: threading.Event) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn(f"{name:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        started = time.monotonic()
        with Progress(*columns, console=self.rich, transient=True) as progress:
            task = progress.add_task(name, total=total, rate="starting")
            while not stop.wait(POLL_S):
                done, _, worked = read()
                if done:
                    progress.update(task, completed=done, rate=f"{done / (time.monotonic() - started):,.0f}/s")
                elif worked:
                    progress.update(task, rate="at work")

    def _lines(self, name: str, total: int, read: Read, stop: threading.Event) -> None:
        started = time.monotonic()
        while not stop.wait(PLAIN_INTERVAL_S):
            done, kept, worked = read()
            if done:
                rate = done / (time.monotonic() - started)
                left = max(total - done, 0) / rate
                self.note(f"{name}: {done:,} of {total:,} ({kept:,} kept), {rate:,.0f}/s, about {left:,.0f} s left")
            elif worked:
                self.note(f"{name}: at work on the first of {total:,} for {worked:,.0f} s")
            else:
                self.note(f"{name}: starting workers")


@contextmanager
def _beside(show: Callable[..., None], *arguments: Any) -> Iterator[None]:
    """Runs ``show`` in a thread until the block ends, which sets the event that is its last argument."""
    stop = threading.Event()
    watcher = threading.Thread(target=show, args=(*arguments, stop), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
