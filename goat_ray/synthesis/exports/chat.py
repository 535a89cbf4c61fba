"""Chats with tool calls: OpenAI's ``messages`` and ``tools``, and ShareGPT's conversations.

One line of ``messages`` is what OpenAI's fine-tuning, TRL, Axolotl and LLaMA-Factory's openai format read. Chat
templates of Hugging Face write arguments with ``tojson``, so they want objects where OpenAI's API wants JSON text.
"""

import json
from pathlib import Path
from typing import Any

from goat_ray.identity import canonical_json, content_id
from goat_ray.records import Sample
from goat_ray.synthesis.exports.corpus import Corpus
from goat_ray.synthesis.exports.files import JsonFiles
from goat_ray.synthesis.exports.tools import openai_tool


def messages(sample: Sample, names: dict[str, str], *, for_api: bool) -> list[dict[str, Any]]:
    """The chat of one sample: query, then calls and their results, then the response.

    ``for_api`` is OpenAI's own form: arguments as JSON text, and calls that do not depend on each other in one turn.
    Some chat templates refuse a turn with several calls, so without it each call has a turn.
    """
    chat: list[dict[str, Any]] = [{"role": "user", "content": sample.query}]
    for turn in _groups(sample) if for_api else [[number] for number in range(len(sample.calls))]:
        made, heard = [], []
        for number in turn:
            call = sample.calls[number]
            id_ = content_id(sample.id, number)[:9]  # Mistral's templates demand nine letters and digits
            arguments = canonical_json(call.values) if for_api else call.values
            made.append(
                {"id": id_, "type": "function", "function": {"name": names[call.function], "arguments": arguments}}
            )
            content = json.dumps(call.body, ensure_ascii=False)
            heard.append({"role": "tool", "tool_call_id": id_, "name": names[call.function], "content": content})
        chat += [{"role": "assistant", "content": "", "tool_calls": made}, *heard]
    chat.append({"role": "assistant", "content": sample.response})
    return chat


def _groups(sample: Sample) -> list[list[int]]:
    """Numbers of the calls that may be made at once, in the order of their groups."""
    groups: dict[int, list[int]] = {}
    for number, call in enumerate(sample.calls):
        groups.setdefault(call.group, []).append(number)
    return [groups[group] for group in sorted(groups)]


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
            for call in sample.calls:
                called = {"name": corpus.names[call.function], "arguments": call.values}
                turns.append({"from": "function_call", "value": json.dumps(called, ensure_ascii=False)})
                turns.append({"from": "observation", "value": json.dumps(call.body, ensure_ascii=False)})
            turns.append({"from": "gpt", "value": sample.response})
            tools = [
                openai_tool(function, corpus.names[function.id])["function"] for function in corpus.offered(sample)
            ]
            files.add(f"{sample.split}.json", {"conversations": turns, "tools": json.dumps(tools, ensure_ascii=False)})
    return files.counts
