"""`goat run`, small, in an object store and against a server: every step for real, then again, and from the tape."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from typer.testing import CliRunner

from goat_ray.benchmarking import Benchmarking
from goat_ray.cli import app
from goat_ray.config import load_config
from goat_ray.evaluation.results import Result
from goat_ray.hiding import _forms
from goat_ray.inspection import corpus_of
from goat_ray.pipeline import Road
from goat_ray.places import Place
from goat_ray.records import Prediction, Sample, Score
from goat_ray.storage import Dataset, open_dataset
from goat_ray.synthesis.exports.formats import FORMATS
from tests.conftest import BOOKSHOP_TOKEN
from tests.executors.servers import api_app, serving
from tests.world import World

pytestmark = [pytest.mark.ray, pytest.mark.train, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "configs" / "demo.yaml"
WEIGHTS = 5_000_000  # bytes of a file that is no text
SMALL = [
    "sampling.plans=90",
    "training.agent.workers=1",  # tests of trainings have two
    "training.agent.epochs=1",
    "training.agent.tiny={hidden: 32, layers: 2, heads: 2, vocabulary: 512, context: 1024}",
    "training.agent.checkpoint_every=1000",
    "training.agent.log_every=5",
    "evaluation.samples=6",
    "agent.plan_tokens=24",
    "agent.call_tokens=24",
    "agent.answer_tokens=8",
]


def test_the_whole_road_over_http_in_a_store(
    ray_cluster: None,
    world: World,
    store_folder: Place,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The server wants a credential, repeats it, and fails now and then; the credential is in nothing that is kept."""
    shop = [function for function in world.functions if function.server == "https://bookshop.example/v1"]
    api = api_app(shop, "/v1", BOOKSHOP_TOKEN)
    monkeypatch.chdir(ROOT)
    with serving(api) as port:
        changes = settings(store_folder, port, "record", store_folder / "run")
        road = Road(load_config(DEMO, changes))
        _all_parts_do_their_work(road, store_folder / "run", capfd)
        assert api.state.calls.total() > 100 and api.state.failed > 20
        _measured_on_its_own_samples_in_the_published_form(road, store_folder / "run")
        _nothing_is_made_twice(road, store_folder / "run", capfd)
        _what_was_trained_can_be_asked(changes, store_folder / "run")

    asked = api.state.calls.total()
    real = {sample.id: sample for sample in open_dataset(store_folder / "run" / "samples", Sample).records()}
    replayed = Road(load_config(DEMO, settings(store_folder, port, "replay", store_folder / "run")))
    _the_tape_gives_the_same_samples(replayed.synthesize(), real)
    assert api.state.calls.total() == asked
    _the_credential_is_nowhere(store_folder)


def settings(folder: Place, port: int, mode: str, run: Place) -> list[str]:
    """What is to be set of the demo to make it small, on one of its documents and its server."""
    (folder / "apis" / "bookshop.yaml").write_bytes((ROOT / "configs/demo/documents/bookshop.yaml").read_bytes())
    queries = [{"query": "Which books are there by Ilse Quandt?", "solution": ["GET /books"]}]
    (folder / "asked.json").write_bytes(json.dumps(queries).encode())
    host = {"host": "bookshop.example", "server": f"http://127.0.0.1:{port}/v1", "allow_private": True}
    host |= {"auth": {"type": "bearer", "env": "BOOKSHOP_TOKEN"}}
    http = {"hosts": [host], "allow_methods": ["GET", "POST"], "backoff_s": 0.01, "retries": 8}
    cassette = {"path": str(folder / "tape"), "mode": mode}
    return [
        *SMALL,
        f"run.directory={run}",
        f"documents.paths=[{folder}/apis]",
        f"executor={json.dumps({'backend': 'http', 'http': http, 'cassette': cassette})}",
        f"evaluation.queries={folder}/asked.json",
        f"synthesis.contamination.benchmarks=[{folder}/asked.json]",
    ]


