"""The language tasks of synthesis: sub-queries, the query, its paraphrases, the response and the judge."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pydantic import Field

from goat_ray.teacher.checks import query_flaw, response_flaw, subquery_flaw
from goat_ray.teacher.shortening import LEVELS, shorter_story
from goat_ray.teacher.story import Story
from goat_ray.teacher.task import MAX_REASON, Answer, Failure, Message, Task, prompt
from goat_ray.teacher.telling import Teller


class Subqueries(Answer):
    """One instruction per call."""

    subqueries: list[str]


class Text(Answer):
    """One text."""

    text: str = Field(max_length=1200)


class Texts(Answer):
    """Several texts."""

    texts: list[str]


class Judgement(Answer):
    """Whether a sample may be kept."""

    accept: bool = Field(description="true only if every criterion holds")
    reason: str = Field(description="one sentence; the first criterion that fails, if any", max_length=MAX_REASON)


class WriteSubqueries(Task[Story, Subqueries]):
    """An instruction for each call by itself."""

    name = "write-subqueries"
    version = 4
    answer = Subqueries

    def messages(self, request: Story) -> list[Message]:
        return prompt(
            "You describe API calls as short instructions to an assistant, exactly one per call, in order, in English, "
            "without naming APIs or parameters. Refer to outputs of earlier calls in words, never by id. "
            "Answer in JSON.",
            f"Calls:\n{request.prompt(outputs=False)}",
        )

    def shortened(self, request: Story, level: int) -> Story | None:
        return shorter_story(request, level) if level <= LEVELS else None

    def flaw(self, request: Story, answer: Subqueries) -> str | None:
        wanted, given = len(request.calls), len(answer.subqueries)
        if given != wanted:
            return f"There are {wanted} calls, and {given} instructions."
        flaws = (subquery_flaw(request, subquery) for subquery in answer.subqueries)
        return next((flaw.detail.replace("query", "instruction", 1) for flaw in flaws if flaw), None)

    def rule(self, request: Story) -> Subqueries | Failure:
        teller = Teller(request)
        return Subqueries(subqueries=[teller.subquery(number) for number in range(len(request.calls))])


@dataclass(frozen=True)
class ToldStory:
    """A story with its sub-queries."""

    story: Story
    subqueries: tuple[str, ...]


class WriteQuery(Task[ToldStory, Text]):
    """The one goal that makes all calls necessary (paper: the user query written last)."""

    name = "write-query"
    version = 3
    answer = Text

    def messages(self, request: ToldStory) -> list[Message]:
        steps = "\n".join(f"- {subquery}" for subquery in request.subqueries)
        return prompt(
            "You write what a person would ask an assistant who then makes the given "
            "calls. State the goal in one or two plain English sentences, as a question or a request. Do not list the "
            "steps, do not name APIs or parameters, do not use values that only the calls reveal. Mention every value "
            "given by the user, as it is written. Say which item of a list is meant as the calls chose it: the "
            "second, the highest rated, each of the first three. Answer in JSON.",
            f"Calls:\n{request.story.prompt(outputs=False)}\n\nWhat they do:\n{steps}",
        )

    def shortened(self, request: ToldStory, level: int) -> ToldStory | None:
        return replace(request, story=shorter_story(request.story, level)) if level <= LEVELS else None

    def rule(self, request: ToldStory) -> Text | Failure:
        return Text(text=Teller(request.story).query())


@dataclass(frozen=True)
class AskedStory:
    """A story with its query, and how many paraphrases are wanted."""

    story: Story
    query: str
    paraphrases: int = 0


class Paraphrase(Task[AskedStory, Texts]):
    """Other wordings of the query with the same content."""

    name = "paraphrase"
    version = 4
    answer = Texts

    def messages(self, request: AskedStory) -> list[Message]:
        return prompt(
            "You reword requests in English. Keep every name, number and condition as it is written, add none, and "
            "list no steps. Answer in JSON.",
            f"Give {request.paraphrases} other wordings of: {request.query}",
        )

    def flaw(self, request: AskedStory, answer: Texts) -> str | None:
        texts = other_wordings(request.query, answer.texts)
        flaws = [flaw for text in texts if (flaw := query_flaw(request.story, text))]
        if len(texts) - len(flaws) >= request.paraphrases:
            return None
        if flaws:
            return flaws[0].detail.replace("query", "wording", 1)
        return f"There are to be {request.paraphrases} new wordings, each another, and {len(texts)} are."

    def rule(self, request: AskedStory) -> Texts | Failure:
        found: list[str] = []
        for variant in range(1, 4 * request.paraphrases + 1):
            if len(found) == request.paraphrases:
                break
            query = Teller(request.story, variant).query()
            if query not in (request.query, *found):
                found.append(query)
        return Texts(texts=found)


def other_wordings(query: str, texts: Iterable[str]) -> list[str]:
    """The texts that say something differently, each once."""
    return [text for text in dict.fromkeys(text.strip() for text in texts) if text != query]


class WriteResponse(Task[AskedStory, Text]):
    """The final answer, from the outputs alone."""

    name = "write-response"
    version = 3
    answer = Text

    def messages(self, request: AskedStory) -> list[Message]:
        return prompt(
            "You answer the user's request from the outputs of the calls that were made. "
            "Say only what the outputs say: every number and every name must stand in an output or in the request, "
            "as it is written there. Answer in JSON.",
            f"Calls and outputs:\n{request.story.prompt(outputs=True)}\n\nRequest: {request.query}",
        )

    def shortened(self, request: AskedStory, level: int) -> AskedStory | None:
        return replace(request, story=shorter_story(request.story, level)) if level <= LEVELS else None

    def rule(self, request: AskedStory) -> Text | Failure:
        return Text(text=Teller(request.story).response())


@dataclass(frozen=True)
class AnsweredStory:
    """A whole sample for the judge."""

    story: Story
    subqueries: tuple[str, ...]
    query: str
    response: str


class JudgeSample(Task[AnsweredStory, Judgement]):
    """Keeps samples whose query implies all calls and whose response fits (paper: section 3.2, last step)."""

    name = "judge-sample"
    version = 4
    answer = Judgement

    def messages(self, request: AnsweredStory) -> list[Message]:
        steps = "\n".join(f"- {subquery}" for subquery in request.subqueries)
        return prompt(
            "You check training samples. Accept only if (1) the request reads like a "
            "person's goal, (2) it makes every step necessary, (3) it contains all values the user must give "
            "and no value that only a call reveals, (4) it says which item of a list is meant wherever that is not the "
            "first, as the call chose it, (5) the response follows from the outputs. Answer in JSON.",
            f"Calls and outputs:\n{request.story.prompt(outputs=True)}\n\nSteps:\n{steps}"
            f"\n\nRequest: {request.query}\n\nResponse: {request.response}",
        )

    def shortened(self, request: AnsweredStory, level: int) -> AnsweredStory | None:
        return replace(request, story=shorter_story(request.story, level)) if level <= LEVELS else None

    def rule(self, request: AnsweredStory) -> Judgement | Failure:
        flaw = query_flaw(request.story, request.query) or response_flaw(request.story, request.query, request.response)
        return Judgement(accept=flaw is None, reason=flaw.detail if flaw else "passes all checks by rule")
