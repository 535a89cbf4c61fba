"""Samples as training examples: plan, one for each call, and answer (paper: section 3.3), or a chat with tool calls."""

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from goat_ray.agent import prompts
from goat_ray.agent.chat_form import chat_of
from goat_ray.agent.config import AgentConfig
from goat_ray.identity import content_id
from goat_ray.records import (
    ApiFunction,
    Example,
    ExampleKind,
    Lookalikes,
    Reject,
    Sample,
    Span,
    without_failures,
)
from goat_ray.rows import Json
from goat_ray.settings import Settings
from goat_ray.step import Resources, Step
from goat_ray.storage import Dataset, FunctionStore
from goat_ray.synthesis.distractors import FEWEST, Distractors, DistractorsConfig
from goat_ray.synthesis.splits import SplitsConfig


class ExamplesConfig(Settings):
    """How samples become examples."""

    form: Literal["prompts", "chat"] = Field(
        "prompts",
        description="prompts: the paper's, a plan, calls and an answer apart, which agent.mode plan runs. chat: the "
        "whole sample as a chat with tool calls in the base model's own template, which agent.mode chat runs.",
    )
    loss: Literal["trajectory", "answer"] = Field(
        "trajectory",
        description="Of a chat: every turn of the assistant (what it is after, calls, answer), or the answer alone. "
        "Results of calls are never trained. Of prompts, training.agent.kinds says the same.",
    )
    mask_values: bool = Field(
        True,
        description="Keep argument values out of the loss, as the paper does. A model made from scratch has "
        "never learned to copy, so for such a base the values have to be trained too.",
    )
    paraphrases: bool = Field(True, description="Make plan examples of the paraphrases too.")
    distractors: DistractorsConfig = DistractorsConfig()


class FormatExamples(Step[Sample, Example]):
    """Writes the examples of each sample."""

    name = "format"
    version = 5
    takes = Sample
    gives = Example
    one_to_one = False

    def __init__(
        self,
        functions: str,
        config: ExamplesConfig,
        agent: AgentConfig,
        lookalikes: Dataset[Lookalikes] | None = None,
        splits: SplitsConfig | None = None,
    ) -> None:
        self.functions = functions  # Parquet folder of the functions dataset
        self.lookalikes = lookalikes  # without them all distractors are random
        self.config = config
        self.agent = agent
        self.splits = splits or SplitsConfig()  # that the samples were given
        self.resources = Resources()

    def settings(self) -> Json:
        return {
            "examples": self.config.model_dump(mode="json"),
            "prompt": self.agent.prompt.model_dump(mode="json"),
            "candidates": self.agent.candidates,
            "lookalikes": self.lookalikes.fingerprint if self.lookalikes else "",
            "unseen": [self.splits.unseen_functions, self.splits.seed],
        }

    def start(self) -> None:
        self.store = FunctionStore.open(self.functions)
        data = self.lookalikes.data if self.lookalikes else ""
        self.distractors = Distractors(self.store, self.config.distractors, data, self.splits)

    def process(self, batch: Sequence[Sample]) -> Iterator[Example | Reject]:
        for sample in batch:
            yield from self._examples(sample)

    def _examples(self, sample: Sample) -> Iterator[Example]:
        config = self.agent.prompt
        functions = [self.store[call.function] for call in sample.calls]
        planned = [self.store[call.function] for call in without_failures(sample.calls)]
        # A chat brings whole schemas and must fit as a whole; a plan has a line for each function.
        fewest = 0 if self.config.form == "chat" else FEWEST
        queries = [sample.query, *(sample.paraphrases if self.config.paraphrases and sample.split == "train" else [])]
        for query in queries:
            candidates = self.distractors.offered(
                functions, self.agent.candidates, sample.id, query, split=sample.split, fewest=fewest
            )
            if self.config.form == "chat":
                yield self._example(sample, "chat", self._chat(sample, query, candidates), "")
                continue
            prompt, target = prompts.plan_prompt(query, candidates, config), prompts.plan_target(planned, candidates)
            yield self._example(sample, "plan", prompt, target)
        if self.config.form == "chat":
            return
        made: list[prompts.Made] = []
        for function, call in zip(functions, sample.calls, strict=True):
            if call.corrected_by is None:  # nobody should learn to fail, only to go on after a failure
                target, spans = prompts.call_target(call.arguments, config)
                prompt = prompts.call_prompt(sample.query, made, function, config)
                yield self._example(sample, "call", prompt, target, spans if self.config.mask_values else [])
            made.append(prompts.Made(function, call.values, call.body))
        yield self._example(sample, "answer", prompts.answer_prompt(sample.query, made, config), sample.response)

    def _chat(self, sample: Sample, query: str, offered: Sequence[ApiFunction]) -> str:
        return chat_of(
            sample,
            query,
            offered,
            self.agent.prompt,
            mask_values=self.config.mask_values,
            answer_only=self.config.loss == "answer",
        ).model_dump_json()

    def _example(
        self, sample: Sample, kind: ExampleKind, prompt: str, target: str, masked: Sequence[Span] = ()
    ) -> Example:
        return Example(
            id=content_id(sample.id, kind, prompt),
            sample=sample.id,
            kind=kind,
            split=sample.split,
            prompt=prompt,
            target=target,
            masked=list(masked),
        )
