"""What the workers of a running step report: for the progress line, for the manifest and for Ray's metrics."""

import time
from collections import Counter
from collections.abc import Mapping

import ray
from ray.util.metrics import Counter as Metric

from goat_ray.metering import Count

# The metrics by name, each with its description and tags. Ray's exporter writes ``ray_`` before the names.
METRICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "goat_rows_total": ("Records that went through a step", ("step", "outcome")),
    "goat_rejects_total": ("Records that a step dropped", ("step", "reason")),
    "goat_requests_total": ("Attempts to ask a served model", ("task",)),
    "goat_tokens_total": ("Tokens of served models", ("task", "kind")),
    "goat_answers_total": ("Answers from the cache, repaired, shortened or failed", ("task", "kind")),
    "goat_queue_wait_seconds_total": ("Waiting for a slot to ask a served model", ("task",)),
    "goat_permit_wait_seconds_total": ("Waiting for a permit to call an API", ("host",)),
    "goat_redactions_total": ("Personal data and secrets taken out of answers", ("kind",)),
    "goat_executor_calls_total": ("Calls of APIs, by host or by backend", ("host", "status")),
}
_MILLISECOND = 0.001


class Exporter:
    """Counts into Ray's metrics from a process that is connected to a cluster."""

    def __init__(self) -> None:
        self._metrics = {name: Metric(name, description, tags) for name, (description, tags) in METRICS.items()}

    def rows(self, step: str, kept: int, rejects: Mapping[str, int]) -> None:
        """Records that went through a step, and why those did not that were dropped."""
        self.add("goat_rows_total", kept, step=step, outcome="kept")
        self.add("goat_rows_total", sum(rejects.values()), step=step, outcome="rejected")
        for reason, amount in rejects.items():
            self.add("goat_rejects_total", amount, step=step, reason=reason)

    def add(self, metric: str, amount: float, **tags: str) -> None:
        """Increase a metric; one that nothing has increased does not appear."""
        if amount:
            self._metrics[metric].inc(amount, tags)


@ray.remote
class Tally:
    """Counts while one step runs. The books count the files; this is for display, costs and metrics."""

    def __init__(self, step: str) -> None:
        self._step = step
        self._done = 0
        self._kept = 0
        self._rejects: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._began = self._latest = 0.0  # by this process's clock
        self._exporter = Exporter()

    def begin(self) -> None:
        """A worker has started and takes up its first batch."""
        if not self._began:
            self._began = self._latest = time.monotonic()

    def seconds_at_work(self) -> float:
        """From the first batch that was taken up to the latest that was through: without the start of anything."""
        return self._latest - self._began

    def add(self, done: int, kept: int, rejects: dict[str, int]) -> None:
        """One batch is through: ``done`` records in, ``kept`` records out."""
        self._latest = time.monotonic()
        self._done += done
        self._kept += kept
        self._rejects.update(rejects)
        self._exporter.rows(self._step, kept, rejects)

    def count(self, counts: dict[Count, int]) -> None:
        """What a worker has counted beside its records."""
        for (what, whom), amount in counts.items():
            self._counts[f"{whom} {what}"] += amount
            if what == "requests":
                self._exporter.add("goat_requests_total", amount, task=whom)
            elif what == "queue wait ms":
                self._exporter.add("goat_queue_wait_seconds_total", amount * _MILLISECOND, task=whom)
            elif what == "permit wait ms":
                self._exporter.add("goat_permit_wait_seconds_total", amount * _MILLISECOND, host=whom)
            elif what.endswith(" tokens"):
                self._exporter.add("goat_tokens_total", amount, task=whom, kind=what.removesuffix(" tokens"))
            elif what == "redacted":
                self._exporter.add("goat_redactions_total", amount, kind=whom)
            elif what.startswith("status "):
                self._exporter.add("goat_executor_calls_total", amount, host=whom, status=what.removeprefix("status "))
            elif what != "unanswered":  # by function: too many for a metric's tags
                self._exporter.add("goat_answers_total", amount, task=whom, kind=what)

    def counts(self) -> dict[str, int]:
        """All of it so far, e.g. ``{"judge-edge prompt tokens": 1200}``."""
        return dict(self._counts)

    def read(self) -> tuple[int, int, dict[str, int]]:
        """Records in, records out, rejects by reason, so far."""
        return self._done, self._kept, dict(self._rejects)