def _all_parts_do_their_work(road: Road, run: Place, capfd: pytest.CaptureFixture[str]) -> None:
    road.run()
    printed = capfd.readouterr().out
    for heading in (
        "Documents",
        "Dependency graph",
        "Synthesis",
        "Retriever",
        "Agent",
        "Evaluation",
        "Samples",
        "Done",
    ):
        assert f"\n{heading}\n" in printed
    assert "Traceback" not in printed and "WARNING" not in printed
    for dataset, metrics in {"scores": {"SA", "IA", "CP"}, "retrieval_scores": {"Recall@5", "asked Recall@5"}}.items():
        scores = {(score.run, score.metric) for score in open_dataset(run / dataset, Score).records()}
        assert {(name, metric) for name in ("untuned", "tuned") for metric in metrics} <= scores
    assert open_dataset(run / "predictions_tuned", Prediction).rows > 0
    losses = [json.loads(line)["loss"] for line in (run / "agent" / "losses.jsonl").read_bytes().splitlines()]
    assert losses[-1] < losses[0]


def _nothing_is_made_twice(road: Road, run: Place, capfd: pytest.CaptureFixture[str]) -> None:
    before = written(run)
    capfd.readouterr()
    road.run()
    assert written(run) == before
    assert capfd.readouterr().out.count("finished before") >= 10


def _what_was_trained_can_be_asked(changes: list[str], run: Place) -> None:
    sets = [word for change in changes for word in ("--set", change)]
    result = CliRunner().invoke(app, ["agent", "ask", "Which books are there?", "--config", str(DEMO), *sets])
    assert result.exit_code in (0, 1) and not isinstance(result.exception, Exception), result.output
    model, retriever, functions, retrieved, *steps = result.output.splitlines()
    assert model == f"model      {run}/agent, trained in this run"
    assert retriever == f"retriever  {run}/retriever, trained in this run"
    assert f"{run}/functions; calls go to the executor 'http'" in functions and "Retrieved" in retrieved
    assert any(line.startswith("Answer") for line in steps)


def _the_tape_gives_the_same_samples(replayed: Dataset[Sample], real: dict[str, Sample]) -> None:
    again = {sample.id: sample for sample in replayed.records()}
    assert again.keys() == real.keys() and len(real) >= 10
    assert {call.origin for sample in real.values() for call in sample.calls} == {"real"}
    assert {call.origin for sample in again.values() for call in sample.calls} == {"recorded"}
    bodies = {name: [call.body for call in sample.calls] for name, sample in real.items()}
    assert {name: [call.body for call in sample.calls] for name, sample in again.items()} == bodies
    assert any("sent by Bearer ***" in str(body) for body in bodies.values())


def _the_credential_is_nowhere(store: Place) -> None:
    """Neither in the store nor in Ray's logs, in none of the forms in which it could be written."""
    logs = Place.of(ray._private.worker.global_worker.node.get_logs_dir_path())
    kept = {f"{folder}/{name}": text for folder in (store, logs) for name, text in everything(folder)}
    assert any("/traces/" in name for name in kept) and any("/tape/" in name for name in kept)
    assert any("worker" in name for name in kept)
    for form in _forms(BOOKSHOP_TOKEN):
        assert [name for name, text in kept.items() if form in text] == []


def everything(folder: Place) -> Iterator[tuple[str, str]]:
    """All files below a folder as text, Parquet unpacked; but weights, which are too big to hold many of."""
    for name in (name for name, info in folder.files() if info.size < WEIGHTS):
        content = (folder / name).read_bytes()
        if name.endswith(".parquet"):
            yield name, str(pq.read_table(pa.BufferReader(content)).to_pylist())
        else:
            yield name, content.decode("utf-8", "replace")


def written(run: Place) -> dict[str, int]:
    """When each Parquet file of a run was written."""
    return {name: info.mtime_ns for name, info in run.files() if name.endswith(".parquet")}


def _measured_on_its_own_samples_in_the_published_form(road: Road, run: Place) -> None:
    """Agent and baseline as contenders; what is written for the agent scores the same as given predictions."""
    with (run / "published").filled() as folder:
        FORMATS["goat"](corpus_of(run, 6), folder)
    names, file = ("graph", "tuned"), (run / "published").fetch() / "test" / "test.json"
    benchmarking = Benchmarking.open("goatbench", file, road, names)
    results = {name: benchmarking.evaluate(name, run / "benchmarks") for name in names}
    for result, folder in results.values():
        assert len(result.tasks) == len(benchmarking.benchmark.tasks) > 0
        assert Result.read(folder) == result
        assert {"SA", "IA", "seconds per task"} <= {one.metric for one in result.estimates()}
    tuned, folder = results["tuned"]
    given, _ = benchmarking.evaluate(str((folder / "predictions.json").fetch()), run / "given")
    assert given.values("SA") == tuned.values("SA") and given.values("IA") == tuned.values("IA")
