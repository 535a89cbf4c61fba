"""The agent's work as a chat with tool calls, as the base model's own chat template writes it.

One place for training and runtime, as ``prompts.py`` is for the paper's prompts: the user asks, each turn of the
assistant says what it is after and calls a tool, the tool's turn holds the result, and the last turn answers.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from goat_ray.agent import prompts
from goat_ray.agent.config import PromptConfig
from goat_ray.agent.reading import Act, Reply, Unreadable
from goat_ray.records import ApiFunction, Sample
from goat_ray.storable import writable
from goat_ray.synthesis.exports.tools import openai_tool, tool_names

ChatTurns = list[dict[str, Any]]
"""Messages as Hugging Face's chat templates take them: arguments are objects, not text."""


class Chat(BaseModel):
    """A whole chat to train on. The loss falls on the turns in ``trained``, except on the ``masked`` arguments."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tools: list[dict[str, Any]]
    messages: ChatTurns
    trained: list[int]  # numbers of assistant's messages
    masked: dict[int, list[str]]  # of these messages, the names of the arguments whose values carry no loss


def named_tools(functions: Sequence[ApiFunction], config: PromptConfig) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """What a model may call, and each function's name in it by ``ApiFunction.id``."""
    names = tool_names(functions)
    tools = [openai_tool(function, names[function.id]) for function in functions]
    return [prompts.shortened(tool, config) for tool in tools], names


def call_turn(said: str, name: str, arguments: dict[str, Any], number: int) -> dict[str, Any]:
    """The assistant calls a tool; ``number`` counts the chat's calls from 0."""
    call = {"id": _id(number), "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": said, "tool_calls": [call]}


def result_turn(name: str, result: str, number: int) -> dict[str, Any]:
    """What a tool answers."""
    return {"role": "tool", "tool_call_id": _id(number), "name": name, "content": result}


def chat_of(
    sample: Sample,
    query: str,
    offered: Sequence[ApiFunction],
    config: PromptConfig,
    *,
    mask_values: bool,
    answer_only: bool,
) -> Chat:
    """A sample, in one wording of its query, as a chat in which ``offered`` can be called.

    All turns of the assistant are trained, or the answer alone; calls that failed are shown and never trained.
    """
    tools, names = named_tools(offered, config)
    messages: ChatTurns = [{"role": "user", "content": query}]
    trained: list[int] = []
    masked: dict[int, list[str]] = {}
    for number, (call, wish) in enumerate(zip(sample.calls, sample.subqueries, strict=True)):
        if call.corrected_by is None and not answer_only:
            trained.append(len(messages))
            if mask_values:
                masked[len(messages)] = [a.parameter for a in call.arguments if not prompts.is_reference(a, config)]
        arguments = {a.parameter: prompts.written_value(a, config) for a in call.arguments}
        messages.append(call_turn(wish, names[call.function], arguments, number))
        messages.append(result_turn(names[call.function], prompts.observation(call.body, config), number))
    trained.append(len(messages))
    messages.append({"role": "assistant", "content": sample.response})
    return Chat(tools=tools, messages=messages, trained=trained, masked=masked)


def read_turn(text: str) -> Act | Reply:
    """A turn as models write it: a JSON object with a name and arguments calls, any other text answers.

    That is what the templates of Hermes, Qwen, Llama 3 and Mistral teach, whatever marks they put around it.
    Of several calls the first counts.
    """
    calls = list(_calls(text))
    if calls:
        at, end, name, arguments = calls[0]
        left_out = max(len(calls), text.count("<tool_call>")) - 1  # also those that cannot be read
        return Act(_without_marks(text[:at]), name, json.dumps(arguments, ensure_ascii=False), text[:end], left_out)
    if "<tool_call>" in text or "[TOOL_CALLS]" in text:
        raise Unreadable('a call is a JSON object with "name" and "arguments"')
    if not text.strip():
        raise Unreadable("the turn is empty: call a tool, or answer")
    return Reply("", text.strip())


def _calls(text: str) -> Iterator[tuple[int, int, str, dict[str, Any]]]:
    """Start, end, name and arguments of each call in a text."""
    at = text.find("{")
    while at >= 0:
        try:
            found, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            found, end = None, at + 1
        arguments = found and (found.get("arguments", found.get("parameters")) if isinstance(found, dict) else None)
        if isinstance(found, dict) and isinstance(found.get("name"), str) and isinstance(arguments, dict):
            yield at, end, writable(found["name"]), arguments  # JSON can spell what no text can
        at = text.find("{", end)


def _without_marks(text: str) -> str:
    """What a model says before it calls."""
    for mark in ("<tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "```"):
        text = text.partition(mark)[0]
    return text.strip().removesuffix("[").strip()


def _id(number: int) -> str:
    return f"{number:09d}"  # Mistral's templates demand nine letters and digits


_DECODER = json.JSONDecoder()
