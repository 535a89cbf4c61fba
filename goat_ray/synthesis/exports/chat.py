"""Chats with tool calls: OpenAI's ``messages`` and ``tools``, and ShareGPT's conversations.

One line of ``messages`` is what OpenAI's fine-tuning, TRL, Axolotl and LLaMA-Factory's openai format read. Chat
templates of Hugging Face write arguments with ``tojson``, so they want objects where OpenAI's API wants JSON text.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goat_ray.identity import canonical_json, content_id
from goat_ray.records import ExecutedCall, Sample, without_failures
from goat_ray.synthesis.exports.corpus import Corpus
from goat_ray.synthesis.exports.files import JsonFiles
from goat_ray.synthesis.exports.tools import openai_tool


def messages(sample: Sample, names: dict[str, str], *, for_api: bool) -> list[dict[str, Any]]:
    """The chat of one sample: query, then calls and their results, then the response.

    ``for_api`` is OpenAI's own form: arguments as JSON text, and calls that do not depend on each other in one turn;
    a call that failed is shown in a turn of weight 0, which is not trained. Some chat templates refuse a turn with
    several calls, so without it each call has a turn; and as nothing tells those trainers what not to train, calls
    that failed are left out.
    """
    calls = sample.calls if for_api else without_failures(sample.calls)
    chat: list[dict[str, Any]] = [{"role": "user", "content": sample.query}]
    for turn in _turns(calls) if for_api else [[number] for number in range(len(calls))]:
        made, heard = [], []
        for number in turn:
            call = calls[number]
            id_ = content_id(sample.id, number)[:9]  # Mistral's templates demand nine letters and digits
            arguments = canonical_json(call.values) if for_api else call.values
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
    return _write_messages(corpus, folder, for_api=True)


def write_messages(corpus: Corpus, folder: Path) -> dict[str, int]:
    """The same for Hugging Face chat templates: arguments as objects, and one call in a turn."""
    return _write_messages(corpus, folder, for_api=False)


def _write_messages(corpus: Corpus, folder: Path, *, for_api: bool) -> dict[str, int]:
    with JsonFiles(folder) as files:
        for sample in corpus:
            line = {
                "messages": messages(sample, corpus.names, for_api=for_api),
                "tools": [openai_tool(function, corpus.names[function.id]) for function in corpus.offered(sample)],
            }
            files.add(f"{sample.split}.jsonl", line)
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
