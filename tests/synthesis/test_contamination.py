"""Benchmark queries: read from all forms, found in all ways, and named in the reject."""

import json
from pathlib import Path

import pytest

from goat_ray.errors import ConfigError
from goat_ray.places import Place
from goat_ray.records import Reject
from goat_ray.synthesis.contamination import Benchmarks, ContaminationConfig, read_queries
from goat_ray.synthesis.examination import Examine
from goat_ray.synthesis.splits import SplitsConfig
from tests.conftest import shared
from tests.world import World, make_samples

QUERIES = [
    "Who directed the top-1 rated movie?",
    "Please tell me the names of all the actors who played in the second film",
    "give me the images of the collection",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "bench.json"
    path.write_text(json.dumps([{"query": query, "solution": []} for query in QUERIES]))
    return path


def started(file: Path, **settings: object) -> Benchmarks:
    benchmarks = Benchmarks(ContaminationConfig(benchmarks=[str(file)], **settings))
    benchmarks.start()
    return benchmarks


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([{"query": query} for query in QUERIES]),
        json.dumps(QUERIES),
        "\n".join(json.dumps({"question": query, "id": 1}) for query in QUERIES),
        "\n".join(json.dumps({"question": [[{"role": "user", "content": query}]]}) for query in QUERIES),
        "\n".join(
            json.dumps({"role": role, "text": QUERIES[n]})
            for role, n in [("User", 0), ("AI", 0), ("User", 1), ("User", 2)]
        ),
        "\n".join(json.dumps([query]) for query in QUERIES),
        "\n".join(json.dumps(query) for query in QUERIES),
        "\n".join([QUERIES[0], "", f"  {QUERIES[1]} ", QUERIES[2], ""]),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])  # of byte order, as Windows writes it
def test_all_forms_are_read(text: str, mark: str, folder: Place) -> None:
    path = folder / "queries.any"
    path.write_bytes((mark + text).encode())
    entries = list(read_queries(str(path)))
    assert [entry.query for entry in entries] == QUERIES
    assert [entry.name for entry in entries] == [f"queries.any#{number}" for number in (1, 2, 3)]


def test_real_benchmarks_are_read() -> None:
    assert len(list(read_queries(shared("restbench", "tmdb_queries.json")))) == 100
    assert len(list(read_queries(shared("functions", "bfcl_live_multiple_200.jsonl")))) >= 200
    dialogues = sorted(shared("apibank").rglob("*.jsonl"))
    first = [next(read_queries(file)).query for file in dialogues]
    assert len(first) > 20 and "Can you calculate (5+6)*3 for me?" in first


@pytest.mark.parametrize("text", ["", "[]", '[{"answer": 1}]', "\n \n"])
def test_a_file_without_queries_is_one_clear_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text(text)
    with pytest.raises(ConfigError, match="no queries"):
        list(read_queries(tmp_path / "f"))
    with pytest.raises(ConfigError, match="cannot be read"):
        list(read_queries(tmp_path / "missing"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (json.dumps([{"query": QUERIES[0]}], indent=1)[:-2].encode(), "is no JSON.*line 4 column"),
        (json.dumps([{"query": QUERIES[0]}])[:-2].encode(), "is no JSON.*line 1 column"),
        (b'{"query": "a"}\n\n{"query": "b\n', "is no JSON.*line 3 is not"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"query": "' + QUERIES[0].encode("utf-16") + b'"}', "is no UTF-8"),
    ],
)
def test_a_broken_file_is_an_error_and_not_read_as_text(content: bytes, problem: str, tmp_path: Path) -> None:
    (tmp_path / "queries.json").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"queries\.json: .*{problem}"):
        list(read_queries(tmp_path / "queries.json"))


@pytest.mark.parametrize(
    ("text", "queries"),
    [
        ("Who made it?\n[sic] and why\n1999\n{}", ["Who made it?", "[sic] and why", "1999"]),
        (r'["\ud800 who directed it"]', ["? who directed it"]),  # half of a surrogate pair
        ('{"query": "in one\u2028line"}\n{"query": "b"}', ["in one\u2028line", "b"]),
    ],
)
def test_what_may_stand_in_queries(text: str, queries: list[str], tmp_path: Path) -> None:
    (tmp_path / "queries").write_text(text, encoding="utf-8")
    benchmarks = started(tmp_path / "queries", similarity=None)
    assert [entry.query for entry in benchmarks.entries] == queries
    assert benchmarks.settings(), "an id can be made of them"


@pytest.mark.parametrize(
    ("query", "way"),
    [
        ("who DIRECTED the top 1 rated movie", "exact"),
        ("And now tell me the names of all the actors who sang", "n-gram"),
        ("Can you give me the images of the collection of cats?", "n-gram"),  # a short entry, whole
        ("Tell me the names of all actors in it", None),
        ("images of the collection", None),
    ],
)
def test_words_in_a_row_are_found(query: str, way: str | None, file: Path) -> None:
    (match,) = started(file, similarity=None).matches([(query,)])
    assert (match.way if match else None) == way


def test_any_wording_counts(file: Path) -> None:
    assert started(file, similarity=None).matches([("harmless", QUERIES[0])])[0] is not None


def test_other_words_for_the_same_are_found(file: Path) -> None:
    wordings = [("Who was the director of the top-rated movie?",), ("Which cities have a library?",)]
    near, far = started(file, similarity=0.8).matches(wordings)
    assert near is not None and (near.way, near.entry.name) == ("embedding", "bench.json#1")
    assert far is None


def test_each_wording_is_compared_with_a_benchmark(file: Path) -> None:
    wordings = [
        ("Which cities have a library?", "Who was the director of the top-rated movie?"),
        ("Which cities have a library?", "Where can one borrow books?", "Is there a library in Oslo?"),
        ("Who was the director of the top-rated movie?", "Which cities have a library?"),
    ]
    near, far, again = started(file, similarity=0.8).matches(wordings)
    assert near is not None and (near.way, near.entry.name) == ("embedding", "bench.json#1")
    assert far is None and again == near


def test_a_contaminated_sample_is_a_reject_that_names_the_entry(world: World, tmp_path: Path) -> None:
    samples = make_samples(world, 20)
    (tmp_path / "bench.txt").write_text(samples[3].query + "\n")
    examine = Examine(world.data, SplitsConfig(), started(tmp_path / "bench.txt", similarity=None))
    examine.start()
    outcomes = {outcome.id: outcome for outcome in examine.process(samples)}
    reject = outcomes[samples[3].id]
    assert isinstance(reject, Reject) and reject.reason == "contaminated"
    asked = samples[3].query
    assert json.loads(reject.detail) == {"match": f"exact: bench.txt#1: {asked}", "query": asked}
    assert len(outcomes) == len(samples)
    other = Examine(world.data, SplitsConfig(), Benchmarks(ContaminationConfig()))
    assert other.fingerprint() != examine.fingerprint()
