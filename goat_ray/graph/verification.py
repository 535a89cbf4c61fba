"""Filter 2 of the funnel: a teacher judges each candidate edge."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from goat_ray.graph.config import VerificationConfig
from goat_ray.records import CandidateEdge, Edge, Reject
from goat_ray.rows import Json
from goat_ray.step import Resources, Step
from goat_ray.storage import FunctionStore
from goat_ray.teacher.edges import EdgeQuestion, EdgeVerdict, JudgeEdge, JudgeEdges
from goat_ray.teacher.task import Failure, Teacher

NOT_ACCEPTED = "not-accepted"


class Verify(Step[CandidateEdge, Edge]):
    """Asks the teacher whether each candidate's field can serve as its parameter."""

    name = "verify"
    version = 1
    own_input_only = True
    takes = CandidateEdge
    gives = Edge

    def __init__(
        self,
        teacher: Teacher,
        functions: str,
        config: VerificationConfig | None = None,
        resources: Resources | None = None,
    ) -> None:
        self.teacher = teacher
        self.config = config or VerificationConfig()
        self.functions = functions  # Parquet folder of the functions dataset
        self.resources = resources or Resources(batch_size=teacher.batch_size)

    @property
    def overlaps(self) -> bool:
        return self.teacher.waits

    def settings(self) -> Json:
        task = JudgeEdge if self.config.per_prompt == 1 else JudgeEdges
        return {
            "teacher": self.teacher.settings(),
            "task": [task.name, task.version, JudgeEdge.version],
            "per_prompt": self.config.per_prompt,
        }

    def prepare(self) -> None:
        self.teacher.prepare()

    def start(self) -> None:
        self.teacher.start()
        self.store = FunctionStore.open(self.functions)

    def process(self, batch: Sequence[CandidateEdge]) -> Iterator[Edge | Reject]:
        # Neighbours ask about the same target, whose description comes first in the prompt.
        batch = sorted(batch, key=lambda edge: (edge.target, edge.parameter, edge.source, edge.field))
        verdicts = self._verdicts(batch)
        for edge, verdict in zip(batch, verdicts, strict=True):
            if isinstance(verdict, Failure):
                yield Reject(id=edge.id, reason=verdict.reason, detail=verdict.detail)
            elif not verdict.accept:
                yield Reject(id=edge.id, reason=NOT_ACCEPTED, detail=f"{self.describe(edge)}: {verdict.reason}")
            else:
                yield Edge(**edge.model_dump(), reason=_reason(verdict), teacher=self.teacher.label)

    def _verdicts(self, edges: Sequence[CandidateEdge]) -> list[EdgeVerdict | Failure]:
        """Verdicts on edges that are ordered by target and parameter."""
        if self.config.per_prompt == 1:
            return self.teacher.answer(JudgeEdge(), [self._question(edge) for edge in edges])
        prompts: list[list[EdgeQuestion]] = []
        for _, group in groupby(edges, key=lambda edge: (edge.target, edge.parameter)):
            questions = [self._question(edge) for edge in group]
            size = self.config.per_prompt
            prompts += [questions[start : start + size] for start in range(0, len(questions), size)]
        verdicts: list[EdgeVerdict | Failure] = []
        for prompt, answer in zip(prompts, self.teacher.answer(JudgeEdges(), prompts), strict=True):
            if isinstance(answer, Failure):
                verdicts += [answer] * len(prompt)
            elif len(answer.verdicts) == len(prompt):
                verdicts += [one.on_shortened() if answer.shortened else one for one in answer.verdicts]
            else:
                detail = f"{len(answer.verdicts)} verdicts on {len(prompt)} candidates"
                verdicts += [Failure("invalid-answer", detail)] * len(prompt)
        return verdicts

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

    def describe(self, edge: CandidateEdge) -> str:
        """An edge in the words of the documents."""
        source, target = self.store[edge.source], self.store[edge.target]
        return f"{source.title} {edge.field} -> {target.title} {edge.parameter}"


def _reason(verdict: EdgeVerdict) -> str:
    note = " (the documents were shortened to fit the model's context)" if verdict.shortened else ""
    return f"{verdict.reason}{note}"
