"""The benchmarks' official forms, and given predictions, become tasks and scores."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goat_ray.benchmarking import Benchmarking
from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.errors import DocumentError
from goat_ray.evaluation.benchmark import Benchmark, BenchmarkTask, Solution, counted
from goat_ray.evaluation.benchmark_scores import score
from goat_ray.evaluation.goatbench import goatbench
from goat_ray.evaluation.judging import Verdict
from goat_ray.evaluation.predictions import read_predictions
from goat_ray.evaluation.restbench import normalised, restbench
from goat_ray.evaluation.results import Result, as_predictions
from goat_ray.records import ApiFunction
from goat_ray.teacher.config import TeacherConfig
from goat_ray.teacher.rules import RulesTeacher
from goat_ray.teacher.task import Failure
from tests.conftest import shared

SPOTIFY = [
    {"query": "play my playlist", "solution": ["GET /me/playlists", "PUT /me/player/play "]},
    {"query": "skip", "solution": ["POST /me/player/next"]},
    {"query": "skip", "solution": ["POST /me/player/next"]},
]


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def scored(benchmark: Benchmark, predictions: Path, verdicts: dict | None = None) -> Result:
    solutions, remarks = read_predictions(predictions, benchmark)
    return score(benchmark, "given", solutions, verdicts or {}, {}, remarks)


def means(result: Result) -> dict[tuple[str, str], float]:
    return {(one.metric, one.group): one.value for one in result.estimates()}


# --- RestBench ---


def test_tmdb_is_read_with_its_quirks_listed(tmdb_document: Path) -> None:
    config = DocumentsConfig(paths=[str(tmdb_document)])
    functions = [one for one in Ingest(config).process(discover(config)) if isinstance(one, ApiFunction)]
    benchmark = restbench(shared("restbench"), functions)
    assert benchmark.name == "restbench-tmdb"
    assert len(benchmark.tasks) == len({task.id for task in benchmark.tasks}) == 100
    assert {task.group for task in benchmark.tasks} == {"1 call", "2 calls", "3 calls", "4 calls"}
    quirks = [remark.partition(" read as the documented path: ")[0] for remark in benchmark.remarks]
    assert "' GET /movie/popular'" in quirks
    assert "'GET /person/{movie_id}/movie_credits'" in quirks
    assert {name for task in benchmark.tasks for name, _ in task.gold} <= set(benchmark.names.values())


def test_another_restbench_file_and_predictions_for_it(tmp_path: Path) -> None:
    benchmark = restbench(write(tmp_path / "spotify_queries.json", SPOTIFY), [])
    assert benchmark.name == "restbench-spotify"
    assert len(benchmark.remarks) == 1 and "'PUT /me/player/play '" in benchmark.remarks[0]
    predictions = [
        {"query": "skip", "api_path": ["GET /me", "post /me/player/next"], "final_response": "Done."},
        {"query": "play my playlist", "api_path": ["PUT /me/player/play", "GET /me/playlists"], "final_response": ""},
        {"query": "unheard of", "api_path": []},
    ]
    result = scored(benchmark, write(tmp_path / "p.json", predictions))
    # The first "skip" has a prediction, with one call more than it needs; the order of the other path is wrong.
    assert [task.measured[0].value for task in result.tasks] == [0.0, 1.0, 0.0]
    assert means(result)["CP", "all"] == pytest.approx(1 / 3)
    assert means(result)["CP", "1 call"] == 0.5
    assert means(result)["extra calls", "all"] == 1.0
    assert {"no prediction for: skip", "no such task: unheard of"} <= set(result.remarks)


def test_a_plan_is_scored_whatever_became_of_its_calls(tmp_path: Path) -> None:
    benchmark = restbench(write(tmp_path / "spotify_queries.json", SPOTIFY), [])
    gold = [tuple(name for name, _ in task.gold) for task in benchmark.tasks]
    planned: list[tuple[str, ...] | None] = [gold[0], (), None]  # all of it, none at all, and none asked for
    solutions = {task.id: Solution(planned=one) for task, one in zip(benchmark.tasks, planned, strict=True)}
    result = score(benchmark, "mine", solutions, {}, {}, [])
    assert result.values("CP") == dict.fromkeys(solutions, 0.0)
    assert list(result.values("CP of the plan").values()) == [1.0, 0.0]


def test_length_counts_over_the_successes_of_whoever_judges(tmp_path: Path) -> None:
    benchmark = restbench(write(tmp_path / "q.json", SPOTIFY[:2]), [])
    made = [{"query": one["query"], "api_path": ["GET /x", *one["solution"]]} for one in SPOTIFY[:2]]
    first, second = (task.id for task in benchmark.tasks)
    verdicts = {first: Verdict(False, "no"), second: Failure("timeout")}
    result = scored(benchmark, write(tmp_path / "p.json", made), verdicts)
    assert result.values("SR") == {first: 0.0}
    assert result.values("extra calls") == {second: 1.0}  # not judged, so the path decides
    assert "SR leaves out 1 tasks that were not judged (timeout)" in result.remarks


@pytest.mark.parametrize(("responses", "success"), [(["", " "], []), (["", "Skipped."], [0.0])])
def test_success_is_not_taken_where_no_prediction_has_a_response(
    tmp_path: Path, responses: list[str], success: list[float]
) -> None:
    """Each would be judged a failure, and no right path would count for its length."""
    benchmark = restbench(write(tmp_path / "q.json", SPOTIFY[:2]), [])
    made = [
        {"query": one["query"], "api_path": ["GET /x", *one["solution"]], "final_response": response}
        for one, response in zip(SPOTIFY, responses, strict=False)
    ]
    config = SimpleNamespace(teacher=TeacherConfig(backend="openai", model="m", base_url="http://x/v1"))
    road: Any = SimpleNamespace(config=config, teacher=RulesTeacher())  # which judges nothing, where it is asked
    file = write(tmp_path / "paths.json", made)
    result, _ = Benchmarking(road, benchmark, [], []).evaluate(str(file), tmp_path / "into")
    assert list(result.values("SR").values()) == success
    assert len(result.values("extra calls")) == 2 - len(success)
    said = "SR is not taken for paths: none of its predictions has a response to judge"
    assert (said in result.remarks) == (not success)


def test_which_query_file_is_meant_must_be_clear(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="found: none"):
        restbench(tmp_path, [])
    write(tmp_path / "a.json", SPOTIFY)
    write(tmp_path / "b.json", SPOTIFY)
    write(tmp_path / "document.json", {"openapi": "3.0.0"})
    with pytest.raises(DocumentError, match=r"found: a\.json, b\.json"):
        restbench(tmp_path, [])
    (tmp_path / "b.json").unlink()
    assert len(restbench(tmp_path, []).tasks) == 3


def test_a_singular_is_read_as_the_documented_plural(tmp_path: Path) -> None:
    gold = [{"query": "name it", "solution": ["GET /track/{id}", "GET /shows/{id}"]}]
    functions = [ApiFunction.create(service="s", name=path, method="GET", path=path) for path in ("/tracks/{id}", "/x")]
    benchmark = restbench(write(tmp_path / "spotify.json", gold), functions)
    assert [name for name, _ in benchmark.tasks[0].gold] == ["GET /tracks/{}", "GET /shows/{}"]
    assert list(benchmark.remarks) == [
        "'GET /track/{id}' read as the documented path: name it",
        "'GET /shows/{id}' is in no document: name it",
    ]
    made = [{"query": "name it", "api_path": ["GET /tracks/{track_id}", "GET /shows/{show}"]}]
    assert scored(benchmark, write(tmp_path / "p.json", made)).values("CP") == {benchmark.tasks[0].id: 1.0}
    both = [
        ApiFunction.create(service="s", name=path, method="GET", path=path) for path in ("/tracks/{id}", "/track/{x}")
    ]
    assert restbench(tmp_path / "spotify.json", both).tasks[0].gold[0][0] == "GET /track/{}"


def test_of_several_query_files_the_documented_one_is_meant(tmp_path: Path) -> None:
    write(tmp_path / "spotify.json", SPOTIFY)
    write(tmp_path / "tmdb.json", [{"query": "q", "solution": ["GET /movie/{movie_id}"]}])
    function = ApiFunction.create(service="s", name="details", method="GET", path="/movie/{id}")
    assert restbench(tmp_path, [function]).name == "restbench-tmdb"


def test_titles_are_the_same_whatever_their_parameters_are_called() -> None:
    assert normalised(" get  /a/{x}/b/{y} ") == normalised("GET /a/{id}/b/{}") == "GET /a/{}/b/{}"
    assert normalised("GET /a/{x}") != normalised("POST /a/{x}")


# --- the published form ---

GOLD = [
    {"query": "q0", "api_path": [{"docid": 1, "llm_generation": {"a": 1, "b": 2}}], "final_response": "r"},
    {"query": "q1", "api_path": [], "final_response": "r"},
]


def published(pred: list, gold: list) -> tuple[list[float], list[float]]:
    """SA and IA as facts/goat-paper.md defines them, on the published form; the reference to compare with."""

    def jaccard(left: set, right: set) -> float:
        return len(left & right) / len(left | right) if left | right else 1.0

    def call(step: dict) -> tuple[str, str]:
        return str(step["docid"]), json.dumps(step.get("llm_generation", {}), sort_keys=True, ensure_ascii=False)

    pairs = [(p["api_path"], g["api_path"]) for p, g in zip(pred, gold, strict=True)]
    sa = [jaccard({str(s["docid"]) for s in p}, {str(s["docid"]) for s in g}) for p, g in pairs]
    return sa, [jaccard(set(map(call, p)), set(map(call, g))) for p, g in pairs]


VALUES = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.5, 1.0, "1", "é", [1], {"y": 1, "x": 2}])
ARGUMENTS = st.dictionaries(st.sampled_from("ab"), VALUES, max_size=2) | st.sampled_from(['{"a": 1}', None])
STEPS = st.fixed_dictionaries(
    {"docid": st.sampled_from([1, 2, "1"])}, optional={"llm_generation": ARGUMENTS, "server_response": st.just("[]")}
)
PATHS = st.lists(STEPS, max_size=3)


@given(st.lists(st.tuples(PATHS, PATHS), min_size=1, max_size=4))
def test_scores_equal_the_published_definition(tmp_path_factory: pytest.TempPathFactory, paths: list) -> None:
    folder = tmp_path_factory.mktemp("published")
    gold = [{"query": f"q{n}", "api_path": path, "final_response": ""} for n, (path, _) in enumerate(paths)]
    pred = [{"query": f"q{n}", "api_path": path, "final_response": ""} for n, (_, path) in enumerate(paths)]
    write(folder / "corpus.json", [])
    result = scored(goatbench(write(folder / "test.json", gold), []), write(folder / "pred.json", pred))
    sa, ia = published(pred, gold)
    assert [task.measured[0].value for task in result.tasks] == pytest.approx(sa)
    assert [task.measured[1].value for task in result.tasks] == pytest.approx(ia)


@pytest.mark.parametrize(
    ("made", "sa", "ia"),
    [
        ([], 0.0, 0.0),
        ([{"docid": "1", "llm_generation": {"b": 2, "a": 1}}], 1.0, 1.0),  # key order, docid as text
        ([{"docid": 1, "llm_generation": {"a": "1", "b": 2}}], 1.0, 0.0),  # a number is not its text
        ([{"docid": 1, "llm_generation": {"a": 1.0, "b": 2}}], 1.0, 0.0),  # JSON texts are compared: 1 and 1.0 differ
        ([{"docid": 1, "llm_generation": {"a": 1, "b": 2}}] * 3, 1.0, 1.0),  # duplicates count once
        ([{"docid": 1, "llm_generation": {"a": 1, "b": 2}}, {"docid": 1}], 1.0, 0.5),
        ([{"docid": 2}, {"docid": 3}], 0.0, 0.0),
    ],
)
def test_published_form_by_hand(tmp_path: Path, made: list, sa: float, ia: float) -> None:
    write(tmp_path / "corpus.json", [])
    predictions = [
        {"query": "q0", "api_path": made, "final_response": ""},
        {"query": "q1", "api_path": [], "final_response": ""},
    ]
    result = scored(goatbench(write(tmp_path / "test.json", GOLD), []), write(tmp_path / "p.txt", predictions))
    first, second = result.tasks
    assert [one.value for one in first.measured] == [sa, ia]
    assert [one.value for one in second.measured] == [1.0, 1.0]  # both paths empty


def test_functions_find_their_docids_by_the_corpus(tmp_path: Path) -> None:
    content = {"tool_name": "films", "api_name": "find"}
    write(tmp_path / "corpus.json", [{"docid": 7, "document_content": json.dumps(content)}])
    known, unknown = (ApiFunction.create(service="films", name=name) for name in ("find", "other"))
    benchmark = goatbench(write(tmp_path / "test.json", GOLD), [known, unknown])
    assert benchmark.names == {known.id: "7", unknown.id: "other"}
    assert "docid 1 of the gold is not in the corpus" in benchmark.remarks
    assert "docid 7 is not among the run's functions: no agent can call it" in goatbench(tmp_path, [unknown]).remarks


@pytest.mark.parametrize("content", [b"{", b"{}", b"caf\xe9", b'["caf\xe9"]', b"[" * 200_000])
def test_what_is_no_list_in_json_is_one_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(content)
    with pytest.raises(DocumentError, match=r"p\.json: "):
        read_predictions(path, Benchmark("b", [], {}, str))
    for benchmark in (goatbench, restbench):
        with pytest.raises(DocumentError, match=r"p\.json: "):
            benchmark(path, [])


@pytest.mark.parametrize(
    "entry",
    [
        "3",
        "[]",
        '{"query": "q"}',
        '{"query": 5, "api_path": []}',
        '{"query": null, "api_path": []}',
        '{"query": "q", "api_path": "12"}',
        '{"query": "q", "api_path": {"1": {}}}',
        '{"query": "q", "api_path": [null]}',
        '{"query": "q", "api_path": [], "final_response": {"a": 1}}',
        '{"query": "q", "api_path": [], "final_response": 0}',
    ],
)
def test_what_is_no_entry_is_one_error_that_names_it(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(f'[{{"query": "q", "api_path": [], "final_response": null}}, {entry}]')
    with pytest.raises(DocumentError, match=r"p\.json#1: is no prediction"):
        read_predictions(path, Benchmark("b", [], {}, str))
    with pytest.raises(DocumentError, match=r"p\.json#1: is no item"):
        goatbench(path, [])


@pytest.mark.parametrize(
    "entry",
    [
        '{"query": 5, "solution": ["GET /x"]}',
        '{"query": "q", "solution": "GET /x"}',
        '{"query": "q", "solution": [1]}',
        '{"query": "q"}',
    ],
)
def test_what_is_no_entry_of_restbench_is_one_error_that_names_it(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "q.json"
    path.write_text(f'[{{"query": "q", "solution": []}}, {entry}]')
    with pytest.raises(DocumentError, match=r"q\.json#1: is no entry"):
        restbench(path, [])


def test_what_no_file_can_hold_is_scored_and_written(tmp_path: Path) -> None:
    """Halves of surrogate pairs come from models cut off in an emoji; nobody bounds the depth of a response."""
    write(tmp_path / "corpus.json", [])
    gold = [{"query": "say \ud83d", "api_path": [{"docid": 1, "llm_generation": {"a": "\ud83d"}}]}]
    deep = {"docid": "\ud83d", "server_response": "[" * 200_000}
    made = [{"query": "say \ud83d", "api_path": [*gold[0]["api_path"], deep], "final_response": "x\ud83d"}]
    benchmark = goatbench(write(tmp_path / "test.json", gold), [])
    solutions, remarks = read_predictions(write(tmp_path / "p.json", made), benchmark)
    result = score(benchmark, "given", solutions, {}, {}, remarks)
    result.write(tmp_path / "out", list(as_predictions(benchmark, solutions)))
    assert [one.value for task in Result.read(tmp_path / "out").tasks for one in task.measured] == [0.5, 0.5]
    assert benchmark.samples()[0].query == "say ?"


def test_predictions_are_written_as_they_are_read(tmp_path: Path) -> None:
    task = BenchmarkTask("q", ("SA", "IA"), "1 call", (("1", {"a": 1}),))
    benchmark = Benchmark("b", counted([task, task]), {}, str)
    path = write(tmp_path / "p.json", [{"query": "q", "api_path": [{"docid": 1, "llm_generation": {"a": 1}}]}])
    solutions, _ = read_predictions(path, benchmark)
    again, _ = read_predictions(write(tmp_path / "q.json", list(as_predictions(benchmark, solutions))), benchmark)
    assert {key: one.pairs for key, one in again.items()} == {key: one.pairs for key, one in solutions.items()}
