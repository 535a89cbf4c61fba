"""A corpus in other programs' forms, read as those programs read it."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment
from typer.testing import CliRunner

from goat_ray.cli import Format, app
from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.identity import canonical_json
from goat_ray.inspection import corpus_of, history
from goat_ray.places import Place
from goat_ray.records import ApiFunction, Argument, Edge, ExecutedCall, Parameter, Sample
from goat_ray.storage import MANIFEST, Dataset, FunctionStore, write_json, write_records
from goat_ray.synthesis.distractors import FEWEST
from goat_ray.synthesis.exports import huggingface
from goat_ray.synthesis.exports.corpus import Corpus
from goat_ray.synthesis.exports.files import JsonFiles
from goat_ray.synthesis.exports.formats import FORMATS
from goat_ray.synthesis.exports.tools import tool_names
from goat_ray.synthesis.imports import Published
from goat_ray.synthesis.report import CorpusReport
from goat_ray.synthesis.variety import distinct
from tests.killing import prepare
from tests.world import World, make_samples

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def corpus(world: World, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    samples = make_samples(world, 60)
    split = [one.model_copy(update={"split": SPLITS[number % 3]}) for number, one in enumerate(samples)]
    folder = tmp_path_factory.mktemp("samples")
    write_records(folder, Sample, split)
    return Corpus(Dataset(Place.of(folder), Sample, "samples", len(split), {}), world.functions)


def written(corpus: Corpus, form: str, folder: Path) -> dict[str, list[Any]]:
    counts = FORMATS[form](corpus, folder)
    read = {}
    for name, count in counts.items():
        text = (folder / name).read_text()
        read[name] = json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]
        assert len(read[name]) == count
    files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert files == set(counts), "no part of a file is left over"
    return read


def entries(read: dict[str, list[Any]], corpus: Corpus, name: str) -> list[tuple[Sample, Any]]:
    """Each sample with its entry."""
    left = {split: iter(read[name.format(split)]) for split in SPLITS}
    return [(sample, next(left[sample.split])) for sample in corpus]


@pytest.mark.parametrize("form", ["openai", "messages", "axolotl"])
def test_chats_say_what_the_sample_says(corpus: Corpus, tmp_path: Path, form: str) -> None:
    for sample, entry in entries(written(corpus, form, tmp_path), corpus, "{}.jsonl"):
        user, *turns, answer = entry["messages"]
        assert (user["content"], answer["content"]) == (sample.query, sample.response)
        schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in entry["tools"]}
        tools = {name: json.loads(schema) if form == "axolotl" else schema for name, schema in schemas.items()}
        needed = len({call.function for call in sample.calls})
        assert len(tools) == len(entry["tools"]) == max(6, needed + FEWEST)
        said = [turn["tool_calls"] for turn in turns if turn["role"] == "assistant"]
        assert len(said) == len({call.group for call in sample.calls} if form == "openai" else sample.calls)
        results = [turn for turn in turns if turn["role"] == "tool"]
        calls = sorted(sample.calls, key=lambda call: call.group) if form == "openai" else sample.calls
        for call, made, heard in zip(calls, [one for several in said for one in several], results, strict=True):
            arguments = made["function"]["arguments"]
            arguments = arguments if form == "messages" else json.loads(arguments)
            assert arguments == call.values
            schema = tools[made["function"]["name"]]
            assert set(schema["required"]) <= set(arguments) <= set(schema["properties"])
            assert re.fullmatch(r"[a-zA-Z0-9]{9}", made["id"]) and heard["tool_call_id"] == made["id"]
            assert json.loads(heard["content"]) == call.body


@pytest.mark.parametrize("form", ["openai", "messages", "axolotl", "sharegpt"])
def test_nobody_is_trained_to_fail(world: World, tmp_path: Path, form: str) -> None:
    samples = [one for one in make_samples(world, 60, recovery=1.0) if any(call.corrected_by for call in one.calls)]
    assert samples
    write_records(tmp_path / "samples", Sample, samples)
    corpus = Corpus(Dataset(Place.of(tmp_path / "samples"), Sample, "samples", len(samples), {}), world.functions)
    name = "train.json" if form == "sharegpt" else "train.jsonl"
    for sample, entry in zip(corpus, written(corpus, form, tmp_path / form)[name], strict=True):
        right = [call.values for call in sample.calls if call.corrected_by is None]
        if form == "sharegpt":
            turns = [json.loads(turn["value"]) for turn in entry["conversations"] if turn["from"] == "function_call"]
            assert [turn["arguments"] for turn in turns] == right
            continue
        turns = [turn for turn in entry["messages"] if turn.get("tool_calls")]
        trained = [call for turn in turns if turn.get("weight") != 0 for call in turn["tool_calls"]]
        shown = [call for turn in turns if turn.get("weight") == 0 for call in turn["tool_calls"]]
        read = (lambda as_it_is: as_it_is) if form == "messages" else json.loads
        said = (canonical_json(read(call["function"]["arguments"])) for call in trained)
        assert sorted(said) == sorted(map(canonical_json, right))
        assert len(shown) == (len(sample.calls) - len(right) if form == "openai" else 0)


TEMPLATES = {
    # Written for this test after what the three families' templates do with messages and tools.
    "chatml": (
        "{% if tools %}<|im_start|>system\n<tools>{% for t in tools %}{{ t | tojson }}\n{% endfor %}</tools>"
        "<|im_end|>\n{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.tool_calls %}"
        "{% for c in m.tool_calls %}"
        '<tool_call>{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}</tool_call>'
        "{% endfor %}{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
    ),
    "header": (
        "{% for m in messages %}{% if m.role == 'tool' %}<|start|>ipython<|end|>{{ m.content | tojson }}"
        "{% elif m.tool_calls %}{% if m.tool_calls | length != 1 %}{{ raise_exception('one call only') }}{% endif %}"
        "<|start|>assistant<|end|>{{ {'name': m.tool_calls[0].function.name, 'parameters': "
        "m.tool_calls[0].function.arguments} | tojson }}{% else %}<|start|>{{ m.role }}<|end|>{{ m.content | trim }}"
        "{% endif %}<|eot|>{% endfor %}"
    ),
    "inst": (
        "[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% for m in messages %}{% if m.role == 'user' %}"
        "[INST]{{ m.content }}[/INST]{% elif m.tool_calls %}[TOOL_CALLS]{% for c in m.tool_calls %}"
        "{% if c.id | length != 9 %}{{ raise_exception('ids have nine characters') }}{% endif %}"
        "{{ c.function | tojson }}{% endfor %}</s>{% elif m.role == 'tool' %}[TOOL_RESULTS]"
        '{"content": {{ m.content }}, "call_id": "{{ m.tool_call_id }}"}[/TOOL_RESULTS]'
        "{% else %}{{ m.content }}</s>{% endif %}{% endfor %}"
    ),
}


@pytest.mark.parametrize("family", TEMPLATES)
def test_chat_templates_render_every_sample(corpus: Corpus, tmp_path: Path, family: str) -> None:
    def refuse(message: str) -> None:
        raise ValueError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": False}
    environment.globals["raise_exception"] = refuse
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    template = environment.from_string(TEMPLATES[family])
    for sample, entry in entries(written(corpus, "messages", tmp_path), corpus, "{}.jsonl"):
        text = template.render(**entry)
        assert sample.query in text and sample.response in text
        for call in sample.calls:
            assert corpus.names[call.function] in text
            assert all(json.dumps(value, ensure_ascii=False) in text for value in call.values.values())


def test_sharegpt_turns_alternate_as_its_readers_demand(corpus: Corpus, tmp_path: Path) -> None:
    for sample, entry in entries(written(corpus, "sharegpt", tmp_path), corpus, "{}.json"):
        speakers = [turn["from"] for turn in entry["conversations"]]
        assert speakers == ["human", *["function_call", "observation"] * len(sample.calls), "gpt"]
        names = {tool["name"] for tool in json.loads(entry["tools"])}
        for turn in entry["conversations"][1:-1:2]:
            assert json.loads(turn["value"])["name"] in names


def test_leaderboard_answers_match_their_questions(corpus: Corpus, tmp_path: Path) -> None:
    read = written(corpus, "bfcl", tmp_path)
    answers = {sample.id: entry for sample, entry in entries(read, corpus, "possible_answers_{}.jsonl")}
    for sample, entry in entries(read, corpus, "questions_{}.jsonl"):
        assert entry["question"][0][0]["content"] == sample.query
        functions = {function["name"]: function for function in entry["function"]}
        assert {function["parameters"]["type"] for function in functions.values()} == {"dict"}
        assert answers[sample.id]["id"] == entry["id"]
        for call, truth in zip(sample.calls, answers[sample.id]["ground_truth"], strict=True):
            ((name, arguments),) = truth.items()
            assert name in functions
            assert arguments == {key: [value] for key, value in call.values.items()}


PYTHON_TYPES = {"string": str, "integer": int, "float": float, "boolean": bool, "array": list, "dict": dict, "any": str}


def as_graded(document: dict[str, Any], given: dict[str, Any], possible: dict[str, list[Any]]) -> bool:
    """What the leaderboard's checker makes of one call's arguments; as there, a document without a type breaks it.

    It looks into objects and into lists of objects once, where the document names them so and the answer has one.
    """
    kinds = {name: PYTHON_TYPES[schema["type"]] for name, schema in document["properties"].items()}
    inner = {
        name: PYTHON_TYPES[schema["items"]["type"]]
        for name, schema in document["properties"].items()
        if kinds[name] is list
    }

    def members(value: dict[str, Any], answer: dict[str, list[Any]]) -> bool:
        return value.keys() == answer.keys() and all(value[key] in answer[key] for key in value)

    def right(name: str, value: Any, answer: Any) -> bool:
        if type(value) is dict is kinds[name]:
            return members(value, answer)
        if type(value) is list is kinds[name] and inner[name] is dict:
            return len(value) == len(answer) and all(map(members, value, answer))
        fits = type(value) in (kinds[name], type(answer)) or (type(value), kinds[name]) == (int, float)
        return fits and value == answer

    return given.keys() == possible.keys() and all(
        any(right(name, value, answer) for answer in possible[name]) for name, value in given.items()
    )


VALUES: list[tuple[str, str | None, Any, Any]] = [  # type, type of items, value, another one
    ("object", None, {"city": "Oslo", "rooms": 2}, {"city": "Oslo", "rooms": 3}),
    ("object", None, {"where": {"city": "Oslo"}, "tags": ["a"]}, {"where": {"city": "Rome"}, "tags": ["a"]}),
    ("array", "object", [{"city": "Oslo"}, {"where": {"x": 1}}], [{"city": "Oslo"}, {"where": {"x": 2}}]),
    ("array", "any", [{"city": "Oslo"}], [{"city": "Rome"}]),
    ("array", None, [1, 2], [1, 3]),
    ("array", "string", [], ["a"]),
    ("array", "array", [[1], [{"a": 1}]], [[1], [{"a": 2}]]),
    ("any", None, {"city": "Oslo"}, {"city": "Rome"}),
    ("any", None, 5, 6),
    ("object", None, "city:Oslo", "city:Rome"),
    ("number", None, 5, 5.5),
]


@pytest.mark.parametrize(("type_", "item_type", "value", "other"), VALUES)
def test_the_leaderboard_can_grade_values_of_all_types(
    corpus: Corpus, type_: Any, item_type: Any, value: Any, other: Any, tmp_path: Path
) -> None:
    parameter = Parameter(name="x", location="body", type=type_, item_type=item_type)
    function = ApiFunction.create(service="S", name="book", parameters=[parameter])
    arguments = [Argument(parameter="x", value=value, provenance="user")]
    call = ExecutedCall(function=function.id, arguments=arguments, status=200, body={}, origin="simulated")
    sample = next(iter(corpus)).model_copy(update={"calls": [call], "subqueries": ["book"]})
    write_records(tmp_path / "samples", Sample, [sample])
    dataset = Dataset(Place.of(tmp_path / "samples"), Sample, "samples", 1, {})
    read = written(Corpus(dataset, FunctionStore.of([function])), "bfcl", tmp_path / "bfcl")
    document = read["questions_train.jsonl"][0]["function"][0]["parameters"]
    possible = read["possible_answers_train.jsonl"][0]["ground_truth"][0]["book"]
    assert as_graded(document, {"x": value}, possible)
    assert not as_graded(document, {"x": other}, possible)


def test_the_published_form_comes_back_as_the_same_functions(corpus: Corpus, tmp_path: Path) -> None:
    """Read by this project's own reader of that form."""
    read = written(corpus, "goat", tmp_path)
    config = DocumentsConfig(paths=[str(tmp_path / "corpus.json")])
    back = [one for one in Ingest(config).process(discover(config)) if isinstance(one, ApiFunction)]
    originals = {(one.service, one.name): one for one in corpus.functions}
    assert {(one.service, one.name) for one in back} == set(originals)
    for one in back:
        original = originals[one.service, one.name]
        assert {p.name: p.required for p in one.parameters} == {p.name: p.required for p in original.parameters}
        assert {field.path for field in one.outputs} == {field.path for field in original.outputs}
    by_number = {str(document["docid"]): json.loads(document["document_content"]) for document in read["corpus.json"]}
    for sample, entry in entries(read, corpus, "{0}/{0}.json"):
        assert entry["query"] == sample.query and entry["final_response"] == sample.response
        for call, step in zip(sample.calls, entry["api_path"], strict=True):
            assert by_number[step["docid"]]["api_name"] == corpus.functions[call.function].name
            assert step["llm_generation"] == call.values and json.loads(step["server_response"]) == call.body


