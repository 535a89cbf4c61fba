"""The published form, written and read back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from goat_ray import jsonpath
from goat_ray.cli import Format, app
from goat_ray.console import Console
from goat_ray.errors import DocumentError
from goat_ray.inspection import sample_lines
from goat_ray.records import ApiFunction, Reject, Sample
from goat_ray.runner import Runner
from goat_ray.storage import Dataset, FunctionStore, open_dataset, outcome_row, write_records
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


STEP = {"docid": "0", "llm_generation": {"query": "Matrix"}, "server_response": "{}", "sub_instruction": "Find it."}
THEN = {"docid": "1", "llm_generation": {"movie_id": 603}, "server_response": "{}", "sub_instruction": "Who?"}
ITEM = {"query": "Who directed Matrix?", "api_path": [STEP, THEN], "final_response": "Both.", "domain": "travel"}


def published_form(folder: Path, **datasets: Any) -> Path:
    """A folder with a corpus of two functions and datasets of these items."""
    contents = [
        {"tool_name": "films", "api_name": name, "method": "GET", "required_parameters": [], "optional_parameters": []}
        for name in ("search", "credits")
    ]
    documents = [{"docid": n, "document_content": json.dumps(content)} for n, content in enumerate(contents)]
    (folder / "corpus.json").write_text(json.dumps(documents))
    for name, items in datasets.items():
        (folder / f"{name}.json").write_text(json.dumps(items))
    return folder


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
        "kept", "repeated", "unknown-function", "not-an-item", "not-an-item", "not-an-item", "not-an-item"
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
    path = [{"docid": str(n), "llm_generation": {}, "server_response": "{}"} for n in range(2)]
    for step, said in zip(path, of_steps or (), strict=False):
        step["sub_instruction"] = said
    item = {"query": "Who plays?", "subinstructions": given, "api_path": path, "final_response": "Both."}
    functions, (outcome,) = read(published_form(tmp_path, train=[item]))
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


def test_a_file_that_cannot_be_read_is_one_clear_error(tmp_path: Path) -> None:
    published_form(tmp_path, train=[])
    (tmp_path / "test.json").symlink_to("/proc/self/mem")  # reading it fails for root, too
    with pytest.raises(DocumentError, match=r"test\.json: cannot be read"):
        Published(tmp_path)


def test_items_as_the_published_generator_writes_them(tmp_path: Path) -> None:
    """Documents have numbers, items name them by text, and ToolBench's proxy wraps what APIs say."""
    said = json.dumps({"error": "", "response": json.dumps({"results": [{"id": 603}]})})
    item = {**ITEM, "api_path": [{**STEP, "server_response": said}, THEN]}
    (sample,) = read(published_form(tmp_path, train=[item]))[1]
    assert isinstance(sample, Sample), sample
    assert sample.calls[0].body == {"results": [{"id": 603}]}
    (taken,) = sample.calls[1].arguments
    assert (taken.provenance, taken.step, taken.location) == ("upstream", 0, "$.results[0].id")


@pytest.mark.parametrize(
    ("member", "value", "expected"),
    [
        ("server_response", "[" * 1200 + "]" * 1200, "kept"),
        ("server_response", '{"a":' * 450 + "1" + "}" * 450, "kept"),
        ("server_response", '{"a": "\\ud800"}', "kept"),
        ("server_response", '{"a": NaN, "b": -Infinity, "c": 1e999}', "kept"),
        ("server_response", {"a": float("nan")}, "kept"),
        ("llm_generation", '{"query": "\\ud83d", "page": NaN}', "kept"),
        ("sub_instruction", "\ud800", "kept"),
        ("final_response", "\ud800", "kept"),
        ("query", "Who directed \udc00?", "kept"),
        ("paraphrase", {"query1": "\ud800"}, "kept"),
        ("server_response", json.loads("[" * 450 + "]" * 450), "too-deep"),
        ("llm_generation", "[" * 1200 + "]" * 1200, "not-an-item"),
        ("api_path", [], "no-calls"),
        ("api_path", {}, "no-calls"),
    ],
)
def test_what_is_kept_of_an_odd_item_can_be_looked_at_and_exported(
    member: str, value: Any, expected: str, tmp_path: Path
) -> None:
    odd = {**ITEM, member: value} if member not in STEP else {**ITEM, "api_path": [{**STEP, member: value}, THEN]}
    folder, run = published_form(tmp_path, train=[odd]), tmp_path / "run"
    commands = [["import", str(folder), str(run)], ["inspect", "corpus", str(run)]]
    for form in Format if expected == "kept" else ():
        commands.append(["export", str(run), str(tmp_path / "exported" / form), "--format", form])
    for command in commands:
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, (command, result.output, result.exception)
    samples = open_dataset(run / "samples", Sample)
    assert (samples.rows, samples.rejects) == ((1, {}) if expected == "kept" else (0, {expected: 1}))
    for file in (tmp_path / "exported").rglob("*.jsonl"):
        assert "NaN" not in file.read_text()


