"""Chats with tool calls: OpenAI's ``messages`` and ``tools``, and ShareGPT's conversations.

OpenAI's API wants arguments as JSON text. Chat templates of Hugging Face write them with ``tojson``, so TRL wants
objects, which ``datasets`` reads as they are from version 4.7.0 on (before, Arrow gave each object the keys of all
others, or failed where two had another type). Axolotl turns arguments and schemas that are JSON text into objects by
itself. LLaMA-Factory does not see through what Arrow adds to ``messages``; ShareGPT's form has texts only.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from goat_ray.identity import canonical_json, content_id
from goat_ray.records import ApiFunction, ExecutedCall, Sample, without_failures
from goat_ray.synthesis.exports.corpus import Corpus
from goat_ray.synthesis.exports.files import JsonFiles
from goat_ray.synthesis.exports.tools import openai_tool


def messages(sample: Sample, names: dict[str, str], *, for_api: bool, as_text: bool = False) -> list[dict[str, Any]]:
    """The chat of one sample: query, then calls and their results, then the response.

    ``as_text`` writes arguments as JSON text. ``for_api`` is OpenAI's own form: arguments as JSON text, too, and calls
    that do not depend on each other in one turn; a call that failed is shown in a turn of weight 0, which is not
    trained. Some chat templates refuse a turn with several calls, so without it each call has a turn; and as nothing
    tells those trainers what not to train, calls that failed are left out.
    """
    calls = sample.calls if for_api else without_failures(sample.calls)
    chat: list[dict[str, Any]] = [{"role": "user", "content": sample.query}]
    for turn in _turns(calls) if for_api else [[number] for number in range(len(calls))]:
        made, heard = [], []
        for number in turn:
            call = calls[number]
            id_ = content_id(sample.id, number)[:9]  # Mistral's templates demand nine letters and digits
            arguments = canonical_json(call.values) if for_api or as_text else call.values
            made.append(
                {"id": id_, "type": "function", "function": {"name": names[call.function], "arguments": arguments}}
            )
            content = json.dumps(call.body, ensure_ascii=False)
            heard.append({"role": "tool", "tool_call_id": id_, "name": names[call.function], "content": content})
        weight = {} if calls[turn[0]].corrected_by is None else {"weight": 0}
        chat += [{"role": "assistant", "content": "", "tool_calls": made, **weight}, *heard]
    chat.append({"role": "assistant", "content": sample.response})
    return chat


def _turns(calls: Sequence[ExecutedCall]) -> list[list[int]]:
    """Numbers of the calls that may be made at once, in the order of their groups; those that failed by themselves."""
    turns: dict[tuple[int, bool], list[int]] = {}
    for number, call in enumerate(calls):
        turns.setdefault((call.group, call.corrected_by is None), []).append(number)
    return [turns[turn] for turn in sorted(turns)]


def write_openai(corpus: Corpus, folder: Path) -> dict[str, int]:
    """One JSON object a line as OpenAI's fine-tuning takes it, a file for each split."""
    return _write_lines(corpus, folder, lambda sample: messages(sample, corpus.names, for_api=True), openai_tool)


def write_messages(corpus: Corpus, folder: Path) -> dict[str, int]:
    """The same for Hugging Face chat templates, as TRL takes it: arguments as objects, and one call in a turn."""
    return _write_lines(corpus, folder, lambda sample: messages(sample, corpus.names, for_api=False), openai_tool)


def write_axolotl(corpus: Corpus, folder: Path) -> dict[str, int]:
    """The same for Axolotl's ``chat_template``: arguments and the tools' schemas as JSON text."""
    return _write_lines(
        corpus, folder, lambda sample: messages(sample, corpus.names, for_api=False, as_text=True), _axolotl_tool
    )


def _axolotl_tool(function: ApiFunction, name: str) -> dict[str, Any]:
    tool = openai_tool(function, name)
    tool["function"]["parameters"] = json.dumps(tool["function"]["parameters"], ensure_ascii=False)
    return tool


def _write_lines(
    corpus: Corpus,
    folder: Path,
    chat: Callable[[Sample], list[dict[str, Any]]],
    tool: Callable[[ApiFunction, str], dict[str, Any]],
) -> dict[str, int]:
    with JsonFiles(folder) as files:
        for sample in corpus:
            tools = [tool(function, corpus.names[function.id]) for function in corpus.offered(sample)]
            files.add(f"{sample.split}.jsonl", {"messages": chat(sample), "tools": tools})
    return files.counts


def write_sharegpt(corpus: Corpus, folder: Path) -> dict[str, int]:
    """ShareGPT's form for function calling, as LLaMA-Factory reads it: a JSON list for each split."""
    with JsonFiles(folder) as files:
        for sample in corpus:
            turns = [{"from": "human", "value": sample.query}]
            for call in without_failures(sample.calls):  # here, too, nothing tells what not to train
                called = {"name": corpus.names[call.function], "arguments": call.values}
                turns.append({"from": "function_call", "value": json.dumps(called, ensure_ascii=False)})
                turns.append({"from": "observation", "value": json.dumps(call.body, ensure_ascii=False)})
            turns.append({"from": "gpt", "value": sample.response})
            tools = [
                openai_tool(function, corpus.names[function.id])["function"] for function in corpus.offered(sample)
            ]
            files.add(f"{sample.split}.json", {"conversations": turns, "tools": json.dumps(tools, ensure_ascii=False)})
    return files.counts
