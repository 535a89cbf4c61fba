"""What the user sees: progress with rates and estimates, and one line for each finished dataset."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

PLAIN_INTERVAL_S = 10.0  # between progress lines where the output is no terminal, as in `ray job logs`
POLL_S = 0.5


@ray.remote
class Tally:
    """Counts finished records while a step runs. For display only: the books count the files."""

    def __init__(self) -> None:
        self._done = 0
        self._kept = 0
        self._rejects: Counter[str] = Counter()

    def add(self, done: int, kept: int, rejects: dict[str, int]) -> None:
        """One batch is through: ``done`` records in, ``kept`` records out."""
        self._done += done
        self._kept += kept
        self._rejects.update(rejects)

    def read(self) -> tuple[int, int, dict[str, int]]:
        """Records in, records out, rejects by reason, so far."""
        return self._done, self._kept, dict(self._rejects)


class Console:
    """Prints for people: bars on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, rich: RichConsole | None = None) -> None:
        self.rich = rich or RichConsole(highlight=False)

    def note(self, text: str) -> None:
        """One remark."""
        self.rich.print(f"  {text}", markup=False, soft_wrap=True)

    def heading(self, text: str) -> None:
        """The start of a part of the road."""
        self.rich.print(f"\n[bold]{text}[/bold]")

    def done(self, name: str, kept: int, rejects: dict[str, int], seconds: float | None) -> None:
        """The funnel line of a finished dataset; ``seconds`` is None where it was finished before."""
        dropped = sum(rejects.values())
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(rejects.items(), key=lambda i: -i[1]))
        text = f"  {name:<12}{kept:>10,} kept"
        if dropped:
            text += f"  {dropped:>8,} dropped ({reasons})"
        took = "finished before" if seconds is None else f"{seconds:.1f} s"
        if seconds and kept + dropped:
            took += f", {(kept + dropped) / seconds:,.0f}/s"
        self.rich.print(f"{text}  [dim]{took}[/dim]", soft_wrap=True)

    @contextmanager
    def working(self, name: str) -> Iterator[None]:
        """Around work on the driver that cannot say how far it is."""
        if not self.rich.is_terminal:
            yield
            return
        with self.rich.status(f"{name} …"):
            yield

    @contextmanager
    def progress(self, name: str, total: int, tally: Any) -> Iterator[None]:
        """Around a step on the cluster: records done, rate and time left, read from its tally."""
        stop = threading.Event()
        show = self._bars if self.rich.is_terminal else self._lines
        watcher = threading.Thread(target=show, args=(name, total, tally, stop), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()

    def _bars(self, name: str, total: int, tally: Any, stop: threading.Event) -> None:
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
                done, _, _ = ray.get(tally.read.remote())
                if done:
                    progress.update(task, completed=done, rate=f"{done / (time.monotonic() - started):,.0f}/s")

    def _lines(self, name: str, total: int, tally: Any, stop: threading.Event) -> None:
        started = time.monotonic()
        while not stop.wait(PLAIN_INTERVAL_S):
            done, kept, _ = ray.get(tally.read.remote())
            if done:
                rate = done / (time.monotonic() - started)
                left = max(total - done, 0) / rate
                self.note(f"{name}: {done:,} of {total:,} ({kept:,} kept), {rate:,.0f}/s, about {left:,.0f} s left")
            else:
                self.note(f"{name}: starting workers")
