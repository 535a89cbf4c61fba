"""How much a teacher is asked for each record, in characters: what the capacity model's tokens come from.

python -m tests.benchmarks.bench_questions configs/demo/documents
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goat_ray.executors.config import ExecutorConfig
from goat_ray.graph.verification import Verify
from goat_ray.records import CallPlan, CallTrace
from goat_ray.synthesis.calling import Call
from goat_ray.synthesis.config import SamplingConfig, SynthesisConfig
from goat_ray.synthesis.narration import Narrate
from goat_ray.teacher.rules import RulesTeacher
from goat_ray.teacher.task import Failure, Task
from tests.world import all_pairs, make_world, sample_plans

CANDIDATES, PLANS = 2000, 500


class CountingTeacher(RulesTeacher):
    """Answers by the rules and counts what a model would have read and written."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def answer(self, task: Task[Any, Any], requests: Sequence[Any]) -> list[Any]:
        answers = super().answer(task, requests)
        for request, answer in zip(requests, answers, strict=True):
            self.counts["questions"] += 1
            self.counts["asked"] += sum(len(message["content"]) for message in task.messages(request))
            self.counts["answered"] += 0 if isinstance(answer, Failure) else len(answer.model_dump_json())
        return answers

    def report(self, name: str, records: int) -> None:
        """Print what one record took, and begin anew."""
        questions, asked, answered = (self.counts[what] / records for what in ("questions", "asked", "answered"))
        print(f"{name:<10}{questions:>6.2f} questions, {asked:>7,.0f} characters asked, {answered:>6,.0f} answered")
        self.counts.clear()


def main(documents: str) -> None:
    """One line for each kind of record."""
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(documents), Path(folder))
        teacher = CountingTeacher()
        verify = Verify(teacher, world.data)
        verify.start()
        candidates = all_pairs(world.functions)[:CANDIDATES]
        list(verify.process(candidates))
        teacher.report("candidate", len(candidates))
        call = Call(teacher, ExecutorConfig(), world.data)
        call.start()
        drawn = sample_plans(world.functions, world.edges, SamplingConfig(plans=PLANS))
        plans = [plan for plan in drawn if isinstance(plan, CallPlan)]
        traces = [outcome for outcome in call.process(plans) if isinstance(outcome, CallTrace)]
        teacher.report("plan", len(plans))
        narrate = Narrate(teacher, world.data, SynthesisConfig(), "traces")
        narrate.start()
        list(narrate.process(traces))
        teacher.report("trace", len(traces))


if __name__ == "__main__":
    main(sys.argv[1])