def test_each_item_of_files_of_one_name_is_counted(tmp_path: Path) -> None:
    published_form(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.json").write_text(json.dumps([{"x": 1}, ITEM, ITEM]))
    outcomes = read(tmp_path)[1]
    assert len({one.id for one in outcomes}) == len(outcomes) == 6
    assert [one.detail.partition(":")[0] for one in outcomes if isinstance(one, Reject)] == [
        "a/train.json#0", "a/train.json#2", "b/train.json#0", "b/train.json#1", "b/train.json#2"
    ]  # fmt: skip
    assert [one.detail for one in outcomes if isinstance(one, Reject) and one.reason == "repeated"] == [
        f"{place}: same query and calls as a/train.json#1"
        for place in ("a/train.json#2", "b/train.json#1", "b/train.json#2")
    ]


def test_odd_documents_of_the_corpus_leave_the_others(tmp_path: Path) -> None:
    published_form(tmp_path, train=[ITEM, {**ITEM, "query": "Who?", "api_path": [{**STEP, "docid": "odd"}]}])
    documents = json.loads((tmp_path / "corpus.json").read_text())
    odd = {"tool_name": "films", "api_name": "caf\ud83d", "method": "GET", "required_parameters": []}
    documents += [None, {"docid": 7}, {"docid": 8, "document_content": "[" * 1200 + "]" * 1200}]
    documents += [{"docid": "odd", "document_content": json.dumps(odd)}, {"docid": [9], "document_content": 5}]
    (tmp_path / "corpus.json").write_text("\ufeff" + json.dumps(documents))
    (tmp_path / "folder.json").mkdir()
    functions, outcomes = read(tmp_path)
    assert len(functions) == 3
    assert [len(one.calls) for one in outcomes if isinstance(one, Sample)] == [2, 1]


def test_a_run_directory_at_work_is_left_alone(tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = ["import", str(published_form(tmp_path, train=[ITEM])), str(run)]
    assert CliRunner().invoke(app, command).exit_code == 0
    published_form(tmp_path, train=[])
    with Runner(run, Console()).exclusive():
        result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert result.output.startswith("goat: ") and "another goat process" in result.output
    assert result.output.count("\n") == 1
    assert open_dataset(run / "samples", Sample).rows == 1


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
VALUES = st.recursive(
    SCALARS | st.sampled_from(["0", "1", "query", "603", "{", "[NaN]", '"\\ud800"', "[" * 1200]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters()) | st.sampled_from([*STEP, "error", "response"]), inner, max_size=3)
        | inner.map(json.dumps)
    ),
    max_leaves=8,
)
PAST = {**STEP, "server_response": json.dumps({"results": [{"id": 603, "": "Matrix"}]})}
GOOD = {**ITEM, "api_path": [PAST, THEN], "subinstructions": ["Find it.", "Who?"], "paraphrase": {"query1": "Who?"}}


def places(value: Any) -> Iterator[list[Any]]:
    """The paths to all members of a value, and to itself."""
    yield []
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from ([key, *rest] for rest in places(value[key]))


def changed(value: Any, place: list[Any], new: Any) -> Any:
    if not place:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = changed(value[place[0]], place[1:], new)
    return copy


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published_form(tmp_path_factory.mktemp("fuzzed"), train=[])


@given(st.sampled_from(list(places(GOOD))), VALUES)
@example(["query"], "\ud800")
def test_any_json_in_an_item_is_a_sample_or_a_reject_that_files_hold(source: Path, place: list[Any], new: Any) -> None:
    (source / "train.json").write_text(json.dumps([changed(GOOD, place, new), GOOD]))
    outcomes = read(source)[1]
    assert len(outcomes) == 2
    for outcome in outcomes:
        json.dumps(outcome_row(outcome), ensure_ascii=False, allow_nan=False).encode()
        if isinstance(outcome, Sample):
            assert json.dumps(outcome.model_dump(), allow_nan=False)
            for call in outcome.calls:
                for argument in call.arguments:
                    if argument.step is not None:
                        jsonpath.get(outcome.calls[argument.step].body, argument.location)
