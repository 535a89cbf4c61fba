"""GOATBench, and any test set in the form of GOAT's published code (arXiv 2510.12218).

A folder with ``corpus.json`` and one dataset, or a dataset in a folder below it: ``goat export --format goat`` writes
them. A call is named by its ``docid``, as in the published metric code, so that predictions of other systems score
the same here as there.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goat_ray.documents.schemas import text
from goat_ray.errors import DocumentError
from goat_ray.evaluation.benchmark import Benchmark, BenchmarkTask, by_length, counted
from goat_ray.evaluation.foreign import entry_at, json_list, member, optional_text
from goat_ray.evaluation.predictions import step_of
from goat_ray.records import ApiFunction
from goat_ray.storable import unquoted
from goat_ray.synthesis.imports import CORPUS

MEASURES = ("SA", "IA", "SR")


def goatbench(root: Path, functions: Sequence[ApiFunction]) -> Benchmark:
    """The benchmark of a dataset file with its corpus beside it, or of a folder with one dataset."""
    file = _dataset(root)
    tasks = [_task(item, f"{file}#{number}") for number, item in enumerate(json_list(file))]
    docids = _docids(_corpus_of(file))
    ours = {(function.service, function.name): function.id for function in functions}
    named = {ours[name]: docid for name, docid in docids.items() if name in ours}
    # Functions that the corpus lacks can be called, too, and are right nowhere.
    names = {function.id: named.get(function.id, function.name) for function in functions}
    missing = [docid for name, docid in docids.items() if functions and name not in ours]
    wanted = {function for task in tasks for function, _ in task.gold}
    remarks = [f"docid {docid} is not among the run's functions: no agent can call it" for docid in missing]
    remarks += [f"docid {docid} of the gold is not in the corpus" for docid in sorted(wanted - set(docids.values()))]
    return Benchmark(f"goatbench-{file.stem}", counted(tasks), names, str, remarks)


def _task(item: Any, place: str) -> BenchmarkTask:
    with entry_at(place, "is no item of a dataset", "{query, api_path, final_response}"):
        gold = tuple(step_of(step, str) for step in member(item, "api_path", list))
        return BenchmarkTask(
            query=member(item, "query", str),
            measures=MEASURES,
            group=by_length(gold),
            gold=tuple((call.function, call.arguments) for call in gold),
            response=optional_text(item, "final_response"),
        )


def _docids(corpus: Path) -> dict[tuple[str, str], str]:
    """The docid of each (service, name), the first where several have the same."""
    docids: dict[tuple[str, str], str] = {}
    for document in json_list(corpus):
        content = unquoted(document.get("document_content")) if isinstance(document, dict) else None
        if isinstance(content, dict) and "docid" in document:
            name = text(content.get("tool_name")), text(content.get("api_name"))
            docids.setdefault(name, str(document["docid"]))
    return docids


def _corpus_of(file: Path) -> Path:
    beside, above = file.parent / CORPUS, file.parent.parent / CORPUS
    return above if above.is_file() and not beside.is_file() else beside


def _dataset(root: Path) -> Path:
    if root.is_file():
        return root
    found = [file for file in sorted([*root.glob("*.json"), *root.glob("*/*.json")]) if file.name != CORPUS]
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise DocumentError(
            f"one dataset is wanted, found: {names}",
            place=str(root),
            remedy=f"Give the dataset's file itself; {CORPUS} must lie beside it, or in the folder above",
        )
    return found[0]
