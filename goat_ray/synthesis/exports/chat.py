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


def messages(sample: Sample, names: dict[str, str], *, arguments_as_text: bool) -> list[dict[str, Any]]:
    """The chat of one sample: query, then each call and its result, then the response."""
    chat: list[dict[str, Any]] = [{"role": "user", "content": sample.query}]
    for number, call in enumerate(sample.calls):
        id_ = content_id(sample.id, number)[:9]  # Mistral's templates demand nine letters and digits
        arguments = canonical_json(call.values) if arguments_as_text else call.values
        function = {"name": names[call.function], "arguments": arguments}
        chat.append(
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": id_, "type": "function", "function": function}],
            }
        )
        chat.append(
            {
                "role": "tool",
                "tool_call_id": id_,
                "name": names[call.function],
                "content": json.dumps(call.body, ensure_ascii=False),
            }
        )
    chat.append({"role": "assistant", "content": sample.response})
    return chat


def write_openai(corpus: Corpus, folder: Path) -> dict[str, int]:
    """One JSON object a line, arguments as JSON text, a file for each split."""
    return _write_messages(corpus, folder, arguments_as_text=True)


def write_messages(corpus: Corpus, folder: Path) -> dict[str, int]:
    """The same with arguments as objects, for Hugging Face chat templates."""
    return _write_messages(corpus, folder, arguments_as_text=False)


def _write_messages(corpus: Corpus, folder: Path, *, arguments_as_text: bool) -> dict[str, int]:
    with JsonFiles(folder) as files:
        for sample in corpus:
            line = {
                "messages": messages(sample, corpus.names, arguments_as_text=arguments_as_text),
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
