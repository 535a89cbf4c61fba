"""What the workers of a running step report: for the progress line, for the manifest and for Ray's metrics."""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import uuid4

import ray
from ray.util.metrics import Counter as Metric

from goat_ray.cluster import here
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


class Tally:
    """Counts while one step runs; its workers get copies. The books count the files; this is for display and costs."""

    def __init__(self, step: str) -> None:
        self._step = step
        self._key = uuid4().hex  # a worker that is late counts for nobody, and not for the step's next run
        self._counting = _counting(ray.get_runtime_context().get_worker_id())

    def begin(self) -> None:
        """A worker has started and takes up its first batch."""
        self._counting.begin.remote(self._key)

    def add(self, done: int, kept: int, rejects: Mapping[str, int]) -> None:
        """One batch is through: ``done`` records in, ``kept`` records out."""
        self._counting.add.remote(self._key, self._step, done, kept, rejects)

    def count(self, counts: Mapping[Count, int]) -> None:
        """What a worker has counted beside its records. Waits until it is noted, as the worker may end."""
        ray.get(self._counting.count.remote(self._key, counts))

    def read(self) -> tuple[int, int, float]:
        """Records in and records out so far, and the seconds since the first batch was taken up."""
        return ray.get(self._counting.read.remote(self._key))  # type: ignore[no-any-return]

    def close(self) -> tuple[dict[str, int], float]:
        """All that was counted, e.g. ``{"judge-edge prompt tokens": 1200}``, and the seconds at work.

        These are from the first batch that was taken up to the latest that was through: without the start of anything.
        """
        return ray.get(self._counting.close.remote(self._key))  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def _counting(driver: str) -> Any:
    """The process that counts for all steps of a driver; each would take a second to start and 60 MB."""
    # One that dies is started again, with counts from 0: they are not worth a run.
    options = {"num_cpus": 0, "scheduling_strategy": here(), "max_restarts": -1, "max_task_retries": -1}
    return _Counting.options(**options).remote()  # type: ignore[attr-defined]


@dataclass
class _Counts:
    """Of one run of a step; times by the counting process's clock."""

    done: int = 0
    kept: int = 0
    beside: Counter[str] = field(default_factory=Counter)
    began: float = 0.0
    latest: float = 0.0


@ray.remote
class _Counting:
    def __init__(self) -> None:
        self._of: defaultdict[str, _Counts] = defaultdict(_Counts)
        self._exporter = Exporter()

    def begin(self, key: str) -> None:
        counts = self._of[key]
        if not counts.began:
            counts.began = counts.latest = time.monotonic()

    def add(self, key: str, step: str, done: int, kept: int, rejects: Mapping[str, int]) -> None:
        counts = self._of[key]
        counts.latest = time.monotonic()
        counts.done += done
        counts.kept += kept
        self._exporter.rows(step, kept, rejects)

    def read(self, key: str) -> tuple[int, int, float]:
        counts = self._of[key]
        return counts.done, counts.kept, time.monotonic() - counts.began if counts.began else 0.0

    def close(self, key: str) -> tuple[dict[str, int], float]:
        counts = self._of.pop(key, _Counts())
        return dict(counts.beside), counts.latest - counts.began

    def count(self, key: str, counts: Mapping[Count, int]) -> None:
        for (what, whom), amount in counts.items():
            self._of[key].beside[f"{whom} {what}"] += amount
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
