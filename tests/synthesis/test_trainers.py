"""Chats as trainers load them: through Arrow, in which all rows of a column have one type."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow.json
import pytest

from goat_ray.identity import content_id
from goat_ray.places import Place
from goat_ray.records import ApiFunction, Argument, ExecutedCall, Lineage, Parameter, Sample
from goat_ray.storage import Dataset, FunctionStore, write_records
from goat_ray.synthesis.exports.corpus import Corpus
from goat_ray.synthesis.exports.formats import FORMATS

VALUES: list[dict[str, Any]] = [{"movie_id": 5}, {"key": "x", "movie_id": "tt5"}, {"key": 7}, {"key": ["a", "b"]}]
TYPES: dict[type, Any] = {int: "integer", str: "string", list: "array"}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """One call a sample, whose parameters have other names, or other types under the same name."""
    functions = [function_for(number, values) for number, values in enumerate(VALUES)]
    samples = [sample_of(function, values) for function, values in zip(functions, VALUES, strict=True)]
    write_records(tmp_path / "samples", Sample, samples)
    return Corpus(
        Dataset(Place.of(tmp_path / "samples"), Sample, "samples", len(samples), {}), FunctionStore.of(functions)
    )


def function_for(number: int, values: dict[str, Any]) -> ApiFunction:
    parameters = [
        Parameter(name=name, location="query", type=TYPES[type(value)], required=True, default=value)
        for name, value in values.items()
    ]
    return ApiFunction.create(service="s", name=f"f{number}", parameters=parameters)


def sample_of(function: ApiFunction, values: dict[str, Any]) -> Sample:
    arguments = [Argument(parameter=name, value=value, provenance="user") for name, value in values.items()]
    return Sample(
        id=content_id(function.name),
        query="Which?",
        subqueries=["Which?"],
        calls=[ExecutedCall(function=function.id, arguments=arguments, status=200, body={}, origin="simulated")],
        response="This.",
        lineage=Lineage(teacher="", prompts="", fingerprint="", seed=0),
    )


def rows(form: str, corpus: Corpus, folder: Path) -> list[dict[str, Any]]:
    """As a trainer has them: with the library that it loads JSON with."""
    import datasets

    (name,) = FORMATS[form](corpus, folder)
    loaded = datasets.load_dataset(
        "json", data_files=str(folder / name), split="train", cache_dir=str(folder / "cache")
    )
    return list(loaded)


def rows_of_arrow(form: str, corpus: Corpus, folder: Path) -> list[dict[str, Any]]:
    """The same with Arrow alone, as all but the latest versions of that library do it."""
    (name,) = FORMATS[form](corpus, folder)
    text = (folder / name).read_text()
    lines = [json.dumps(row) for row in json.loads(text)] if name.endswith(".json") else text.splitlines()
    return pyarrow.json.read_json(io.BytesIO("\n".join(lines).encode())).to_pylist()  # type: ignore[no-any-return]


def called_in(form: str, row: dict[str, Any]) -> Any:
    """The arguments of a row's call, as the trainer of that form gets at them."""
    if form == "sharegpt":
        return json.loads(row["conversations"][1]["value"])["arguments"]
    arguments = row["messages"][1]["tool_calls"][0]["function"]["arguments"]
    return arguments if form == "messages" else json.loads(arguments)


def schemas_in(form: str, row: dict[str, Any]) -> dict[str, Any]:
    """The schema of each tool that a row offers."""
    if form == "sharegpt":
        return {tool["name"]: tool["parameters"] for tool in json.loads(row["tools"])}
    tools = [tool["function"] for tool in row["tools"]]
    read = json.loads if form == "axolotl" else lambda as_it_is: as_it_is
    return {tool["name"]: read(tool["parameters"]) for tool in tools}


def check(form: str, found: list[dict[str, Any]]) -> None:
    assert [called_in(form, row) for row in found] == VALUES, "each call has its own arguments, of their own types"
    for row in found:
        schemas = schemas_in(form, row)
        for number, values in enumerate(VALUES):
            own = {name: (TYPES[type(value)], value) for name, value in values.items()}
            shown = schemas[f"f{number}"]["properties"]
            assert {name: (schema["type"], schema["default"]) for name, schema in shown.items()} == own


@pytest.mark.parametrize("form", ["messages", "axolotl", "sharegpt"])
def test_arguments_and_schemas_are_loaded_as_they_were(corpus: Corpus, tmp_path: Path, form: str) -> None:
    check(form, rows(form, corpus, tmp_path / form))


@pytest.mark.parametrize("form", ["axolotl", "sharegpt"])
def test_two_forms_need_no_new_library(corpus: Corpus, tmp_path: Path, form: str) -> None:
    check(form, rows_of_arrow(form, corpus, tmp_path / form))


def test_a_line_for_axolotl_is_one_of_messages_with_texts(corpus: Corpus, tmp_path: Path) -> None:
    (name,) = FORMATS["messages"](corpus, tmp_path / "messages")
    plain = [json.loads(line) for line in (tmp_path / "messages" / name).read_text().splitlines()]
    (name,) = FORMATS["axolotl"](corpus, tmp_path / "axolotl")
    texts = [json.loads(line) for line in (tmp_path / "axolotl" / name).read_text().splitlines()]
    for line in texts:
        for function in [tool["function"] for tool in line["tools"]]:
            function["parameters"] = json.loads(function["parameters"])
        for call in line["messages"][1]["tool_calls"]:
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    assert texts == plain
