"""From examples to token ids and labels, with argument values left out of the loss exactly.

The loss mask comes from the character offsets that the tokenizer itself reports. A token that covers
even one character of a masked span is masked as a whole: half a value would still teach the value.
"""

import hashlib
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from goat_ray.errors import ModelError
from goat_ray.places import fetched
from goat_ray.records import Example, Span

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""The label that PyTorch's cross entropy skips."""

SHORTEST_PROMPT = 32
"""Tokens of the prompt that must fit beside the target; a longer prompt is cut down to what fits."""

TOO_LONG = "target-too-long"
"""Why an example is dropped: its target leaves no room for a prompt. Targets are never cut."""


@dataclass(frozen=True)
class Tokens:
    """One example for the model: ``labels[i]`` is ``input_ids[i]`` where it is trained, else ``IGNORED``."""

    input_ids: list[int]
    labels: list[int]
    cut: int = 0  # tokens taken out of the prompt's middle

    @property
    def trained(self) -> int:
        """How many tokens the loss falls on."""
        return sum(label != IGNORED for label in self.labels)


@lru_cache(maxsize=4)
def load_tokenizer(name: str) -> "PreTrainedTokenizerBase":
    """The tokenizer of a base model; raises ``ModelError`` if it cannot be had or lacks what training needs."""
    from transformers import AutoTokenizer  # brings torch with it: seconds that no data task should pay

    try:
        tokenizer = AutoTokenizer.from_pretrained(fetched(name))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the tokenizer of {name!r} cannot be loaded: {' '.join(str(error).split())}",
            remedy="Set base_model to a folder in the Hugging Face layout, to a hub name that this machine can reach, "
            "or to 'tiny'",
        ) from error
    if not tokenizer.is_fast:
        raise ModelError(
            f"the tokenizer of {name!r} reports no character offsets, so values cannot be masked exactly",
            remedy="Choose a base model that has a tokenizer.json",
        )
    if not tokenizer.chat_template or tokenizer.eos_token_id is None:
        raise ModelError(
            f"the tokenizer of {name!r} has no chat template or no end-of-text token",
            remedy="Choose the chat (instruct) variant of the model, or add a chat_template.jinja to its folder",
        )
    return tokenizer


@dataclass(frozen=True)
class PackedTokenizer:
    """A tokenizer on its way to the tasks that use it: each process unpacks it once."""

    id: str
    payload: bytes = field(compare=False, repr=False)

    @classmethod
    def pack(cls, tokenizer: "PreTrainedTokenizerBase") -> "PackedTokenizer":
        """The bytes of a loaded tokenizer, so that tasks need neither its files nor a hub."""
        payload = pickle.dumps(tokenizer)
        return cls(hashlib.sha256(payload).hexdigest(), payload)

    @lru_cache(maxsize=4)  # noqa: B019 - the point is to keep the few that there are
    def unpack(self) -> "PreTrainedTokenizerBase":
        """The tokenizer."""
        tokenizer: PreTrainedTokenizerBase = pickle.loads(self.payload)  # noqa: S301 - packed by our own driver
        return tokenizer


def tokenize(example: Example, tokenizer: "PreTrainedTokenizerBase", max_length: int) -> Tokens | None:
    """Token ids and labels of an example in at most ``max_length`` tokens; None is ``TOO_LONG``.

    The prompt is one user message in the model's chat template. Where both do not fit, the middle of
    the prompt goes: its head holds the template's and the task's opening, its tail what was asked last.
    """
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": example.prompt}], add_generation_prompt=True, tokenize=False
    )
    prompt: list[int] = tokenizer(rendered, add_special_tokens=False, verbose=False)["input_ids"]
    target, labels = label_target(example.target, example.masked, tokenizer)
    end = tokenizer.eos_token_id
    room = max_length - len(target) - 1
    if room < min(len(prompt), SHORTEST_PROMPT):
        return None
    cut = max(0, len(prompt) - room)
    if cut:
        head = room // 2
        prompt = prompt[:head] + prompt[head + cut :]
    return Tokens([*prompt, *target, end], [IGNORED] * len(prompt) + [*labels, end], cut)


def label_target(
    target: str, masked: Sequence[Span], tokenizer: "PreTrainedTokenizerBase"
) -> tuple[list[int], list[int]]:
    """Token ids of a target and their labels: ``IGNORED`` on each token that touches a masked span."""
    # Special tokens in the text itself are data: "<|im_end|>" in an answer must not become the end of it.
    encoded = tokenizer(
        target, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=True, verbose=False
    )
    ids: list[int] = encoded["input_ids"]
    reach = extents(encoded["offset_mapping"], len(target))
    spans = sorted((span.start, span.end) for span in masked if span.end > span.start)
    labels = [
        IGNORED if any(start < span_end and span_start < end for span_start, span_end in spans) else token
        for token, (start, end) in zip(ids, reach, strict=True)
    ]
    return ids, labels


def extents(offsets: Sequence[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """The characters ``[start, end)`` each token may stand for, in a text of ``length`` characters.

    Some tokenizers trim blanks from the offsets they report (Llama 3 and GPT-2 do), so that blanks
    belong to no token. They are given to both neighbours: whichever token holds them, it is not missed.
    """
    reach = []
    reached = 0  # end of the text covered so far
    for index, (start, end) in enumerate(offsets):
        following = offsets[index + 1][0] if index + 1 < len(offsets) else length
        reach.append((min(start, reached), max(end, following)))
        reached = max(reached, end)
    return reach


def masked_text(example: Example, tokenizer: "PreTrainedTokenizerBase", blank: str = "█") -> str:
    """The target as the loss sees it, for people and tests: a blank for each character of no trained token."""
    encoded = tokenizer(
        example.target, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=True, verbose=False
    )
    _, labels = label_target(example.target, example.masked, tokenizer)
    trained = [False] * len(example.target)
    for label, (start, end) in zip(labels, extents(encoded["offset_mapping"], len(trained)), strict=True):
        if label != IGNORED:
            trained[start:end] = [True] * (end - start)
    return "".join(character if seen else blank for character, seen in zip(example.target, trained, strict=True))
