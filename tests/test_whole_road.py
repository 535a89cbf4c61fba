"""`goat run` in an object store, its documents too, small: every step for real, then once more without any."""

import json
from pathlib import Path

import pytest

from goat_ray.benchmarking import Benchmarking
from goat_ray.config import load_config
from goat_ray.evaluation.results import Result
from goat_ray.inspection import corpus_of
from goat_ray.pipeline import Road
from goat_ray.places import Place
from goat_ray.records import Prediction, Score
from goat_ray.storage import open_dataset
from goat_ray.synthesis.exports.formats import FORMATS

pytestmark = [pytest.mark.ray, pytest.mark.train, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[1]
SMALL = [
    "sampling.plans=90",
    "training.agent.epochs=1",
    "training.agent.tiny={hidden: 32, layers: 2, heads: 2, vocabulary: 512, context: 1024}",
    "training.agent.checkpoint_every=1000",
    "training.agent.log_every=5",
    "evaluation.samples=6",
    "agent.plan_tokens=24",
    "agent.call_tokens=24",
    "agent.answer_tokens=8",
]


def test_the_whole_road_and_its_summary(
    ray_cluster: None, store_folder: Place, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run, given = store_folder / "run", store_folder / "given"
    for document in (ROOT / "configs" / "demo" / "documents").iterdir():
        (given / "apis" / document.name).write_bytes(document.read_bytes())
    queries = [{"query": "Which books are there by Ilse Quandt?", "solution": ["GET /books"]}]
    (given / "asked.json").write_bytes(json.dumps(queries).encode())
    settings = [
        f"run.directory={run}",
        f"documents.paths=[{given}/apis]",
        f"evaluation.queries={given}/asked.json",
        f"synthesis.contamination.benchmarks=[{given}/asked.json]",
    ]
    monkeypatch.chdir(ROOT)
    config = load_config(ROOT / "configs" / "demo.yaml", [*SMALL, *settings])

    Road(config).run()
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
        assert {(run, metric) for run in ("untuned", "tuned") for metric in metrics} <= scores
    assert open_dataset(run / "predictions_tuned", Prediction).rows > 0
    losses = [json.loads(line)["loss"] for line in (run / "agent" / "losses.jsonl").read_bytes().splitlines()]
    assert losses[-1] < losses[0]

    _measured_on_its_own_samples_in_the_published_form(Road(config), run)

    before = written(run)
    Road(config).run()
    assert written(run) == before
    assert capfd.readouterr().out.count("finished before") >= 10


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
