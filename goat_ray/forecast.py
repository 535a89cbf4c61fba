"""What a run will ask of its teacher, extrapolated from a pilot that really asked about some of it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from goat_ray.placement import Node
from goat_ray.storage import MANIFEST, Dataset, read_json
from goat_ray.teacher.config import TeacherConfig
from goat_ray.teacher.engine import gpus_per_replica

COUNTED = ("requests", "prompt tokens", "completion tokens")


@dataclass(frozen=True)
class StepForecast:
    """One step: what its pilot took, and how many times as much the whole is."""

    name: str
    pilot: int  # records
    whole: int
    seconds: float  # of the pilot, without the start of its workers and engines
    counts: Counter[str]  # of the pilot: requests, prompt tokens, completion tokens

    @classmethod
    def of(cls, outcome: Dataset[Any], pilot: int, whole: int) -> "StepForecast":
        """Read from a finished pilot's manifest what it took."""
        manifest = read_json(outcome.folder / MANIFEST) or {}
        counts: Counter[str] = Counter()
        for fact, amount in manifest.get("facts", {}).items():
            for what in COUNTED:
                counts[what] += amount if fact.endswith(f" {what}") else 0
        return cls(outcome.name, pilot, whole, manifest.get("seconds_at_work", 0.0), counts)

    @property
    def factor(self) -> float:
        """Times the pilot."""
        return self.whole / self.pilot if self.pilot else 0.0


def forecast(steps: Sequence[StepForecast], teacher: TeacherConfig, nodes: Sequence[Node]) -> Iterator[str]:
    """A table of the steps, their sum, and what that costs on these nodes."""
    yield f"{'step':<12}{'records':>12}{'requests':>12}{'prompt tokens':>16}{'answer tokens':>16}{'hours':>9}"
    total: Counter[str] = Counter()
    hours = 0.0
    for step in steps:
        whole = Counter({what: round(step.counts[what] * step.factor) for what in COUNTED})
        total.update(whole)
        hours += step.seconds * step.factor / 3600
        yield _row(step.name, step.whole, whole, step.seconds * step.factor / 3600)
    yield _row("together", None, total, hours)
    engine, budget = teacher.engine, teacher.budget
    price = budget.price(total["prompt tokens"], total["completion tokens"])
    if price:
        yield f"At the prices of teacher.budget: {price:,.2f} USD"
    if teacher.backend == "vllm":
        gpus = gpus_per_replica(engine, nodes)
        kind, count = ("GPU", engine.replicas * gpus) if gpus else ("CPU", engine.replicas * engine.cpus_per_replica)
        yield f"{kind} hours of {engine.replicas} engine replica(s), {count:g} {kind}(s) in all: {hours * count:,.1f}"
    parts = ", ".join(f"{step.pilot:,} of {step.whole:,} in {step.name}" for step in steps)
    yield f"From a pilot of {parts}, which asked less at once than the whole will."
    yield "Hours are without the start of engines and workers."


def _row(name: str, records: int | None, counts: Counter[str], hours: float) -> str:
    told = f"{records:,}" if records is not None else ""
    requests, prompt, completion = (counts[what] for what in COUNTED)
    return f"{name:<12}{told:>12}{requests:>12,}{prompt:>16,}{completion:>16,}{hours:>9.2f}"
