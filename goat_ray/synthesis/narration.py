"""Language last: sub-queries, query, response, paraphrases and verdict for each executed trace."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from goat_ray.records import CallTrace, ExecutedCall, Lineage, Reject, Sample, without_failures
from goat_ray.rows import Json
from goat_ray.step import Resources, Step
from goat_ray.storage import FunctionStore
from goat_ray.synthesis.config import SynthesisConfig
from goat_ray.synthesis.privacy import redacted
from goat_ray.teacher import narration as tasks
from goat_ray.teacher.checks import Flaw, query_flaw, response_flaw
from goat_ray.teacher.phrases import Phrasebook, scalars
from goat_ray.teacher.story import Story, Told
from goat_ray.teacher.task import Answer, Failure, Task, Teacher
from goat_ray.teacher.verbs import WRITES

TASKS: tuple[Task[Any, Any], ...] = (
    tasks.WriteSubqueries(),
    tasks.WriteQuery(),
    tasks.WriteResponse(),
    tasks.Paraphrase(),
    tasks.JudgeSample(),
)
PROMPTS = ",".join(f"{task.name}:{task.version}" for task in TASKS)


class Narrate(Step[CallTrace, Sample]):
    """Asks the teacher for the language of each trace and keeps what its judge accepts."""

    name = "narrate"
    version = 10
    takes = CallTrace
    gives = Sample

    def __init__(
        self,
        teacher: Teacher,
        functions: str,
        config: SynthesisConfig,
        traces: str,
        resources: Resources | None = None,
    ) -> None:
        self.teacher = teacher
        self.functions = functions  # Parquet folder of the functions dataset
        self.config = config
        self.traces = traces  # fingerprint of the traces, for lineage
        self.resources = resources or Resources(batch_size=teacher.batch_size)

    @property
    def overlaps(self) -> bool:
        return self.teacher.waits

    def settings(self) -> Json:
        return {
            "teacher": self.teacher.settings(),
            "tasks": PROMPTS,
            **self.config.model_dump(mode="json", include={"paraphrases", "privacy"}),
        }

    def prepare(self) -> None:
        self.teacher.prepare()

    def start(self) -> None:
        self.teacher.start()
        self.store = FunctionStore.open(self.functions)
        self.phrases = Phrasebook(self.store)
        self.lineage = {
            "teacher": self.teacher.label,
            "prompts": PROMPTS,
            "fingerprint": self.fingerprint(self.traces),
        }

    def process(self, batch: Sequence[CallTrace]) -> Iterator[Sample | Reject]:
        # Before anything is written: neither the teacher nor any later dataset sees private values.
        traces = [redacted(trace, self.config.privacy) for trace in batch]
        drafts = [_Draft(trace, self._story(trace)) for trace in traces]
        for draft in drafts:
            if any(self._is_empty(draft.story.calls[goal]) for goal in draft.story.goals):
                draft.reject = Reject(
                    id=draft.trace.id, reason="empty-answer", detail="the last calls returned nothing"
                )
        subqueries, query, response, paraphrase, judge = TASKS
        self._ask(subqueries, drafts, lambda d: d.story, "subqueries")
        self._ask(query, drafts, lambda d: tasks.ToldStory(d.story, d.texts("subqueries")), "query")
        self._check(drafts, lambda d: query_flaw(d.story, d.text("query")))
        self._ask(response, drafts, lambda d: tasks.AskedStory(d.story, d.text("query")), "response")
        self._check(drafts, lambda d: response_flaw(d.story, d.text("query"), d.text("response")))
        if self.config.paraphrases:
            count = self.config.paraphrases
            self._ask(paraphrase, drafts, lambda d: tasks.AskedStory(d.story, d.text("query"), count), "paraphrases")
        self._ask(judge, drafts, lambda d: d.answered(), "judge")
        for draft in drafts:
            yield draft.reject or self._sample(draft)

    def _story(self, trace: CallTrace) -> Story:
        calls = tuple(Told(self.store[call.function], call) for call in without_failures(trace.calls))
        return Story(calls=calls, phrases=self.phrases, seed=trace.id)

    def _is_empty(self, told: Told) -> bool:
        """Whether a call answers nothing: no list items where a list is what it returns, else no values at all."""
        if self.phrases.primary_list(told.function) is not None:
            return not self.phrases.items(told.function, told.call.body)
        return told.function.method not in WRITES and not scalars(told.call.body)

    def _ask(self, task: Task[Any, Any], drafts: list["_Draft"], request: Callable[["_Draft"], Any], into: str) -> None:
        """Ask one task for all drafts that are still alive, in one go."""
        alive = [draft for draft in drafts if draft.reject is None]
        answers = self.teacher.answer(task, [request(draft) for draft in alive])
        for draft, answer in zip(alive, answers, strict=True):
            if isinstance(answer, Failure) and into == "paraphrases" and answer.reason == "invalid-answer":
                continue  # a sample all the same; the teacher has counted the failure
            if isinstance(answer, Failure):
                draft.reject = Reject(id=draft.trace.id, reason=answer.reason, detail=f"{task.name}: {answer.detail}")
            else:
                draft.answers[into] = answer
                draft.shortened += [task.name] if answer.shortened else []

    def _check(self, drafts: list["_Draft"], flaw_of: Callable[["_Draft"], Flaw | None]) -> None:
        """Reject by rule what is wrong, before a teacher is asked more about it."""
        for draft in drafts:
            if draft.reject is None and (flaw := flaw_of(draft)):
                draft.reject = Reject(
                    id=draft.trace.id, reason=flaw.reason, detail=f"{flaw.detail} | {draft.text('query')}"
                )

    def _sample(self, draft: "_Draft") -> Sample | Reject:
        verdict: tasks.Judgement = draft.answers["judge"]  # type: ignore[assignment]
        if not verdict.accept:
            detail = f"{verdict.reason} | {draft.text('query')}"
            return Reject(id=draft.trace.id, reason="not-accepted", detail=detail)
        return Sample(
            id=draft.trace.id,
            query=draft.text("query"),
            subqueries=_of_each_call(draft.trace.calls, draft.texts("subqueries")),
            calls=draft.trace.calls,
            response=draft.text("response"),
            paraphrases=draft.paraphrases(self.config.paraphrases),
            verdict=verdict.reason,
            lineage=Lineage(**self.lineage, seed=draft.trace.seed, shortened=draft.shortened),
        )


def _of_each_call(calls: Sequence[ExecutedCall], subqueries: Sequence[str]) -> list[str]:
    """Sub-queries of the successful calls, given to the failed ones that they correct as well."""
    right = [number for number, call in enumerate(calls) if call.corrected_by is None]
    texts = dict(zip(right, subqueries, strict=True))
    return [texts[number if call.corrected_by is None else call.corrected_by] for number, call in enumerate(calls)]


class _Draft:
    """A sample in the making."""

    def __init__(self, trace: CallTrace, story: Story) -> None:
        self.trace = trace
        self.story = story
        self.answers: dict[str, Answer] = {}
        self.shortened = list(trace.shortened)
        self.reject: Reject | None = None

    def text(self, name: str) -> str:
        """The text of an answer."""
        answer = self.answers[name]
        assert isinstance(answer, tasks.Text)
        return answer.text.strip()

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts of an answer; none where it was not asked for."""
        answer = self.answers.get(name)
        if isinstance(answer, tasks.Subqueries):
            return tuple(answer.subqueries)
        return tuple(answer.texts) if isinstance(answer, tasks.Texts) else ()

    def paraphrases(self, wanted: int) -> list[str]:
        """The other wordings that pass the query's checks and say it differently."""
        texts = tasks.other_wordings(self.text("query"), self.texts("paraphrases"))
        return [text for text in texts if query_flaw(self.story, text) is None][:wanted]

    def answered(self) -> tasks.AnsweredStory:
        """The whole sample, as the judge sees it."""
        return tasks.AnsweredStory(self.story, self.texts("subqueries"), self.text("query"), self.text("response"))
