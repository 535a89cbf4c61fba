"""A folder as the Hugging Face hub takes it: Parquet files for each split, and a dataset card."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from goat_ray.records import Sample, without_failures
from goat_ray.synthesis.exports.chat import messages
from goat_ray.synthesis.exports.corpus import Corpus
from goat_ray.synthesis.exports.tools import openai_tool

ROWS_PER_FILE = 50_000
ROWS_PER_GROUP = 1_000  # of each split in memory at a time
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
    splits: dict[str, _SplitFiles] = {}
    with ExitStack() as stack:
        for sample in corpus:
            if sample.split not in splits:
                splits[sample.split] = stack.enter_context(closing(_SplitFiles(folder / "data", sample.split)))
            splits[sample.split].add(_row(sample, corpus))
    (folder / "README.md").write_text("\n".join(_card(corpus, list(splits))) + "\n", encoding="utf-8")
    return {f"data/{split}": files.rows for split, files in splits.items()}


class _SplitFiles:
    """The files of one split, written a row group at a time, so that a corpus of any size takes little memory."""

    def __init__(self, folder: Path, split: str) -> None:
        self._folder = folder
        self._split = split
        self._pending: list[dict[str, Any]] = []
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0

    def add(self, row: dict[str, Any]) -> None:
        """Append one row."""
        self._pending.append(row)
        self.rows += 1
        if len(self._pending) == ROWS_PER_GROUP or self.rows % ROWS_PER_FILE == 0:
            self._flush()
        if self.rows % ROWS_PER_FILE == 0:
            self.close()

    def _flush(self) -> None:
        if self._writer is None:
            number = (self.rows - 1) // ROWS_PER_FILE
            self._writer = pq.ParquetWriter(self._folder / f"{self._split}-{number:05d}.parquet", SCHEMA)
        self._writer.write_table(pa.Table.from_pylist(self._pending, schema=SCHEMA))
        self._pending = []

    def close(self) -> None:
        """Write what is left and end the file."""
        if self._pending:
            self._flush()
        if self._writer is not None:
            self._writer.close()
            self._writer = None


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
    report = corpus.report()
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