def test_the_published_scripts_find_what_they_look_up(corpus: Corpus, tmp_path: Path) -> None:
    """As preprocessing and inference do: all files of a folder, documents by text, no document 0, two rewordings."""
    written(corpus, "goat", tmp_path)
    documents = {
        str(one["docid"]): one["document_content"] for one in json.loads((tmp_path / "corpus.json").read_text())
    }
    for split in SPLITS:
        items = [item for file in (tmp_path / split).glob("*.json") for item in json.loads(file.read_text())]
        assert items
        for item in items:
            assert all(json.loads(documents[step["docid"]])["api_name"] for step in item["api_path"])
            assert all(int(step["docid"]) for step in item["api_path"])
            assert all(item["paraphrase"][key] for key in ("query1", "query2", "response1", "response2"))


def test_a_hub_folder_loads_with_the_hubs_library(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.setattr(huggingface, "ROWS_PER_FILE", 10)
    monkeypatch.setattr(huggingface, "ROWS_PER_GROUP", 4)
    dropped, count = ["dropped: narrated   3 unreadable"], lambda text: len(text.split())
    told = replace(corpus, history=dropped, count_links=lambda: 500, count_tokens=count)
    FORMATS["huggingface"](told, tmp_path / "hub")
    files = [pq.ParquetFile(file).metadata for file in (tmp_path / "hub" / "data").iterdir()]
    groups = [file.row_group(number).num_rows for file in files for number in range(file.num_row_groups)]
    assert max(file.num_rows for file in files) == 10 and max(groups) == 4, "written bit by bit"
    loaded = datasets.load_dataset(str(tmp_path / "hub"), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == set(SPLITS)
    for split, rows in loaded.items():
        assert [row["query"] for row in rows] == [sample.query for sample in corpus if sample.split == split]
    card = (tmp_path / "hub" / "README.md").read_text()
    assert f"samples             {len(list(corpus)):,}" in card
    assert "distinct-2" in card and "self-BLEU" in card and next(iter(corpus)).query in card
    assert dropped[0] in card and " of 500  (entropy" in card and "tokens of a sample  query " in card
    share = sum(len(sample.paraphrases) == 2 for sample in corpus) / len(list(corpus))
    assert f"2: {100 * share:.0f} %" in next(line for line in card.splitlines() if line.startswith("paraphrases"))


def test_what_was_dropped_and_redacted_on_the_way_is_told(tmp_path: Path) -> None:
    facts = {"email redacted": 3, "token redacted": 1, "judge-edge requests": 7}
    manifest = {"rows": 5, "rejects": {"unreadable": 2}, "facts": facts, "seconds": 1.0, "finished": "2026-01-01"}
    (tmp_path / "narrated").mkdir()
    write_json(tmp_path / "narrated" / MANIFEST, manifest)
    assert list(history(Place.of(tmp_path))) == [
        "dropped: narrated   2 unreadable",
        "redacted            3 email, 1 token",
    ]


def test_tool_names_are_distinct_and_within_the_limits() -> None:
    names = ["get", "get", "get item!", "get item?", "x" * 90, "x" * 89 + "y", "日本", ""]
    services = ["a", "b", "a", "a", "a", "a", "a", "a"]
    functions = [
        ApiFunction.create(service=service, name=name, path=f"/{number}")
        for number, (service, name) in enumerate(zip(services, names, strict=True))
    ]
    found = tool_names(FunctionStore.of(functions))
    assert len(set(found.values())) == len(functions)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in found.values())
    assert {found[functions[0].id], found[functions[1].id]} == {"a_get", "b_get"}


def test_a_name_with_a_part_of_an_id_is_no_other_functions_own() -> None:
    """Such as of tools that were exported, and read again as documents beside those that they came from."""
    twins = [ApiFunction.create(service="a", name="get", path=f"/{number}") for number in range(2)]
    names = tool_names(twins)
    read_again = [ApiFunction.create(service="b", name=name) for name in names.values()]
    found = tool_names([*twins, *read_again])
    assert len(set(found.values())) == 4
    assert [found[one.id] for one in read_again] == list(names.values())
    alike = [one.model_copy(update={"id": f"0123456789{number}"}) for number, one in enumerate(twins)]
    assert len(set(tool_names(alike).values())) == 2


def test_an_export_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="halfway"):
        with JsonFiles(tmp_path) as files:
            files.add("train.json", {"a": 1})
            raise ValueError("halfway")
    assert list(tmp_path.iterdir()) == []


