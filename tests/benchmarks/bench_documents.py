"""How fast documents are read on one core, beside what the raw parser takes for the same bytes.

.venv/bin/python -m tests.benchmarks.bench_documents ../shared/data
"""

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.records import ApiFunction

ROUNDS = 3
DOCUMENTS = (
    "restbench/tmdb_oas.json",
    "openapi/slack_web_openapi_v2.json",
    "openapi/xero_accounting.yaml",
    "openapi/adyen_checkout_v71.yaml",
)
GROWN = "restbench/tmdb_oas.json"


def best(what: Callable[[], Any]) -> tuple[Any, float]:
    """(result, least CPU seconds of ``ROUNDS``): others share the machine."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        result = what()
        seconds.append(time.process_time() - start)
    return result, min(seconds)


def ingested(path: Path) -> tuple[int, float]:
    """(number of functions, CPU seconds) of reading all documents at a path."""
    config = DocumentsConfig(paths=[str(path)])
    documents = discover(config)
    step = Ingest(config)
    return best(lambda: sum(isinstance(found, ApiFunction) for found in step.process(documents)))


def raw(content: str, name: str) -> float:
    """CPU seconds of the parser alone."""
    if name.endswith(".json"):
        return best(lambda: json.loads(content))[1]
    return best(lambda: yaml.load(content, Loader=yaml.CSafeLoader))[1]


def main(data: str) -> None:
    """Print a line for each document, and for growing numbers of documents."""
    for name in DOCUMENTS:
        count, seconds = ingested(Path(data, name))
        parser = raw(Path(data, name).read_text(encoding="utf-8"), name)
        print(f"{name:<36}{count:>5} operations {count / seconds:>7,.0f}/s {seconds / parser:>6.1f} x the raw parser")
    content = Path(data, GROWN).read_text(encoding="utf-8")
    for copies in (5, 10, 20):
        with tempfile.TemporaryDirectory() as folder:
            for number in range(copies):
                changed = re.sub(r'"title": *"', f'"title": "Copy {number} of ', content, count=1)
                Path(folder, f"{number}.json").write_text(changed, encoding="utf-8")
            count, seconds = ingested(Path(folder))
        each = f"{seconds / copies * 1e3:.1f} ms each"
        print(f"{copies:>3} documents {count:>6} operations {count / seconds:>7,.0f}/s {each}")


if __name__ == "__main__":
    main(sys.argv[1])
