"""A folder as the Hugging Face hub takes it: Parquet files for each split, and a dataset card."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from goat_ray.records import Sample, without_failures
from goat_ray.synthesis.exports.chat import messages
from goat_ray.synthesis.exports.corpus import Corpus
from goat_ray.synthesis.exports.tools import openai_tool
from goat_ray.synthesis.report import CorpusReport

ROWS_PER_FILE = 50_000
SHOWN = 10
# Calls, messages and tools are JSON text: Arrow would give every object the keys of all others.
SCHEMA = pa.schema(
    {name: pa.string() for name in ("id", "query", "response")}
    | {name: pa.list_(pa.string()) for name in ("subqueries", "paraphrases")}
    | {name: pa.string() for name in ("calls", "messages", "tools")}
)


def write(corpus: Corpus, folder: Path) -> dict[str, int]:
    """``data/SPLIT-00000.parquet`` and so on, and ``README.md``."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    pending: dict[str, list[dict[str, Any]]] = {}
    files: dict[str, int] = {}

    def flush(split: str) -> None:
        name = f"{split}-{files.get(split, 0):05d}.parquet"
        pq.write_table(pa.Table.from_pylist(pending.pop(split), schema=SCHEMA), folder / "data" / name)
        files[split] = files.get(split, 0) + 1

    for sample in corpus:
        pending.setdefault(sample.split, []).append(_row(sample, corpus))
        counts[sample.split] = counts.get(sample.split, 0) + 1
        if len(pending[sample.split]) == ROWS_PER_FILE:
            flush(sample.split)
    for split in list(pending):
        flush(split)
    (folder / "README.md").write_text("\n".join(_card(corpus, list(counts))) + "\n", encoding="utf-8")
    return {f"data/{split}": count for split, count in counts.items()}


def _row(sample: Sample, corpus: Corpus) -> dict[str, Any]:
    tools = [openai_tool(function, corpus.names[function.id]) for function in corpus.offered(sample)]
    return {
        **sample.model_dump(include={"id", "query", "response", "subqueries", "paraphrases"}),
        "calls": json.dumps([call.model_dump(mode="json") for call in sample.calls], ensure_ascii=False),
        "messages": json.dumps(messages(sample, corpus.names, for_api=False), ensure_ascii=False),
        "tools": json.dumps(tools, ensure_ascii=False),
    }


def _card(corpus: Corpus, splits: list[str]) -> Iterator[str]:
    """The card: metadata that the hub reads, then what the corpus is like and some of its samples."""
    report = CorpusReport.of(corpus, corpus.functions)
    yield "---"
    yield "language: [en]"
    yield "task_categories: [text-generation]"
    yield "tags: [tool-use, function-calling, synthetic, goat-ray]"
    yield "configs:\n- config_name: default\n  data_files:"
    for split in splits:
        yield f"  - split: {split}\n    path: data/{split}-*.parquet"
    yield "---\n\n# Goal-oriented tool use\n"
    yield (
        "Made by goat-ray from API documents alone, with the method of GOAT (arXiv 2510.12218): the calls were "
        "executed first, and the queries written afterwards. `calls`, `messages` and `tools` are JSON text.\n"
    )
    yield "```text"
    yield from report.lines()
    yield from corpus.history
    yield "```\n\n## Samples\n"
    stride = max(1, report.samples // SHOWN)
    for sample in islice(islice(corpus, 0, None, stride), SHOWN):
        path = " → ".join(corpus.functions[call.function].title for call in without_failures(sample.calls))
        yield f"- **{sample.query}**\n  {path}\n  *{sample.response}*"