def test_the_report_counts_what_is_there(corpus: Corpus) -> None:
    samples = list(corpus)
    report = CorpusReport.of(samples, corpus.functions)
    assert report.samples == len(samples) == report.splits.total() == report.lengths.total() == report.shapes.total()
    assert report.used.total() == sum(len(sample.calls) for sample in samples)
    assert report.shapes["single"] == report.lengths[1]
    assert report.variety.share(1) == distinct([sample.query for sample in samples], 1)


def finish(folder: Path, samples: list[Sample]) -> None:
    write_records(folder, Sample, samples)
    write_json(folder / MANIFEST, {"fingerprint": "", "rows": len(samples), "rejects": {}, "facts": {}, "seconds": 0.0})


def test_every_form_can_be_asked_for() -> None:
    assert [form.value for form in Format] == list(FORMATS)


def test_an_export_leaves_nothing_of_an_earlier_one(world: World, corpus: Corpus, tmp_path: Path) -> None:
    prepare(tmp_path / "run", world)
    into = tmp_path / "export"
    for splits in (SPLITS, ("train",)):
        samples = [sample for sample in corpus if sample.split in splits]
        shutil.rmtree(tmp_path / "run" / "samples", ignore_errors=True)
        finish(tmp_path / "run" / "samples", samples)
        result = CliRunner().invoke(app, ["export", str(tmp_path / "run"), str(into), "--format", "goat"])
        assert result.exit_code == 0, result.output
        found = {str(file.relative_to(into)) for file in into.rglob("*") if file.is_file()}
        assert found == {".exported-goat", "corpus.json", *(f"{split}/{split}.json" for split in splits)}
        assert len(list(Published(into).samples(corpus.functions))) > 0


def test_links_of_the_graph_are_counted_by_column(
    world: World, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path, world)
    finish(tmp_path / "samples", list(corpus))
    found = corpus_of(Place.of(tmp_path))
    monkeypatch.setattr(Edge, "from_row", None)
    assert found.count_links() == len({(edge.source, edge.target) for edge in world.edges}) > 10


def test_the_report_counts_links_evenness_and_tokens(corpus: Corpus) -> None:
    report = CorpusReport.of(corpus, corpus.functions, links=500, count_tokens=lambda text: len(text.split()))
    assert report.tokens["query"] == report.query_words
    assert set(report.tokens) == {"query", "arguments", "outputs", "response"}
    upstream = sum(argument.step is not None for one in corpus for call in one.calls for argument in call.arguments)
    assert report.joined.total() == upstream > len(report.joined)
    text = "\n".join(report.lines())
    assert f"links used          {len(report.joined):,} of 500" in text and "bits" in text
