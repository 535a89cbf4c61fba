"""The published form, written and read back."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from goat_ray.cli import app
from goat_ray.errors import DocumentError
from goat_ray.inspection import sample_lines
from goat_ray.records import ApiFunction, Reject, Sample
from goat_ray.storage import Dataset, FunctionStore, open_dataset, write_records
from goat_ray.synthesis.exports import published
from goat_ray.synthesis.exports.corpus import Corpus
from goat_ray.synthesis.imports import Published
from tests.world import World, make_samples


@pytest.fixture(scope="module")
def exported(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Sample], Path]:
    splits = ("train", "validation", "test")
    samples = [one.model_copy(update={"split": splits[n % 3]}) for n, one in enumerate(make_samples(world, 60))]
    folder = tmp_path_factory.mktemp("published")
    write_records(folder / "samples", Sample, samples)
    dataset = Dataset(folder / "samples", Sample, "samples", len(samples), {})
    published.write(Corpus(dataset, world.functions), folder / "out")
    return samples, folder / "out"


def read(folder: Path) -> tuple[list[ApiFunction], list[Sample | Reject]]:
    source = Published(folder)
    functions = [one for one in source.functions() if isinstance(one, ApiFunction)]
    return functions, list(source.samples(iter(functions)))


def test_an_import_exports_to_the_same_files(exported: tuple[list[Sample], Path], tmp_path: Path) -> None:
    _, folder = exported
    result = CliRunner().invoke(app, ["import", str(folder), str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    functions = FunctionStore.open(open_dataset(tmp_path / "run" / "functions", ApiFunction).data)
    published.write(Corpus(open_dataset(tmp_path / "run" / "samples", Sample), functions), tmp_path / "again")

    def items(where: Path, split: str) -> list[Any]:
        names = {str(one["docid"]): json.loads(one["document_content"])["api_name"] for one in
                 json.loads((where / "corpus.json").read_text())}  # fmt: skip
        found = json.loads((where / split / f"{split}.json").read_text())
        for item in found:
            for step in item["api_path"]:
                step["docid"] = names[step["docid"]]  # numbers follow ids, and ids follow the content
        return sorted(found, key=json.dumps)

    for split in ("train", "validation", "test"):
        assert items(tmp_path / "again", split) == items(folder, split)
    assert "samples" in CliRunner().invoke(app, ["inspect", "corpus", str(tmp_path / "run")]).output


def test_where_arguments_came_from_is_found_again(exported: tuple[list[Sample], Path]) -> None:
    samples, folder = exported
    _, back = read(folder)
    by_query = {sample.query: sample for sample in back if isinstance(sample, Sample)}
    right = total = 0
    for sample in samples:
        for call, again in zip(sample.calls, by_query[sample.query].calls, strict=True):
            for one, other in zip(
                *(sorted(c.arguments, key=lambda a: a.parameter) for c in (call, again)), strict=True
            ):
                total += 1
                right += one.provenance == other.provenance
                assert one.value == other.value
    assert right / total > 0.95


def test_what_cannot_be_read_is_a_reject_with_its_place(exported: tuple[list[Sample], Path], tmp_path: Path) -> None:
    _, folder = exported
    (tmp_path / "corpus.json").write_bytes((folder / "corpus.json").read_bytes())
    good = json.loads((folder / "train" / "train.json").read_text())[0]
    foreign = {**good, "api_path": [{**good["api_path"][0], "docid": 10**6}]}
    (tmp_path / "mine.json").write_text(
        json.dumps([good, good, foreign, "text", {"query": 1}, None, {**good, "api_path": [7]}])
    )
    outcomes = read(tmp_path)[1]
    assert [getattr(one, "reason", "kept") for one in outcomes] == [
        "kept", "unknown-function", "not-an-item", "not-an-item", "not-an-item", "not-an-item"
    ]  # fmt: skip
    assert all("mine.json#" in one.detail for one in outcomes if isinstance(one, Reject))


@pytest.mark.parametrize(
    ("given", "of_steps", "expected"),
    [
        (["a", "b"], ["c", "d"], ["a", "b"]),
        (["only one"], ["c", "d"], ["c", "d"]),
        (["a", "b", "one more"], ["c", "d"], ["c", "d"]),
        (["only one"], ["c", ""], "1 subinstructions for 2 calls, and not each has a sub_instruction"),
        (["only one"], None, "1 subinstructions for 2 calls, and not each has a sub_instruction"),
        ([], ["c", "d"], ["c", "d"]),
        ([], None, ["", ""]),
    ],
)
def test_each_call_has_its_instruction(
    given: list[str], of_steps: list[str] | None, expected: list[str] | str, tmp_path: Path
) -> None:
    """Whoever reads samples counts on as many sub-queries as calls."""
    names = ("search", "credits")
    contents = [{"tool_name": "films", "api_name": name, "method": "GET", "required_parameters": [],
                 "optional_parameters": []} for name in names]  # fmt: skip
    documents = [{"docid": n, "document_content": json.dumps(content)} for n, content in enumerate(contents)]
    path = [{"docid": str(n), "llm_generation": {}, "server_response": "{}"} for n in range(2)]
    for step, said in zip(path, of_steps or (), strict=False):
        step["sub_instruction"] = said
    item = {"query": "Who plays?", "subinstructions": given, "api_path": path, "final_response": "Both."}
    (tmp_path / "corpus.json").write_text(json.dumps(documents))
    (tmp_path / "train.json").write_text(json.dumps([item]))
    functions, (outcome,) = read(tmp_path)
    if isinstance(outcome, Reject):
        assert outcome.reason == "not-an-item" and outcome.detail == f"train.json#0: ValueError: {expected}"
    else:
        assert outcome.subqueries == expected
        assert len(list(sample_lines(outcome, FunctionStore.of(functions)))) == 2 + 2 * len(path)


@pytest.mark.parametrize("content", [None, "{", "{}"])
def test_a_folder_without_the_files_is_one_clear_error(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "corpus.json").write_text("[]")
        (tmp_path / "train.json").write_text(content)
    with pytest.raises(DocumentError):
        list(Published(tmp_path).samples(iter(())))


def test_items_as_the_published_generator_writes_them(tmp_path: Path) -> None:
    """Documents have numbers, items name them by text, and ToolBench's proxy wraps what APIs say."""
    contents = [
        {"tool_name": "films", "api_name": name, "method": "GET", "required_parameters": [], "optional_parameters": []}
        for name in ("search", "credits")
    ]
    documents = [{"docid": n, "document_content": json.dumps(content)} for n, content in enumerate(contents)]
    said = json.dumps({"error": "", "response": json.dumps({"results": [{"id": 603}]})})
    step = {"docid": "0", "llm_generation": {"query": "Matrix"}, "server_response": said, "sub_instruction": "Find it."}
    then = {"docid": "1", "llm_generation": {"movie_id": 603}, "server_response": "{}", "sub_instruction": "Who?"}
    item = {"query": "Who directed Matrix?", "api_path": [step, then], "final_response": "Both.", "domain": "travel"}
    (tmp_path / "corpus.json").write_text(json.dumps(documents))
    (tmp_path / "train.json").write_text(json.dumps([item]))
    (sample,) = read(tmp_path)[1]
    assert isinstance(sample, Sample), sample
    assert sample.calls[0].body == {"results": [{"id": 603}]}
    (taken,) = sample.calls[1].arguments
    assert (taken.provenance, taken.step, taken.location) == ("upstream", 0, "$.results[0].id")
