"""From chats to token ids and labels, in the base model's own template, with argument values left out exactly.

A template may write arguments as it likes, so nothing is known of how a value looks in its text. But a chat that
differs in one value alone differs in its text where that value stands, and nowhere else. A turn of the assistant begins
where the template asks for one, and ends with the end of text that the model is to write.
"""

import copy
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from goat_ray.agent.chat_form import Chat, ChatTurns
from goat_ray.errors import ModelError
from goat_ray.records import Example
from goat_ray.training.tokenization import IGNORED, TOO_LONG, Tokens, extents, tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

HOLDS_MARKER = "holds-special-token"
"""Why a chat is dropped: some text in it is one of the marks by which the model tells turns apart."""

Stretch = tuple[int, int]  # of characters: [start, end)


def tokenize_any(example: Example, tokenizer: "PreTrainedTokenizerBase", max_length: int) -> Tokens | str:
    """Token ids and labels of an example of any kind, or why it is dropped."""
    if example.kind == "chat":
        return tokenize_chat(Chat.model_validate_json(example.prompt), tokenizer, max_length)
    return tokenize(example, tokenizer, max_length) or TOO_LONG


def tokenize_chat(chat: Chat, tokenizer: "PreTrainedTokenizerBase", max_length: int) -> Tokens | str:
    """Token ids and labels of a chat in at most ``max_length`` tokens, or why it is dropped. Chats are never cut.

    Raises ``ModelError`` where the template cannot write such chats, or so that no turn is found in its text again.
    """
    if any(mark in text for text in _texts([chat.tools, chat.messages]) for mark in tokenizer.all_special_tokens):
        return HOLDS_MARKER
    text = _rendered(chat, chat.messages, tokenizer)
    trained = [_turn(chat, number, text, tokenizer) for number in chat.trained]
    masked = [_value(chat, number, name, text, tokenizer) for number, names in chat.masked.items() for name in names]
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    ids: list[int] = encoded["input_ids"]
    if len(ids) > max_length:
        return TOO_LONG
    offsets = encoded["offset_mapping"]
    labels = [
        token if _within(own, trained) and not _touches(reach, masked) else IGNORED
        for token, own, reach in zip(ids, offsets, extents(offsets, len(text)), strict=True)
    ]
    return Tokens(ids, labels)


def _rendered(chat: Chat, messages: ChatTurns, tokenizer: "PreTrainedTokenizerBase", *, ask: bool = False) -> str:
    try:
        text = tokenizer.apply_chat_template(messages, tools=[*chat.tools], tokenize=False, add_generation_prompt=ask)
    except Exception as error:  # templates raise what they like
        raise _unfit(tokenizer, f"cannot write a chat with tools: {' '.join(str(error).split())}") from error
    return str(text)


def _turn(chat: Chat, number: int, text: str, tokenizer: "PreTrainedTokenizerBase") -> Stretch:
    """What the assistant writes in a message, with the end that stops it."""
    asked = _rendered(chat, chat.messages[:number], tokenizer, ask=True)
    end = text.find(tokenizer.eos_token, len(asked))
    if not text.startswith(asked) or end < 0:
        raise _unfit(tokenizer, "writes a turn of the assistant in another way than it asks for one")
    return len(asked), end + len(tokenizer.eos_token)


def _value(chat: Chat, number: int, name: str, text: str, tokenizer: "PreTrainedTokenizerBase") -> Stretch:
    """Where an argument's value stands; quotes around a text are structure, as in the paper's prompts."""
    messages = copy.deepcopy(chat.messages[: number + 1]) + chat.messages[number + 1 :]
    arguments = messages[number]["tool_calls"][0]["function"]["arguments"]
    arguments[name] = stand_in = _stand_in(isinstance(arguments[name], str), text)
    before, found, after = _rendered(chat, messages, tokenizer).partition(str(stand_in))
    if not found or not text.startswith(before) or not text.endswith(after):
        raise _unfit(tokenizer, "does not write the arguments of tool calls, or each of them more than once")
    return len(before), len(text) - len(after)


def _stand_in(is_text: bool, text: str) -> str | int:
    """A value for another's place: one that no template escapes, and that is not in the text.

    No end of it is like its beginning, so that it cannot be found too early either.
    """
    for length in itertools.count(8):
        stand_in = "V" + "q" * length if is_text else int("8" + "1" * length)
        if str(stand_in) not in text:
            return stand_in
    raise AssertionError("texts are finite")


def _unfit(tokenizer: "PreTrainedTokenizerBase", why: str) -> ModelError:
    return ModelError(
        f"the chat template of {tokenizer.name_or_path!r} {why}",
        remedy="Choose a base model whose template knows tools, or set training.examples.form to prompts",
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _within(token: Stretch, stretches: list[Stretch]) -> bool:
    return any(start <= token[0] and token[1] <= end for start, end in stretches)


def _touches(token: Stretch, stretches: list[Stretch]) -> bool:
    return any(token[0] < end and start < token[1] for start, end in stretches if start < end)
