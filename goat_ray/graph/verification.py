"""Filter 2 of the funnel: a teacher judges each candidate edge."""

from collections.abc import Iterator, Sequence

from goat_ray.records import CandidateEdge, Edge, Json, Reject
from goat_ray.step import Resources, Step
from goat_ray.storage import FunctionStore
from goat_ray.teacher.edges import EdgeQuestion, JudgeEdge
from goat_ray.teacher.task import Failure, Teacher


class Verify(Step[CandidateEdge, Edge]):
    """Asks the teacher whether each candidate's field can serve as its parameter."""

    name = "verify"
    version = 1
    takes = CandidateEdge
    gives = Edge

    def __init__(self, teacher: Teacher, functions: str, resources: Resources | None = None) -> None:
        self.teacher = teacher
        self.functions = functions  # Parquet folder of the functions dataset
        self.resources = resources or Resources()
        self.task = JudgeEdge()

    def settings(self) -> Json:
        return {"teacher": self.teacher.settings(), "task": [self.task.name, self.task.version]}

    def prepare(self) -> None:
        self.teacher.prepare()

    def start(self) -> None:
        self.teacher.start()
        self.store = FunctionStore.open(self.functions)

    def process(self, batch: Sequence[CandidateEdge]) -> Iterator[Edge | Reject]:
        # Neighbours ask about the same target, whose description comes first in the prompt.
        batch = sorted(batch, key=lambda edge: (edge.target, edge.parameter, edge.source, edge.field))
        verdicts = self.teacher.answer(self.task, [self._question(edge) for edge in batch])
        for edge, verdict in zip(batch, verdicts, strict=True):
            if isinstance(verdict, Failure):
                yield Reject(id=edge.id, reason=verdict.reason, detail=verdict.detail)
            elif not verdict.accept:
                yield Reject(id=edge.id, reason="not-accepted", detail=f"{self._describe(edge)}: {verdict.reason}")
            else:
                yield Edge(**edge.model_dump(), reason=verdict.reason, teacher=self.teacher.label)

    def _question(self, edge: CandidateEdge) -> EdgeQuestion:
        source, target = self.store[edge.source], self.store[edge.target]
        return EdgeQuestion(
            source=source,
            field=source.output(edge.field),
            carries=edge.carries,
            target=target,
            parameter=target.parameter(edge.parameter),
            wants=edge.wants,
        )

    def _describe(self, edge: CandidateEdge) -> str:
        source, target = self.store[edge.source], self.store[edge.target]
        return f"{source.title} {edge.field} -> {target.title} {edge.parameter}"
